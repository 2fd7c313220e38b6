"""The ledger: the only writer of wallets, entries, holds and attempts.

Every function runs in the caller's transaction and locks the team's money first; a refusal leaves nothing changed. What
is repeated, under the same request id or key, is done once. Knows amounts, never prices, tokens or what a request asks
for. How a group of requests is decided and written stands in `books.py`.
"""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from accounts import audit, books, money
from accounts.books import Books, LedgerBroken
from accounts.callers import Caller
from accounts.models import Attempt, Entry, Hold, Receipt, Team, User, Wallet
from accounts.operations import (
    LEASE_S,
    Call,
    Close,
    Ending,
    HoldName,
    Keep,
    Operation,
    Refuse,
    Renew,
    RequestFacts,
    Switch,
)
from accounts.refusals import BadRequest, Conflict, Refusal
from accounts.statements import changed, lock_money

__all__ = ["LEASE_S", "REAP_EVERY_S", "Call", "LedgerBroken", "apply", "hold", "reap", "release", "renew", "settle"]

REAP_EVERY_S = 15.0


def open_wallet(team: Team) -> Wallet:
    return Wallet.objects.create(team=team)


def find(request_id: str) -> Hold | None:
    return Hold.objects.filter(request_id=request_id).first()


# Holds


def apply(operations: Sequence[Operation]) -> list[Any]:
    """Do them one after the other in this transaction, and write them at once. Returns, for each in its place, what it
    gave (a Held for Keep, what was charged for Close, whether it was open for Renew and Switch) or the Refusal.

    A Keep that is refused changes nothing but leaves a receipt.
    """
    opened = _opened(operations)
    outcomes = [_outcome(opened, operation) for operation in operations]
    opened.write()
    return outcomes


def _opened(operations: Sequence[Operation]) -> Books:
    opened = books.opened(_team_id(operation) for operation in operations)
    opened.load(
        keeps=[operation for operation in operations if isinstance(operation, Keep)],
        holds=[operation.hold for operation in operations if isinstance(operation, Close | Renew | Switch)],
        switches=[operation for operation in operations if isinstance(operation, Switch)],
    )
    return opened


def _team_id(operation: Operation) -> int:
    return operation.caller.team.id if isinstance(operation, Keep | Refuse) else operation.hold.wallet_id


def _outcome(opened: Books, operation: Operation) -> Any:
    match operation:
        case Keep():
            try:
                return opened.keep(operation)
            except Refusal as refusal:
                asked = operation
                return opened.refuse(Refuse(asked.caller, asked.request_id, asked.model_id, refusal, asked.request))
        case Close():
            return opened.close(operation)
        case Renew():
            return opened.renew(operation)
        case Switch():
            try:
                return opened.switch(operation)
            except Refusal as refusal:
                return refusal  # without a receipt: the request is not over
        case Refuse():
            return opened.refuse(operation)


def hold(
    caller: Caller,
    *,
    request_id: str,
    amount_nanousd: int,
    model_id: str,
    lease_s: float | None = LEASE_S,
    request: RequestFacts | None = None,
) -> Hold:
    """Keep money for a request: the most that it can be charged. Raises PaymentRequired, naming every limit checked.

    The wallet and all budgets that apply take it together or not at all. For a request id that has a hold, that one is
    returned as it is now. The hold lapses when nobody renews its lease in time; without a lease it stays until closed.
    """
    amount = money.checked(amount_nanousd, least=0)
    keep = Keep(caller, request_id, amount, model_id, lease_s=lease_s, request=request or {})
    opened = _opened([keep])
    opened.keep(keep)
    opened.write()
    return Hold.objects.get(request_id=request_id, wallet_id=caller.team.pk)


def settle(hold: HoldName, *, calls: Sequence[Call], ending: Ending | None = None) -> int:
    """Charge what the calls cost, at most the hold, and free the rest. Returns what is charged.

    A hold that is closed stays as it is. What the hold does not cover is written on the attempt as its overrun.
    """
    for call in calls:
        money.checked(call.cost_nanousd, least=0)
    return int(_done(Close(hold, Hold.State.SETTLED, calls, ending)))


def release(hold: HoldName, *, calls: Sequence[Call] = (), ending: Ending | None = None) -> int:
    """Free a hold without charging anything. Returns what is charged all the same, if it was settled before."""
    return int(_done(Close(hold, Hold.State.RELEASED, calls, ending)))


def renew(hold: HoldName, *, delivered_nanousd: int, lease_s: float = LEASE_S) -> bool:
    """Say that the request lives, and what would be due by now, which never shrinks. False once the hold is closed."""
    return bool(_done(Renew(hold, money.checked(delivered_nanousd, least=0), lease_s)))


def _done(operation: Operation) -> Any:
    [outcome] = apply([operation])
    return outcome


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
    calls = [Call(None, "lapsed", basis=basis, cost_nanousd=due)]
    ending = Ending(Receipt.Outcome.LAPSED, status=500, code="lapsed")
    _done(Close(hold, Hold.State.SETTLED if due else Hold.State.RELEASED, calls, ending))
    return True


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
    opened = books.opened([team.pk])
    own_key = f"{kind.value}:{team.pk}:{key}"
    first = Entry.objects.filter(key=own_key).first()
    if first is not None:
        if (first.amount_nanousd, first.hold_id) != (amount, of and of.pk):
            raise Conflict(f"This {kind.label.lower()} was made before with another amount, under the same key.")
        return first
    if of is not None and not changed(_REFUND, amount, of.pk, amount):
        raise Conflict(f"Of {of.request_id} less than {money.dollars(amount)} is left to refund.")
    if not opened.enter(team.pk, kind, amount, key=own_key, hold=lambda: of.pk if of else None, by=by, note=note):
        raise Conflict(f"The balance of {team.name} cannot take {money.dollars(amount)}.")
    if of is not None:
        opened.give_back(of, amount)
    opened.write()
    audit.record(team.pk, actor=by, action=kind.value, subject=own_key, amount_nanousd=amount, note=note)
    return Entry.objects.get(key=own_key)
