"""The ledger as people read it: when money was held, settled, given back, added and corrected, the newest first.

An admin sees the team's history: a line where a hold opened, one where it closed, and one for every entry that people
made. The credit after each line is what could be spent then. It is not stored: the wallet says what it is now, and each
line what it changed, so a page reckons backwards from its newest line; the page after it starts from the figure its
signed cursor carries. That is exact on every page, and the last costs what the first does. Where only some entries are
asked for, the figure is the balance that stands on the entry. Members see their own requests, one line each.

Reads rows that the ledger wrote; changes none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core import signing
from django.db.models import F
from django.utils import timezone

from accounts import usage
from accounts.callers import Caller
from accounts.models import Entry, Hold, Receipt, Team
from accounts.refusals import BadRequest
from accounts.statements import rows

PAGE = 25
ENTRIES = "entries"  # without what is held and freed
KINDS = {
    "": "All entries",
    ENTRIES: "Money moves only",
    Entry.Kind.TOP_UP: "Top-ups",
    Entry.Kind.CHARGE: "Charges",
    Entry.Kind.REFUND: "Refunds",
    Entry.Kind.CORRECTION: "Corrections",
}

_ENTERED, _CLOSED, _OPENED = range(3)  # in this order at one moment: what was freed may be held again


@dataclass(frozen=True, slots=True)
class Line:
    """`kind` is held, settled, released, or an entry's. `source` is a key's name or playground, of an entry by hand its
    note. `after_nanousd` is None where it would say nothing: among the lines of one member."""

    at: datetime
    kind: str
    member: str
    source: str
    model_id: str
    request_id: str
    number: int | None
    cost_nanousd: int | None
    change_nanousd: int
    after_nanousd: int | None

    @property
    def has_receipt(self) -> bool:
        """A receipt is written when its hold closes."""
        return bool(self.request_id) and self.kind != Hold.State.OPEN

    @property
    def is_today(self) -> bool:
        """By the clock the page is shown by."""
        return timezone.localdate(self.at) == timezone.localdate()

    @property
    def change_sign(self) -> str:
        return "+" if self.change_nanousd > 0 else ""


@dataclass(frozen=True, slots=True)
class Page:
    lines: list[Line]
    older: str  # the cursor of the next page, or ''


def page(caller: Caller, *, kind: str = "", before: str = "", size: int = PAGE) -> Page:
    """The newest lines, or those older than the cursor `before`. Raises BadRequest for what is none of its cursors.

    In at most four queries, however long the history is.
    """
    if not usage.sees_all(caller):
        return _own(caller, before, size)
    return _entries(caller.team, kind, before, size) if kind else _history(caller.team, before, size)


# The team's history

_HISTORY = """
SELECT merged.what, merged.id, merged.change,
    (SELECT balance_nanousd - held_nanousd FROM accounts_wallet WHERE team_id = %s) AS available
