"""The money of some teams, read under lock, changed in memory by one operation after the other, and written at once.

A group of requests costs a handful of statements this way, not a dozen each. Decides what a request may hold and what
it is charged; knows amounts, never how they were worked out. Only `ledger.py` opens it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.utils import timezone

from accounts import budgets, rates, receipts
from accounts.budgets import Counter
from accounts.callers import Caller
from accounts.models import Entry, Hold, User
from accounts.models.money import MOST_NANOUSD
from accounts.operations import Call, Close, Ending, Held, HoldName, Keep, Refuse, Renew, RequestFacts, Switch
from accounts.rates import Rate
from accounts.refusals import Forbidden, Refusal
from accounts.statements import changed_by_all, moment, places, rows


class LedgerBroken(Exception):
    """A row that was locked is not as it was read. The transaction must not be committed."""


@dataclass(slots=True)
class _Purse:
    """A wallet: as it was read, and as it is now."""

    team_id: int
    balance: int
    held: int
    entry_count: int
    zone: ZoneInfo
    as_read: tuple[int, int, int]

    @property
    def available(self) -> int:
        return self.balance - self.held


@dataclass(slots=True)
class _NewEntry:
    wallet_id: int
    number: int
    kind: Entry.Kind
    amount_nanousd: int
    balance_nanousd: int
    key: str
    hold: Callable[[], int | None]  # known once the holds are written
    by: User | None
    note: str


@dataclass(slots=True)
class Books:
    """Open them with `opened`, inside the transaction; do operations; then `write()`."""

    now: datetime
    purses: dict[int, _Purse]
    _holds: dict[str, Held] = field(default_factory=dict)
    _counters: dict[int, list[Counter]] = field(default_factory=dict)  # by team
    _rates: dict[int, Rate] = field(default_factory=dict)  # by access key
    _opened: list[Held] = field(default_factory=list)
    _renewed: dict[str, Held] = field(default_factory=dict)
    _switched: dict[str, Held] = field(default_factory=dict)
    _closed: list[tuple[Held, Sequence[Call], Ending | None]] = field(default_factory=list)
    _entries: list[_NewEntry] = field(default_factory=list)
    _refused: list[Refuse] = field(default_factory=list)

    # Reading

    def load(self, *, keeps: Sequence[Keep], holds: Sequence[HoldName], switches: Sequence[Switch] = ()) -> None:
        """Read what these operations need, whatever their number, in at most four queries."""
        names = {hold.request_id for hold in holds} | {keep.request_id for keep in keeps}
        if names:
            known = {hold.request_id: hold.request for hold in holds if isinstance(hold, Held)}
            self._holds = {held.request_id: held for held in _holds(names, known)}
        loaded = self._holds.values()
        since = min([held.opened_at for held in loaded], default=self.now)
        who = [(keep.caller.user.id, _key_id(keep), keep.model_id) for keep in keeps]
        who += [(held.user_id, held.access_key_id, held.model_id) for held in loaded]
        who += [(switch.caller.user.pk, None, switch.model_id) for switch in switches]
        if who:
            self._counters = budgets.counters(
                self.purses, who, since=min(since, self.now), now=self.now, opening=bool(keeps or switches)
            )
        # Of an earlier request the key may have had other limits: those of whoever asks now come last, and count.
        access_keys = [hold.access_key for hold in holds if isinstance(hold, Held)]
        access_keys += [keep.caller.access_key for keep in keeps]
        self._rates = rates.load([key for key in access_keys if key], now=self.now)

    # Deciding

    def keep(self, asked: Keep) -> Held:
        """Raises PaymentRequired or RateLimited, naming every limit, or Forbidden; then nothing is changed."""
        caller = asked.caller
        if first := self._holds.get(asked.request_id):
            return first
        purse = self.purses[caller.team.id]
        rate = self._rates.get(_key_id(asked) or 0)
        held = Held(
            wallet_id=caller.team.id,
            request_id=asked.request_id,
            user_id=caller.user.id,
            access_key_id=_key_id(asked),
            model_id=asked.model_id,
            state=Hold.State.OPEN,
            amount_nanousd=asked.amount_nanousd,
            delivered_nanousd=0,
            charged_nanousd=0,
            opened_at=self.now,
            request=asked.request,
            lease_until=None if asked.lease_s is None else self.now + timedelta(seconds=asked.lease_s),
            access_key=caller.access_key,
            tokens_counted=asked.prompt_tokens,
        )
        counted = self._applying(held)
        if rate:
            rate.check(asked, now=self.now)
        if asked.unpriced_id:
            param = "model" if asked.unpriced_id == asked.model_id else "models"
            _check_unpriced(caller, asked.unpriced_id, counted, param=param)
        left = min([purse.available, *(counter.left for counter in counted)])
        if asked.amount_nanousd > max(left, 0):
            if asked.least_nanousd is None or asked.least_nanousd > left:
                raise self._not_enough(asked, purse, counted)
            held.amount_nanousd = left
        purse.held += held.amount_nanousd
        for counter in counted:
            counter.held_nanousd += held.amount_nanousd
        if rate:
            rate.count(held)
        self._holds[asked.request_id] = held
        self._opened.append(held)
        return held

    def close(self, asked: Close) -> int:
        """What is charged: at most the hold. Of a hold that is closed, what was charged then."""
        held = self._hold(asked.hold)
        if held.state != Hold.State.OPEN:
            return held.charged_nanousd
        cost = sum(call.cost_nanousd for call in asked.calls)
        charge = min(cost, held.amount_nanousd) if asked.state == Hold.State.SETTLED else 0
        purse = self.purses[held.wallet_id]
        purse.held -= held.amount_nanousd
        held.state, held.charged_nanousd, held.closed_at = asked.state, charge, self.now
        if charge:
            key = f"charge:{held.request_id}"
            self.enter(held.wallet_id, Entry.Kind.CHARGE, -charge, key=key, hold=lambda: held.pk)
        for counter in self._applying(held):
            counter.held_nanousd -= held.amount_nanousd
            counter.spend(charge, now=self.now)
        if isinstance(asked.hold, Held) and (rate := self._rates.get(held.access_key_id or 0)):
            rate.correct(asked.hold, asked.ending)
        self._closed.append((held, asked.calls, asked.ending))
        return charge

    def renew(self, asked: Renew) -> bool:
        """False once the hold is closed. What was delivered never shrinks."""
        held = self._hold(asked.hold)
        if held.state != Hold.State.OPEN:
            return False
        delivered = min(asked.delivered_nanousd, held.amount_nanousd)
        held.delivered_nanousd = max(held.delivered_nanousd, delivered)
        held.lease_until = self.now + timedelta(seconds=asked.lease_s)
        self._renewed[held.request_id] = held
        return True

    def switch(self, asked: Switch) -> bool:
        """False once the hold is closed. Raises PaymentRequired where a budget of the other model leaves too little, or
        Forbidden where it has no price and a budget applies."""
        held = self._hold(asked.hold)
        if held.state != Hold.State.OPEN:
            return False
        before = self._applying(held)
        after = self._applying(replace(held, model_id=asked.model_id))
        if not asked.is_priced:
            _check_unpriced(asked.caller, asked.model_id, after, param="models")
        gained = [counter for counter in after if counter not in before]
        if any(counter.left < held.amount_nanousd for counter in gained):
            keep = Keep(asked.caller, held.request_id, held.amount_nanousd, asked.model_id)
            raise self._not_enough(keep, self.purses[held.wallet_id], gained)
        held.model_id = asked.model_id
        for counter in before:
            counter.held_nanousd -= held.amount_nanousd
        for counter in after:
            counter.held_nanousd += held.amount_nanousd
        self._switched[held.request_id] = held
        return True

    def refuse(self, asked: Refuse) -> Refusal:
        """Remember a refusal for its receipt."""
        self._refused.append(asked)
        return asked.refusal

    def enter(
        self,
        wallet_id: int,
        kind: Entry.Kind,
        amount: int,
        *,
        key: str,
        hold: Callable[[], int | None] = lambda: None,
        by: User | None = None,
        note: str = "",
    ) -> bool:
        """Move money. False, with nothing changed, if the wallet cannot."""
        purse = self.purses[wallet_id]
        if not purse.held <= purse.balance + amount <= MOST_NANOUSD:
            return False
        purse.balance += amount
        purse.entry_count += 1
        self._entries.append(_NewEntry(wallet_id, purse.entry_count, kind, amount, purse.balance, key, hold, by, note))
        return True

    def give_back(self, hold: Hold, nanousd: int) -> None:
        """Count a refund in the budgets and on the day of its request."""
        self.load(keeps=(), holds=[hold])
        for counter in self._applying(self._hold(hold)):
            counter.spend(-nanousd, now=self.now)
        receipts.give_back(hold, zone=self.purses[hold.wallet_id].zone, nanousd=nanousd)

    def _hold(self, name: HoldName) -> Held:
        held = self._holds.get(name.request_id)
        if held is None:
            raise LedgerBroken(f"There is no hold for {name.request_id}.")
        return held

    def _applying(self, held: Held) -> list[Counter]:
        who = (held.user_id, held.access_key_id, held.model_id)
        return [
            counter
            for counter in self._counters.get(held.wallet_id, ())
            if counter.starts_at <= held.opened_at < counter.ends_at and counter.applies(*who)
        ]

    def _not_enough(self, asked: Keep, purse: _Purse, counted: Sequence[Counter]) -> Refusal:
        rate = self._rates.get(_key_id(asked) or 0)
        return budgets.not_enough(
            asked,
            balance_nanousd=purse.balance,
            held_nanousd=purse.held,
            counted=counted,
            rates=rate.limits(asked, now=self.now) if rate else (),
        )

    # Writing

    def write(self) -> None:
        """Write every change. Raises LedgerBroken where a row is not as it was read."""
        self._write_holds()
        self._write_purses()
        self._write_entries()
        written = [counter for team in self._counters.values() for counter in team if counter.is_changed]
        budgets.write(written)
        receipts.write_attempts(self._closed, now=self.now)
        receipts.write(
            [receipts.of_closed(held, calls, ending, now=self.now) for held, calls, ending in self._closed]
            + [receipts.of_refused(refused, now=self.now) for refused in self._refused],
            zones={team_id: purse.zone for team_id, purse in self.purses.items()},
        )
        rates.write(self._rates.values())

    def _write_holds(self) -> None:
        changed_by_all(_INSERT_HOLD, [_hold_values(held) for held in self._opened])
        ended = [held.request_id for held in self._opened if held.state != Hold.State.OPEN]
        for pk, request_id in rows(_HOLD_IDS.format(places(len(ended))), *ended) if ended else ():
            self._holds[request_id].pk = pk  # which what follows refers to
        switched = [(held.model_id, held.pk) for held in self._switched.values()]
        _must(changed_by_all(_SWITCH_HOLD, switched), len(switched))
        opened = {held.request_id for held in self._opened}
        closed = [held for held, _, _ in self._closed if held.request_id not in opened]
        _must(
            changed_by_all(
                _CLOSE_HOLD, [(held.state, held.charged_nanousd, held.closed_at, held.pk) for held in closed]
            ),
            len(closed),
        )
        renewed = [held for held in self._renewed.values() if held.state == Hold.State.OPEN]
        _must(
            changed_by_all(_RENEW_HOLD, [(held.lease_until, held.delivered_nanousd, held.pk) for held in renewed]),
            len(renewed),
        )

    def _write_purses(self) -> None:
        moved = [
            (purse.balance, purse.held, purse.entry_count, purse.team_id, *purse.as_read)
            for purse in self.purses.values()
            if purse.as_read != (purse.balance, purse.held, purse.entry_count)
        ]
        _must(changed_by_all(_MOVE, moved), len(moved))

    def _write_entries(self) -> None:
        changed_by_all(
            _ENTER,
            [
                (
                    *(entry.wallet_id, entry.number, entry.kind.value, entry.amount_nanousd, entry.balance_nanousd),
                    *(entry.key, entry.hold(), entry.by and entry.by.pk, entry.note, self.now),
                )
                for entry in self._entries
            ],
        )


def opened(team_ids: Iterable[int]) -> Books:
    """The books of these teams, which nobody else changes until the caller's transaction ends."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Money is changed inside a transaction only.")
    ids = sorted(set(team_ids))
    lock = "FOR UPDATE OF w" if connection.vendor == "postgresql" else ""
    # SQLite's transaction began with the one write lock there is (IMMEDIATE).
    found = rows(_PURSES.format(places(len(ids)), lock), *ids)
    purses = {
        team_id: _Purse(team_id, balance, held, count, _zone(zone), as_read=(balance, held, count))
        for team_id, balance, held, count, zone in found
    }
    # After the lock, so that moments follow one another; the database's time, which is one for all processes.
    now = timezone.now() if connection.vendor == "sqlite" else rows("SELECT clock_timestamp()")[0][0]
    return Books(now=now, purses=purses)


