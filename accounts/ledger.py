"""The ledger: the only writer of wallets, entries, holds and attempts.

Every function runs in the caller's transaction, locks the team's money first and then changes wallet, budgets and hold
in that order; a refusal leaves nothing changed. What is repeated, under the same request id or key, is done once. Knows
amounts, never prices, tokens or what a request asks for.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from accounts import audit, budgets, money
from accounts.callers import Caller
from accounts.models import Attempt, Entry, Hold, Provider, Team, User, Wallet
from accounts.models.money import MOST_NANOUSD
from accounts.refusals import BadRequest, Conflict, Limit, PaymentRequired
from accounts.statements import changed, lock_money, rows

LEASE_S = 60.0
REAP_EVERY_S = 15.0


class LedgerBroken(Exception):
    """A row that was locked is not as it was read. The transaction must not be committed."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a provider, as the attempt that is written about it. `status` is a word such as done or timeout."""

    provider: Provider | None
    status: str
    basis: Attempt.Basis = Attempt.Basis.NONE
    cost_nanousd: int = 0
    usage: dict[str, Any] = field(default_factory=dict)
    upstream_request_id: str = ""


def open_wallet(team: Team) -> Wallet:
    return Wallet.objects.create(team=team)


def find(request_id: str) -> Hold | None:
    return Hold.objects.filter(request_id=request_id).first()


# Holds


def hold(
    caller: Caller, *, request_id: str, amount_nanousd: int, model_id: str, lease_s: float | None = LEASE_S
) -> Hold:
    """Keep money for a request: the most that it can be charged. Raises PaymentRequired, naming every limit checked.

    The wallet and all budgets that apply take it together or not at all. For a request id that has a hold, that one is
    returned as it is now. The hold lapses when nobody renews its lease in time; without a lease it stays until closed.
    """
    amount = money.checked(amount_nanousd, least=0)
    now = lock_money([caller.team.pk])
    opened = Hold(
        wallet_id=caller.team.pk,
        request_id=request_id,
        user_id=caller.user.pk,
        access_key_id=caller.access_key.pk if caller.access_key else None,
        model_id=model_id,
        state=Hold.State.OPEN,
        amount_nanousd=amount,
        delivered_nanousd=0,
        charged_nanousd=0,
        refunded_nanousd=0,
        opened_at=now,
        lease_until=None if lease_s is None else now + timedelta(seconds=lease_s),
    )
    counted = budgets.counters(opened)
    [(available,)] = rows(_AVAILABLE, opened.wallet_id)
    if amount > available or not all(counter.allows(amount) for counter in counted):
        first = Hold.objects.filter(request_id=request_id, wallet_id=opened.wallet_id).first()
        if first is None:
            raise _refusal(opened, counted)
        return first
    inserted = rows(_OPEN, *(getattr(opened, name) for name in _HOLD_COLUMNS))
    if not inserted:
        return Hold.objects.get(request_id=request_id, wallet_id=opened.wallet_id)
    [(opened.pk,)] = inserted
    opened._state.adding = False
    _must(changed(_KEEP, amount, opened.wallet_id, amount) == 1)
    for counter in counted:
        _must(budgets.count_held(counter, amount))
    return opened


def settle(hold: Hold, *, calls: Sequence[Call]) -> int:
    """Charge what the calls cost, at most the hold, and free the rest. Returns what is charged.

    A hold that is closed stays as it is. What the hold does not cover is written on the attempt as its overrun.
    """
    now = lock_money([hold.wallet_id])
    cost = sum(money.checked(call.cost_nanousd, least=0) for call in calls)
    return _close(hold, Hold.State.SETTLED, charge=min(cost, hold.amount_nanousd), calls=calls, now=now)


def release(hold: Hold, *, calls: Sequence[Call] = ()) -> int:
    """Free a hold without charging anything. Returns what is charged all the same, if it was settled before."""
    now = lock_money([hold.wallet_id])
    return _close(hold, Hold.State.RELEASED, charge=0, calls=calls, now=now)


def renew(hold: Hold, *, delivered_nanousd: int, lease_s: float = LEASE_S) -> bool:
    """Say that the request lives, and what would be due by now, which never shrinks. False once the hold is closed."""
    delivered = min(money.checked(delivered_nanousd, least=0), hold.amount_nanousd)
    now = lock_money([hold.wallet_id])
    return changed(_RENEW, now + timedelta(seconds=lease_s), delivered, delivered, hold.pk) == 1


