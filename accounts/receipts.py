"""Receipts and the attempts and days they are added up to: the only writer of these rows.

Written by the books of the ledger, in the transaction that ends a request. A receipt is never changed; a refund changes
the day it was on.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, NamedTuple, cast

from accounts.models import Attempt, Hold, Receipt
from accounts.operations import Call, Ending, Held, Refuse, RequestFacts
from accounts.refusals import Refusal
from accounts.statements import changed_by_all, places
from upstream import fast_json

logger = logging.getLogger(__name__)


def to_json(value: Any) -> str:
    return fast_json.encode(value).decode()


def facts_from(stored: str | dict[str, Any]) -> RequestFacts:
    """From a column of JSON as a query by hand returns it."""
    return cast(RequestFacts, json.loads(stored) if isinstance(stored, str) else stored)


def refusal_facts(refusal: Refusal) -> dict[str, Any]:
    """What a receipt keeps of a refusal: the sentence, and the limits if there were any."""
    return {"detail": refusal.detail, **refusal.facts}


def _reckoned(request: RequestFacts) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name in ("prompt_tokens", "output_tokens")}


# Read once: to ask a member of an enumeration for its value takes as long as to call a function.
_API, _REFUSED, _NO_BASIS = Receipt.Door.API.value, Receipt.Outcome.REFUSED.value, Attempt.Basis.NONE.value


class Row(NamedTuple):
    """A receipt's columns."""

    request_id: str
    team_id: int
    user_id: int
    access_key_id: int | None
    hold_id: int | None
    door: str
    client: str
    model_id: str
    provider_name: str
    outcome: str
    status: int
    code: str
    attempts: int
    held_nanousd: int
    charged_nanousd: int
    basis: str
    tokens_in: int | None
    tokens_out: int | None
    price: str
    refusal: str | None
    began_at: datetime
    first_token_ms: int | None
    total_ms: int


def of_closed(held: Held, calls: Sequence[Call], ending: Ending | None, *, now: datetime) -> Row:
    is_settled = held.state == Hold.State.SETTLED
    ending = ending or Ending(Receipt.Outcome.DONE if is_settled else Receipt.Outcome.FAILED)
    last = calls[-1] if calls else None
    price = held.request.get("price", {}) if ending.price is None else ending.price
    passed_ms = max(0, int((now - held.opened_at).total_seconds() * 1000))
    return Row(
        request_id=held.request_id,
        team_id=held.wallet_id,
        user_id=held.user_id,
        access_key_id=held.access_key_id,
        hold_id=held.pk,
        door=held.request.get("door", _API),
        client=held.request.get("client", ""),
        model_id=held.model_id,
        provider_name=last.provider.name if last and last.provider else "",
        outcome=ending.outcome.value,
        status=ending.status,
        code=ending.code,
        attempts=len(calls),
        held_nanousd=held.amount_nanousd,
        charged_nanousd=held.charged_nanousd,
        basis=last.basis.value if last else _NO_BASIS,
        tokens_in=ending.tokens_in,
        tokens_out=ending.tokens_out,
        price=to_json(price),
        refusal=to_json(ending.refusal) if ending.refusal else None,
        began_at=held.opened_at,
        first_token_ms=ending.first_token_ms,
        total_ms=passed_ms if ending.total_ms is None else ending.total_ms,
    )


def of_refused(refused: Refuse, *, now: datetime) -> Row:
    caller = refused.caller
    return Row(
        request_id=refused.request_id,
        team_id=caller.team.pk,
        user_id=caller.user.pk,
        access_key_id=caller.access_key.pk if caller.access_key else None,
        hold_id=None,
        door=refused.request.get("door", Receipt.Door.API.value),
        client=refused.request.get("client", ""),
        model_id=refused.model_id,
        provider_name="",
        outcome=Receipt.Outcome.REFUSED.value,
        status=refused.refusal.status,
        code=refused.refusal.code,
        attempts=0,
        held_nanousd=0,
        charged_nanousd=0,
        basis=Attempt.Basis.NONE.value,
        tokens_in=None,
        tokens_out=None,
        price=to_json(refused.request.get("price", {})),
        refusal=to_json(refusal_facts(refused.refusal) | _reckoned(refused.request)),
        began_at=now,
        first_token_ms=None,
        total_ms=0,
    )


