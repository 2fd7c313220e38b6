"""GET /api/v1/models: the team's chat models as the API documents describe them, and as every SDK expects them."""

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from accounts.policies import CallerRequest, access_key
from catalog import offers
from catalog.models import Model


@require_safe
@access_key
def models(request: CallerRequest) -> HttpResponse:
    found = offers.callable_models(request.caller.team)
    return JsonResponse({"object": "list", "data": [_as_json(model) for model in found]})


@require_safe
@access_key
def model(request: CallerRequest, model_id: str) -> HttpResponse:
    return JsonResponse(_as_json(offers.model(request.caller, model_id.rstrip("/"))))


def _as_json(model: Model) -> dict[str, Any]:
    """What is unknown is null: a price of "0" would be a promise."""
    maker, has_maker, _ = model.model_id.partition("/")
    return {
        "id": model.model_id,
        "object": "model",
        "created": int(model.created_at.timestamp()),
        "owned_by": maker if has_maker else "unknown",
        "name": model.name,
        "description": model.description,
        "context_length": model.context_length,
        "pricing": {"prompt": model.prompt_price or None, "completion": model.completion_price or None},
    }