FROM (
    SELECT * FROM (
        SELECT created_at AS moment, 0 AS what, id, amount_nanousd AS change FROM accounts_entry
        WHERE wallet_id = %s AND NOT (kind = 'charge') AND {}
        ORDER BY created_at DESC, id DESC LIMIT %s
    ) AS entered
    UNION ALL SELECT * FROM (
        SELECT closed_at AS moment, 1 AS what, id, amount_nanousd - charged_nanousd AS change FROM accounts_hold
        WHERE wallet_id = %s AND NOT (state = 'open') AND {}
        ORDER BY closed_at DESC, id DESC LIMIT %s
    ) AS closed
    UNION ALL SELECT * FROM (
        SELECT opened_at AS moment, 2 AS what, id, -amount_nanousd AS change FROM accounts_hold
        WHERE wallet_id = %s AND {}
        ORDER BY opened_at DESC, id DESC LIMIT %s
    ) AS opened
) AS merged
ORDER BY merged.moment DESC, merged.what DESC, merged.id DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last line of a page, and the credit before it. Signed for one team: what it says is believed."""

    at: datetime
    what: int
    pk: int
    available: int

    def signed(self, team: Team) -> str:
        facts = [team.pk, self.at.astimezone(UTC).isoformat(), self.what, self.pk, self.available]
        return signing.dumps(facts, salt=__name__)

    @classmethod
    def read(cls, text: str, team: Team) -> "Cursor":
        try:
            team_id, at, what, pk, available = signing.loads(text, salt=__name__)
        except (signing.BadSignature, ValueError):
            raise _no_cursor() from None
        if team_id != team.pk:
            raise _no_cursor()
        return cls(datetime.fromisoformat(at), what, pk, available)

    def older(self, what: int, column: str) -> tuple[str, tuple[Any, ...]]:
        """The condition for rows of that part that come after this line."""
        if what == self.what:
            return f"({column}, id) < (%s, %s)", (self.at, self.pk)
        return f"{column} {'<' if what > self.what else '<='} %s", (self.at,)


def _history(team: Team, before: str, size: int) -> Page:
    cursor = Cursor.read(before, team) if before else None
    parts = ((_ENTERED, "created_at"), (_CLOSED, "closed_at"), (_OPENED, "opened_at"))
    older = [cursor.older(*part) if cursor else ("1 = 1", ()) for part in parts]
    values = [value for _, own in older for value in (team.pk, *own, size + 1)]
    # One statement, so that the wallet and the lines are of the same moment.
    found = rows(_HISTORY.format(*(condition for condition, _ in older)), team.pk, *values, size + 1)
    shown = found[:size]
    holds = Hold.objects.select_related("user", "access_key").defer("request")
    holds_by_pk = holds.in_bulk({pk for what, pk, *_ in shown if what != _ENTERED})
    entries = _told().in_bulk({pk for what, pk, *_ in shown if what == _ENTERED})
    after = cursor.available if cursor else (found[0][3] if found else 0)
    lines = []
    for what, pk, change, _ in shown:
        if what == _ENTERED:
            lines.append(_entry_line(entries[pk], after))
        else:
            lines.append(_hold_line(holds_by_pk[pk], is_opened=what == _OPENED, change=change, after=after))
        after -= change
    if len(found) <= size:
        return Page(lines, "")
    what, pk, *_ = shown[-1]
    return Page(lines, Cursor(lines[-1].at, what, pk, after).signed(team))


def _hold_line(hold: Hold, *, is_opened: bool, change: int, after: int | None) -> Line:
    return Line(
        at=hold.opened_at if is_opened or hold.closed_at is None else hold.closed_at,
        kind=Hold.State.OPEN if is_opened else hold.state,
        member=hold.user.name,
        source=_source(hold),
        model_id=hold.model_id,
        request_id=hold.request_id,
        number=None,
        cost_nanousd=None if is_opened else hold.charged_nanousd,
        change_nanousd=change,
        after_nanousd=after,
    )


# Entries alone


def _entries(team: Team, kind: str, before: str, size: int) -> Page:
    found = _told().filter(wallet_id=team.pk)
    if before and kind in (Entry.Kind.CHARGE, ENTRIES):
        found = found.filter(number__lt=_number(before))
    elif before:  # a sum, so that no database looks for the few by number among all charges
        found = found.alias(place=F("number") + 0).filter(place__lt=_number(before))
    if kind == Entry.Kind.CHARGE:
        found = found.filter(kind=kind).order_by("-number")
    elif kind == ENTRIES:
        found = found.order_by("-number")
    else:  # as the index says it, which has these few by their time
        found = found.exclude(kind=Entry.Kind.CHARGE).filter(kind=kind).order_by("-created_at", "-number")
    read = list(found[: size + 1])
    lines = [_entry_line(entry, entry.balance_nanousd) for entry in read[:size]]
    return Page(lines, str(read[size - 1].number) if len(read) > size else "")


def _told() -> Any:
    return Entry.objects.select_related("by", "hold__user", "hold__access_key").defer("hold__request")


def _entry_line(entry: Entry, after: int) -> Line:
    hold, is_charge = entry.hold, entry.kind == Entry.Kind.CHARGE
    who = hold.user if hold and is_charge else entry.by
    return Line(
        at=entry.created_at,
        kind=entry.kind,
        member=who.name if who else "EMMA18",
        source=_source(hold) if hold and is_charge else entry.note,
        model_id=hold.model_id if hold else "",
        request_id=hold.request_id if hold else "",
        number=entry.number,
        cost_nanousd=-entry.amount_nanousd if is_charge else None,
        change_nanousd=entry.amount_nanousd,
        after_nanousd=after,
    )


def _source(hold: Hold) -> str:
    return hold.access_key.label if hold.access_key else "playground"


# A member's own


def _own(caller: Caller, before: str, size: int) -> Page:
    """A line a request: what runs, then what has ended. Found by their receipts, which are in order by member."""
    ended = Receipt.objects.filter(team=caller.team, user=caller.user, hold__isnull=False)
    running: Iterable[Hold] = ()
    if before:
        ended = ended.filter(pk__lt=_number(before))
    else:
        open_holds = Hold.objects.filter(wallet_id=caller.team.pk, user=caller.user, state=Hold.State.OPEN)
        running = open_holds.select_related("user", "access_key").defer("request").order_by("-opened_at", "-pk")[:size]
    related = ended.select_related("hold__user", "hold__access_key").only(
        *("hold__user__name", "hold__access_key__name", "hold__access_key__last_four"),
        *(f"hold__{name}" for name in _HOLD_COLUMNS),
    )
    found = list(related.order_by("-pk")[: size + 1])
    lines = [_hold_line(hold, is_opened=True, change=-hold.amount_nanousd, after=None) for hold in running]
    lines += [_ended_line(receipt.hold) for receipt in found[:size] if receipt.hold]
    return Page(lines, str(found[size - 1].pk) if len(found) > size else "")


_HOLD_COLUMNS = (
    *("request_id", "model_id", "state", "amount_nanousd", "charged_nanousd", "refunded_nanousd"),
    *("opened_at", "closed_at"),
)


def _ended_line(hold: Hold) -> Line:
    cost = hold.charged_nanousd - hold.refunded_nanousd
    return _hold_line(hold, is_opened=False, change=-cost, after=None)


def _number(text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise _no_cursor()
    return int(text)


def _no_cursor() -> BadRequest:
    return BadRequest("This list cannot be continued. Open it from its beginning.", param="before")
