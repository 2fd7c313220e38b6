"""Finished requests for tests, written as the ledger writes them, on any day."""

from datetime import timedelta
from itertools import count

from django.db import transaction
from django.db.models import F

from accounts import ledger
from accounts.callers import Caller
from accounts.models import AccessKey, Attempt, Hold, Provider, Receipt, UsageDay
from accounts.operations import Call, Close, Ending, Keep, Refuse, RequestFacts
from accounts.refusals import Refusal

DOLLAR = 10**9
PRICE = {
    "prompt_picousd": 3_000_000,
    "completion_picousd": 15_000_000,
    "cached_picousd": 300_000,
    "source": "listed by Loopback",
    "as_of": "2026-10-20",
}
_numbers = count(1)


@transaction.atomic
def fund(caller: Caller, dollars: int = 1000) -> None:
    ledger.top_up(caller.team, by=caller.user, key=f"fund {next(_numbers)}", amount_nanousd=dollars * DOLLAR)


@transaction.atomic
def finished(
    caller: Caller,
    cost_nanousd: int = 19_000_000,
    *,
    model_id: str = "anthropic/claude-sonnet-4.6",
    provider: str = "Loopback",
    key: AccessKey | None = None,
    outcome: Receipt.Outcome = Receipt.Outcome.DONE,
    status: int = 200,
    tokens: tuple[int, int] = (3118, 642),
    basis: Attempt.Basis = Attempt.Basis.REPORTED,
    price: dict | None = None,
    refusal: Refusal | None = None,
    request_id: str = "",
    days_ago: int = 0,
) -> Receipt:
    """A request of theirs with its receipt, refused if a refusal is given, on a day of the past if one is."""
    price = PRICE if price is None else price
    by = Caller(user=caller.user, team=caller.team, role=caller.role, access_key=key)
    request_id = request_id or f"req_{next(_numbers):026}"
    facts = RequestFacts(door="api" if key else "playground", client="openai-python 3.54" if key else "", price=price)
    if refusal:
        ledger.apply([Refuse(by, request_id, model_id, refusal, facts)])
    else:
        row = Provider.objects.get_or_create(
            team=caller.team, name=provider, defaults={"kind": "openai-compatible", "base_url": "https://p.example/v1"}
        )[0]
        [held] = ledger.apply([Keep(by, request_id, cost_nanousd + DOLLAR // 100, model_id, request=facts)])
        counted = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "cached_tokens": 0}
        call = Call(row, outcome.value, basis=basis, cost_nanousd=cost_nanousd, usage=counted)
        ending = Ending(
            outcome, status=status, tokens_in=tokens[0], tokens_out=tokens[1], first_token_ms=810, total_ms=9400
        )
        ledger.apply([Close(held, Hold.State.SETTLED, [call], ending)])
    receipt = Receipt.objects.get(request_id=request_id)
    return _moved(receipt, provider if not refusal else "", days_ago) if days_ago else receipt


def _moved(receipt: Receipt, provider: str, days_ago: int) -> Receipt:
    """As if it had been that many days ago: its time, and its part of the day's sums."""
    passed = timedelta(days=days_ago)
    Receipt.objects.filter(pk=receipt.pk).update(began_at=F("began_at") - passed)
    of_today = {
        "team_id": receipt.team_id,
        "user_id": receipt.user_id,
        "access_key_id": receipt.access_key_id or 0,
        "model_id": receipt.model_id,
        "provider_name": provider,
    }
    day = receipt.began_at.date()
    part = {
        "requests": 1,
        "failed": int(receipt.outcome in ("failed", "interrupted", "lapsed")),
        "refused": int(receipt.outcome == "refused"),
        "tokens_in": receipt.tokens_in or 0,
        "tokens_out": receipt.tokens_out or 0,
        "spent_nanousd": receipt.charged_nanousd,
    }
    UsageDay.objects.filter(**of_today, day=day).update(**{name: F(name) - figure for name, figure in part.items()})
    UsageDay.objects.filter(**of_today, day=day, requests=0).delete()
    then, is_new = UsageDay.objects.get_or_create(**of_today, day=day - passed, defaults=part)
    if not is_new:
        UsageDay.objects.filter(pk=then.pk).update(**{name: F(name) + figure for name, figure in part.items()})
    receipt.refresh_from_db()
    return receipt
