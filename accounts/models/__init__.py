"""The rows of this room: people, keys, money. Knows models of language only as text ids."""

from accounts.models.keys import AccessKey, AccessKeyQuerySet, Provider
from accounts.models.money import Attempt, AuditEntry, Budget, BudgetWindow, Entry, Hold, Wallet
from accounts.models.people import Installation, Membership, Team, User, UserManager

__all__ = [
    "AccessKey",
    "AccessKeyQuerySet",
    "Attempt",
    "AuditEntry",
    "Budget",
    "BudgetWindow",
    "Entry",
    "Hold",
    "Installation",
    "Membership",
    "Provider",
    "Team",
    "User",
    "UserManager",
    "Wallet",
]