def reap(*, limit: int = 100) -> int:
    """Close holds whose lease ran out: what was delivered by the last checkpoint is charged, else it is released.

    For any process, at any time; two at once do each hold once. Transactions of its own. Returns how many it closed.
    """
    lapsed = Hold.objects.filter(state=Hold.State.OPEN, lease_until__lt=Now()).order_by("lease_until")
    return sum(_reap(hold) for hold in list(lapsed[:limit]))


@transaction.atomic
def _reap(lapsed: Hold) -> bool:
    now = lock_money([lapsed.wallet_id])
    hold = Hold.objects.filter(pk=lapsed.pk, state=Hold.State.OPEN, lease_until__lt=now).first()
    if hold is None:  # somebody closed or renewed it meanwhile
        return False
    due = hold.delivered_nanousd
    basis = Attempt.Basis.CHECKPOINT if due else Attempt.Basis.NONE
    call = Call(None, "lapsed", basis=basis, cost_nanousd=due)
    _close(hold, Hold.State.SETTLED if due else Hold.State.RELEASED, charge=due, calls=[call], now=now)
    return True


_AVAILABLE = "SELECT balance_nanousd - held_nanousd FROM accounts_wallet WHERE team_id = %s"

_HOLD_COLUMNS = (
    *("wallet_id", "request_id", "user_id", "access_key_id", "model_id", "state", "amount_nanousd"),
    *("delivered_nanousd", "charged_nanousd", "refunded_nanousd", "opened_at", "lease_until", "closed_at"),
)
_OPEN = (
    f"INSERT INTO accounts_hold ({', '.join(_HOLD_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_HOLD_COLUMNS))}) "
    "ON CONFLICT (request_id) DO NOTHING RETURNING id"
)

_KEEP = """
UPDATE accounts_wallet SET held_nanousd = held_nanousd + %s
WHERE team_id = %s AND balance_nanousd - held_nanousd >= %s
"""

_RENEW = """
UPDATE accounts_hold SET lease_until = %s,
    delivered_nanousd = CASE WHEN delivered_nanousd > %s THEN delivered_nanousd ELSE %s END
WHERE id = %s AND state = 'open'
"""

_CLOSE = "UPDATE accounts_hold SET state = %s, charged_nanousd = %s, closed_at = %s WHERE id = %s AND state = 'open'"

_FREE = "UPDATE accounts_wallet SET held_nanousd = held_nanousd - %s WHERE team_id = %s AND held_nanousd >= %s"

_MOVE = """
UPDATE accounts_wallet SET
    balance_nanousd = balance_nanousd + %s, held_nanousd = held_nanousd - %s, entry_count = entry_count + 1
WHERE team_id = %s AND balance_nanousd + %s >= held_nanousd - %s AND balance_nanousd + %s <= %s
RETURNING balance_nanousd, entry_count
"""

