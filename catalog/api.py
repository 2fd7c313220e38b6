"""GET /api/v1/models: what a key may call, as the API documents describe it and as every SDK expects it."""

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from accounts.policies import CallerRequest, access_key
from accounts.refusals import BadRequest
from catalog import offers
from catalog.known import KINDS, VideoPrice
from catalog.offers import Callable
from catalog.prices import usd_text

ALL = "all"


@require_safe
@access_key
def models(request: CallerRequest) -> HttpResponse:
    wanted = request.GET.get("type", "chat")
    if wanted not in (*KINDS, ALL):
        raise BadRequest(f"type is one of {', '.join(KINDS)} or {ALL}.", param="type")
    found = offers.callable_by(request.caller)
    return JsonResponse(
        {
            "object": "list",
            "data": [
                _as_json(each, name)
                for each in found
                if wanted in (each.kind, ALL)
                for name in (each.model.model_id, *each.aliases)
            ],
        }
    )


@require_safe
@access_key
def model(request: CallerRequest, model_id: str) -> HttpResponse:
    name = model_id.rstrip("/")
    return JsonResponse(_as_json(offers.callable_named(request.caller, name), name))


def _as_json(each: Callable, name: str) -> dict[str, Any]:
    """What is unknown is null: a price of "0" would be a promise."""
    model, known = each.model, each.known
    maker, has_maker, _ = model.model_id.partition("/")
    return {
        "id": name,
        "object": "model",
        "created": int(model.created_at.timestamp()),
        "owned_by": maker if has_maker else "unknown",
        "name": model.name,
        "description": model.description,
        "context_length": model.context_length,
        "max_output_tokens": model.output_cap,
        "pricing": _pricing(each),
        "type": each.kind,
        "modalities": {
            "input": list(known.inputs) if known else ["text"],
            "output": list(known.outputs) if known else ["text"],
        },
        "features": list(known.features) if known else [],
        "deprecated": model.is_deprecated or bool(known and known.is_deprecated),
        "replaced_by": model.replaced_by or (known.replaced_by if known else "") or None,
        "alias_of": None if name == model.model_id else model.model_id,
    }


def _pricing(each: Callable) -> dict[str, Any]:
    """USD a token. What only some models have stands there for those alone."""
    price = each.price
    found: dict[str, Any] = {
        "prompt": usd_text(price.prompt_picousd) if price else None,
        "completion": usd_text(price.completion_picousd) if price else None,
    }
    if price and price.cached_picousd is not None:
        found["input_cache_read"] = usd_text(price.cached_picousd)
    if each.known and each.known.video_prices:
        found["video_token"] = [_video_price(row) for row in each.known.video_prices]
    return found


def _video_price(row: VideoPrice) -> dict[str, Any]:
    return {"resolution": row.resolution or None, "with_video": row.with_video, "price": usd_text(row.token)}