_zones: dict[str, ZoneInfo] = {}


def _zone(name: str) -> ZoneInfo:
    zone = _zones.get(name)
    if zone is None:
        zone = _zones[name] = ZoneInfo(name)
    return zone


_PURSES = """
SELECT w.team_id, w.balance_nanousd, w.held_nanousd, w.entry_count, t.time_zone
FROM accounts_wallet w JOIN accounts_team t ON t.id = w.team_id
WHERE w.team_id IN ({}) ORDER BY w.team_id {}
"""

_HOLDS = """
SELECT id, wallet_id, request_id, user_id, access_key_id, model_id, state, amount_nanousd, delivered_nanousd,
    charged_nanousd, opened_at, request
FROM accounts_hold WHERE request_id IN ({})
"""

_HOLD_COLUMNS = (
    *("wallet_id", "request_id", "user_id", "access_key_id", "model_id", "state", "amount_nanousd"),
    *("delivered_nanousd", "charged_nanousd", "refunded_nanousd", "opened_at", "lease_until", "closed_at", "request"),
)
_INSERT_HOLD = f"INSERT INTO accounts_hold ({', '.join(_HOLD_COLUMNS)}) VALUES ({places(len(_HOLD_COLUMNS))})"

_HOLD_IDS = "SELECT id, request_id FROM accounts_hold WHERE request_id IN ({})"