_ENTER = """
INSERT INTO accounts_entry
    (wallet_id, number, kind, amount_nanousd, balance_nanousd, key, hold_id, by_id, note, created_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

_ATTEMPT = """
INSERT INTO accounts_attempt
    (hold_id, number, provider_id, provider_name, status, usage, basis, cost_nanousd, overrun_nanousd,
     upstream_request_id, created_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def _must(is_so: bool) -> None:
    if not is_so:
        raise LedgerBroken


def _refusal(opened: Hold, counted: Sequence[budgets.Counter]) -> PaymentRequired:
    wallet = Wallet.objects.select_related("team").get(pk=opened.wallet_id)
    balance = Limit(
        name=f"the balance of {wallet.team.name}",
        limit_nanousd=wallet.balance_nanousd,
        spent_nanousd=0,
        held_nanousd=wallet.held_nanousd,
        asked_nanousd=opened.amount_nanousd,
        resets_at=None,
        who_can_raise=budgets.who_can_raise(opened.wallet_id),
    )
    return budgets.refusal(balance, counted)


def _close(hold: Hold, state: Hold.State, *, charge: int, calls: Sequence[Call], now: datetime) -> int:
    if not changed(_CLOSE, state.value, charge, now, hold.pk):
        return Hold.objects.values_list("charged_nanousd", flat=True).get(pk=hold.pk)
    kept = hold.amount_nanousd
    if charge:
        key = f"charge:{hold.request_id}"
        _must(_enter(hold.wallet_id, Entry.Kind.CHARGE, -charge, key=key, now=now, freed=kept, hold=hold))
    else:
        _must(changed(_FREE, kept, hold.wallet_id, kept) == 1)
    budgets.count_spent(hold, spent_nanousd=charge, freed_nanousd=kept, now=now)
    _write_attempts(hold, calls, now=now)
    return charge


def _write_attempts(hold: Hold, calls: Sequence[Call], *, now: datetime) -> None:
    uncovered = hold.amount_nanousd
    for number, call in enumerate(calls, start=1):
        covered = min(call.cost_nanousd, uncovered)
        uncovered -= covered
        changed(
            _ATTEMPT,
            *(hold.pk, number, call.provider and call.provider.pk, call.provider.name if call.provider else ""),
            *(call.status, json.dumps(call.usage), call.basis.value, call.cost_nanousd, call.cost_nanousd - covered),
            *(call.upstream_request_id, now),
        )


def _enter(
    wallet_id: int,
    kind: Entry.Kind,
    amount: int,
    *,
    key: str,
    now: datetime,
    freed: int = 0,
    hold: Hold | None = None,
    by: User | None = None,
    note: str = "",
) -> bool:
    """Move money and write its entry. False, with nothing changed, if the wallet cannot."""
    moved = rows(_MOVE, amount, freed, wallet_id, amount, freed, amount, MOST_NANOUSD)
    if not moved:
        return False
    [(balance, number)] = moved
    values = (wallet_id, number, kind.value, amount, balance, key, hold and hold.pk, by and by.pk, note, now)
    return changed(_ENTER, *values) == 1


# Money that people move


def top_up(team: Team, *, by: User | None, key: str, amount_nanousd: int, note: str = "") -> Entry:
    """Add money. A repeat with the same key returns the first entry; with another amount it raises Conflict."""
    return _post(team, Entry.Kind.TOP_UP, money.checked(amount_nanousd), by=by, key=key, note=note)


def correct(team: Team, *, by: User | None, key: str, amount_nanousd: int, note: str) -> Entry:
    """Add money, or take it where negative, to mend an earlier entry; the note says which and why.

    Raises Conflict if less than that is available.
    """
    sign = -1 if type(amount_nanousd) is int and amount_nanousd < 0 else 1
    amount = sign * money.checked(sign * amount_nanousd)
    if not note.strip():
        raise BadRequest("Say in a note what is corrected and why.", param="note")
    return _post(team, Entry.Kind.CORRECTION, amount, by=by, key=key, note=note)


def refund(hold: Hold, *, by: User | None, key: str, amount_nanousd: int, note: str = "") -> Entry:
    """Give back a charge or part of it, to the wallet and to the budgets. Raises Conflict beyond what was charged."""
    return _post(hold.wallet.team, Entry.Kind.REFUND, money.checked(amount_nanousd), by=by, key=key, note=note, of=hold)


_REFUND = """
UPDATE accounts_hold SET refunded_nanousd = refunded_nanousd + %s
WHERE id = %s AND state = 'settled' AND refunded_nanousd + %s <= charged_nanousd
"""


def _post(
    team: Team, kind: Entry.Kind, amount: int, *, by: User | None, key: str, note: str, of: Hold | None = None
) -> Entry:
    if not 1 <= len(key) <= 80 or len(note) > 200:
        raise BadRequest("A key has 1 to 80 characters and a note at most 200.", param="key" if note else "note")
    now = lock_money([team.pk])
    own_key = f"{kind.value}:{team.pk}:{key}"
    first = Entry.objects.filter(key=own_key).first()
    if first is not None:
        if (first.amount_nanousd, first.hold_id) != (amount, of and of.pk):
            raise Conflict(f"This {kind.label.lower()} was made before with another amount, under the same key.")
        return first
    if of is not None:
        if not changed(_REFUND, amount, of.pk, amount):
            raise Conflict(f"Of {of.request_id} less than {money.dollars(amount)} is left to refund.")
        budgets.count_spent(of, spent_nanousd=-amount, freed_nanousd=0, now=now)
    if not _enter(team.pk, kind, amount, key=own_key, now=now, hold=of, by=by, note=note):
        raise Conflict(f"The balance of {team.name} cannot take {money.dollars(amount)}.")
    audit.record(team.pk, actor=by, action=kind.value, subject=own_key, amount_nanousd=amount, note=note)
    return Entry.objects.get(key=own_key)
