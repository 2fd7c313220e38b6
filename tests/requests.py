"""Requests for tests, as the ledger takes them: held or refused, settled, and each with its receipt."""

from datetime import UTC, datetime
from itertools import count

from django.db import transaction

from accounts import ledger
from accounts.callers import Caller
from accounts.models import Attempt, Hold, Receipt
from accounts.operations import Call, Close, Ending, Keep, Refuse, RequestFacts
from accounts.refusals import Refusal

_numbers = count(1)
PRICE = {
    "prompt_picousd": 3_000_000,
    "completion_picousd": 15_000_000,
    "cached_picousd": None,
    "source": "listed by Loopback",
    "as_of": datetime(2026, 11, 1, tzinfo=UTC).date().isoformat(),
}


@transaction.atomic
def request(
    caller: Caller,
    amount_nanousd: int,
    *,
    model_id: str = "plain/small",
    door: str = "playground",
    cost_nanousd: int | None = None,
    refusal: Refusal | None = None,
    prompt_tokens: int = 20_400,
    **keep,
) -> Receipt:
    """One request from its hold to its receipt, refused or done at what it cost."""
    request_id = f"req_{next(_numbers):026}"
    facts = RequestFacts(door=door, client="", price=PRICE, prompt_tokens=prompt_tokens, output_tokens=8_192)
    if refusal:
        ledger.apply([Refuse(caller, request_id, model_id, refusal, facts)])
    else:
        [held] = ledger.apply([Keep(caller, request_id, amount_nanousd, model_id, request=facts, **keep)])
        if not isinstance(held, Refusal):
            cost = amount_nanousd if cost_nanousd is None else cost_nanousd
            calls = [Call(None, "done", basis=Attempt.Basis.REPORTED, cost_nanousd=cost)]
            ledger.apply([Close(held, Hold.State.SETTLED, calls, Ending(Receipt.Outcome.DONE))])
    return Receipt.objects.get(request_id=request_id)
