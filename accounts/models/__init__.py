"""The rows of this room: people, keys, money. Knows models of language only as text ids."""

from accounts.models.background import Heartbeat, Run
from accounts.models.keys import AccessKey, AccessKeyQuerySet, Provider
from accounts.models.money import (
    Attempt,
    AuditEntry,
    Budget,
    BudgetRaise,
    BudgetWindow,
    CreditCode,
    Entry,
    Hold,
    MoneyRequest,
    RateMinute,
    Wallet,
)
from accounts.models.people import Installation, Membership, Team, User, UserManager
from accounts.models.receipts import Receipt, UsageDay

__all__ = [
    "AccessKey",
    "AccessKeyQuerySet",
    "Attempt",
    "AuditEntry",
    "Budget",
    "BudgetRaise",
    "BudgetWindow",
    "CreditCode",
    "Entry",
    "Heartbeat",
    "Hold",
    "Installation",
    "Membership",
    "MoneyRequest",
    "Provider",
    "RateMinute",
    "Receipt",
    "Run",
    "Team",
    "UsageDay",
    "User",
    "UserManager",
    "Wallet",
]
