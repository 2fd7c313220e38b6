"""GET /api/v1/generations/{request_id}: what became of a request and what it cost, for whoever made it."""

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from accounts import itemised, request_log
from accounts.itemised import Itemised
from accounts.models import AccessKey, Attempt
from accounts.money import decimal_dollars
from accounts.policies import CallerRequest, access_key

PICO_DIGITS = 12


@require_safe
@access_key
def generation(request: CallerRequest, request_id: str) -> HttpResponse:
    receipt = request_log.find(request.caller, request_id)
    return JsonResponse(_as_json(itemised.of(receipt)))


def _as_json(shown: Itemised) -> dict[str, Any]:
    """Amounts are dollars as text, so that nothing is rounded. What is unknown is null."""
    receipt = shown.receipt
    return {
        "id": receipt.request_id,
        "object": "generation",
        "created": int(receipt.began_at.timestamp()),
        "model": receipt.model_id,
        "provider": receipt.provider_name or None,
        "door": receipt.door,
        "client": receipt.client or None,
        "member": receipt.user.name,
        "access_key": _key(receipt.access_key),
        "outcome": receipt.outcome,
        "status": receipt.status,
        "code": receipt.code or None,
        "usage": {
            "prompt_tokens": receipt.tokens_in,
            "completion_tokens": receipt.tokens_out,
            "basis": receipt.basis,
        },
        "cost": {
            "held": decimal_dollars(receipt.held_nanousd),
            "charged": decimal_dollars(receipt.charged_nanousd),
            "refunded": decimal_dollars(shown.refunded_nanousd),
        },
        "price": _price(receipt.price),
        "first_token_ms": receipt.first_token_ms,
        "total_ms": receipt.total_ms,
        "attempts": [_attempt(attempt) for attempt in shown.attempts],
        "error": receipt.refusal,
    }


def _key(row: AccessKey | None) -> dict[str, str] | None:
    return {"id": row.public_id, "name": row.name, "last_four": row.last_four} if row else None


def _price(price: dict[str, Any]) -> dict[str, Any] | None:
    """Dollars a token, as GET /api/v1/models gives them, with where they are from."""
    if not price:
        return None
    return {
        "prompt": _a_token(price["prompt_picousd"]),
        "completion": _a_token(price["completion_picousd"]),
        "cached_prompt": _a_token(price.get("cached_picousd")),
        "source": price["source"],
        "as_of": price["as_of"],
    }


def _a_token(picousd: int | None) -> str | None:
    if picousd is None:
        return None
    whole, part = divmod(picousd, 10**PICO_DIGITS)
    return f"{whole}.{part:0{PICO_DIGITS}}".rstrip("0").rstrip(".")


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "provider": attempt.provider_name or None,
        "status": attempt.status,
        "basis": attempt.basis,
        "cost": decimal_dollars(attempt.cost_nanousd),
        "not_charged": decimal_dollars(attempt.overrun_nanousd),
    }
