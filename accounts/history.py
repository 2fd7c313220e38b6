"""The audit log as people read it: who did what to what, in words. Reads AuditEntry rows, which `audit.py` writes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from accounts.models import AuditEntry, Team
from accounts.money import dollars
from accounts.refusals import BadRequest

PAGE = 25

# What was done, as the log keeps it, and how it reads after the name of who did it.
_DID = {
    "budget lifted": "lifted",
    "budget set": "set",
    "code refused": "could not redeem",
    "correction": "corrected",
    "key changed": "changed the limits of key",
    "key made": "made key",
    "key revoked": "revoked key",
    "key rotated": "rotated key",
    "more asked for": "asked for more of",
    "more denied": "denied more of",
    "more given": "gave more of",
    "price entered": "entered the price of",
    "refund": "refunded",
    "time zone set": "set the time zone",
    "top-up": "topped up",
    "unpriced models allowed": "allowed unpriced models in",
    "unpriced models refused": "refused unpriced models in",
}
_MONEY_MOVES = ("top-up", "refund", "correction")


@dataclass(frozen=True, slots=True)
class Line:
    who: str  # "" for the system
    did: str
    what: str
    detail: str
    when: datetime


def page(team: Team, *, person: str, action: str, before: str) -> tuple[list[Line], str]:
    """A page of the log, the newest first, from behind the cursor `before` on; and the cursor for older ones or ''.

    `person` is the number of a user, or "" for everybody; `action` as the log keeps it, or "". Raises BadRequest.
    """
    entries = team.audit_entries.select_related("actor").order_by("-pk")
    if action:
        entries = entries.filter(action=action)
    try:
        if person:
            entries = entries.filter(actor=_number(person))
        if before:
            entries = entries.filter(pk__lt=_number(before))
    except ValueError:
        raise BadRequest("This list cannot be continued. Open it from its beginning.", param="before") from None
    rows, zone = list(entries[: PAGE + 1]), ZoneInfo(team.time_zone)
    return [_line(entry, zone) for entry in rows[:PAGE]], str(rows[PAGE - 1].pk) if len(rows) > PAGE else ""


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**63 or not text.isdecimal():
        raise ValueError(text)
    return number


def actions(team: Team) -> list[str]:
    """What has been done in the team so far."""
    return sorted(team.audit_entries.order_by().values_list("action", flat=True).distinct())


def _line(entry: AuditEntry, zone: ZoneInfo) -> Line:
    facts = dict(entry.facts)
    what = entry.subject
    if entry.action in _MONEY_MOVES:  # their subject is the entry's key
        what = dollars(facts.pop("amount_nanousd", 0))
    return Line(
        who=entry.actor.name if entry.actor else "",
        did=_DID.get(entry.action, entry.action),
        what=what,
        detail=", ".join(filter(None, (_fact(name, value, zone) for name, value in facts.items()))),
        when=entry.created_at,
    )


def _fact(name: str, value: Any, zone: ZoneInfo) -> str:
    """One fact in words; nothing for what is not there."""
    if value is None or value == "":
        return ""
    match name:
        case "hard":
            return f"limit {dollars(value)}"
        case "soft":
            return f"warns at {dollars(value)}"
        case "until":
            last = (datetime.fromisoformat(value) - timedelta(seconds=1)).astimezone(zone)
            return f"until {last.day} {last:%b %Y}"
        case "amount_nanousd":
            return dollars(value)
        case "note" | "answer":
            return f"“{value}”"
        case "prompt_picousd" | "completion_picousd":
            return f"{name.removesuffix('_picousd')} {dollars(value * 1000)} / 1M"
    return f"{name.replace('_', ' ')} {value}"