def write(receipts: Sequence[Row], *, zones: Mapping[int, tzinfo]) -> None:
    """Write them, and add them to their days in their teams' time zones."""
    changed_by_all(_INSERT, receipts)
    days: dict[tuple[Any, ...], list[int]] = {}
    for row in receipts:
        day = row.began_at.astimezone(zones[row.team_id]).date()
        key = (row.team_id, day, row.user_id, row.access_key_id or 0, row.model_id, row.provider_name)
        total = days.get(key)
        if total is None:
            total = days[key] = [0] * 6
        total[0] += 1
        total[1] += row.outcome in _FAILED
        total[2] += row.outcome == _REFUSED
        total[3] += row.tokens_in or 0
        total[4] += row.tokens_out or 0
        total[5] += row.charged_nanousd
    changed_by_all(_ADD, [(*key, *days[key]) for key in sorted(days)])  # in one order, so that nobody waits in a ring


def give_back(hold: Hold, *, zone: tzinfo, nanousd: int) -> None:
    """Take a refund off the day of its request."""
    receipt = hold.receipt
    day = receipt.began_at.astimezone(zone).date()
    key = (receipt.team_id, day, receipt.user_id, receipt.access_key_id or 0, receipt.model_id, receipt.provider_name)
    changed_by_all(_ADD, [(*key, 0, 0, 0, 0, 0, -nanousd)])


def write_attempts(closed: Iterable[tuple[Held, Sequence[Call], Ending | None]], *, now: datetime) -> None:
    """One row a call, with the part of its cost that the hold did not cover. That there is one is logged: a bound or a
    provider's count is wrong, and somebody has to look."""
    many = []
    for held, calls, _ in closed:
        uncovered = held.amount_nanousd
        for number, call in enumerate(calls, start=1):
            covered = min(call.cost_nanousd, uncovered)
            uncovered -= covered
            if call.cost_nanousd > covered:
                logger.error("request cost more than was held", extra=_overrun(held, call, covered))
            many.append(
                (
                    *(held.pk, number, call.provider and call.provider.id, call.provider.name if call.provider else ""),
                    *(call.status, to_json(call.usage), call.basis.value, call.cost_nanousd),
                    *(call.cost_nanousd - covered, call.upstream_request_id, now),
                )
            )
    changed_by_all(_ATTEMPT, many)


def _overrun(held: Held, call: Call, covered: int) -> dict[str, object]:
    return {
        "request_id": held.request_id,
        "model": held.model_id,
        "provider": call.provider.name if call.provider else "",
        "held_nanousd": held.amount_nanousd,
        "not_charged_nanousd": call.cost_nanousd - covered,
    }


_FAILED = frozenset(
    outcome.value for outcome in (Receipt.Outcome.FAILED, Receipt.Outcome.INTERRUPTED, Receipt.Outcome.LAPSED)
)

_INSERT = f"INSERT INTO accounts_receipt ({', '.join(Row._fields)}) VALUES ({places(len(Row._fields))})"

_SUMS = ("requests", "failed", "refused", "tokens_in", "tokens_out", "spent_nanousd")
_ADD = f"""
INSERT INTO accounts_usageday (team_id, day, user_id, access_key_id, model_id, provider_name, {", ".join(_SUMS)})
VALUES ({places(12)})
ON CONFLICT (team_id, day, user_id, access_key_id, model_id, provider_name) DO UPDATE SET
    {", ".join(f"{name} = accounts_usageday.{name} + excluded.{name}" for name in _SUMS)}
"""

# A provider may have been removed while it answered.
_ATTEMPT = f"""
INSERT INTO accounts_attempt
    (hold_id, number, provider_id, provider_name, status, usage, basis, cost_nanousd, overrun_nanousd,
     upstream_request_id, created_at)
VALUES (%s, %s, (SELECT id FROM accounts_provider WHERE id = %s), {places(8)})
"""