_CLOSE_HOLD = """
UPDATE accounts_hold SET state = %s, charged_nanousd = %s, closed_at = %s WHERE id = %s AND state = 'open'
"""

_RENEW_HOLD = "UPDATE accounts_hold SET lease_until = %s, delivered_nanousd = %s WHERE id = %s AND state = 'open'"

_SWITCH_HOLD = "UPDATE accounts_hold SET model_id = %s WHERE id = %s AND state = 'open'"

_MOVE = """
UPDATE accounts_wallet SET balance_nanousd = %s, held_nanousd = %s, entry_count = %s
WHERE team_id = %s AND balance_nanousd = %s AND held_nanousd = %s AND entry_count = %s
"""

_ENTER = f"""
INSERT INTO accounts_entry
    (wallet_id, number, kind, amount_nanousd, balance_nanousd, key, hold_id, by_id, note, created_at)
VALUES ({places(10)})
"""


def _holds(request_ids: Iterable[str], known: Mapping[str, RequestFacts]) -> Iterable[Held]:
    """As the rows are now. What was asked for never changes: where it is known it is not read again."""
    ids = list(request_ids)
    for (
        pk,
        wallet_id,
        request_id,
        user_id,
        key_id,
        model_id,
        state,
        amount,
        delivered,
        charged,
        opened_at,
        request,
    ) in rows(_HOLDS.format(places(len(ids))), *ids):
        yield Held(
            *(wallet_id, request_id, user_id, key_id, model_id, state, amount, delivered, charged, moment(opened_at)),
            known.get(request_id) or receipts.facts_from(request),
            pk=pk,
        )


def _hold_values(held: Held) -> tuple[Any, ...]:
    return (
        *(held.wallet_id, held.request_id, held.user_id, held.access_key_id, held.model_id, str(held.state)),
        *(held.amount_nanousd, held.delivered_nanousd, held.charged_nanousd, 0),
        *(held.opened_at, held.lease_until, held.closed_at, receipts.to_json(held.request)),
    )


def _key_id(keep: Keep) -> int | None:
    return keep.caller.access_key.id if keep.caller.access_key else None


def _must(count: int, expected: int) -> None:
    if count != expected:
        raise LedgerBroken(f"{expected - count} of {expected} rows are not as they were read.")


def _check_unpriced(caller: Caller, model_id: str, counted: Iterable[Counter], *, param: str) -> None:
    """Raises Forbidden for a model without a price where one of these budgets limits it, since it would count nothing
    there. The budget of another model, which a request may leave for this one, does not."""
    limiting = [each for each in counted if each.hard_nanousd is not None and each.model_id in ("", model_id)]
    if caller.team.may_use_unpriced or not limiting:
        return
    raise Forbidden(
        f"Nobody has said what {model_id} costs, so no budget can cover it. Ask "
        f"{' or '.join(budgets.who_can_raise(caller.team.pk)) or 'an admin'} to enter its price, or to let "
        "models without a price pass.",
        code="model_unpriced",
        param=param,
        facts={"model": model_id},
    )
