"""GET /api/v1/key and /api/v1/credits: what a key may do and has left, and what its team has, for programs."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import credit_sums, rates, standing
from accounts.models import AccessKey
from accounts.money import decimal_dollars
from accounts.policies import CallerRequest, access_key
from accounts.standing import Standing


@require_safe
@access_key
def key(request: CallerRequest) -> HttpResponse:
    caller = request.caller
    assert caller.access_key is not None, "this door takes nobody without one"
    row = AccessKey.objects.select_related("owner", "team").get(pk=caller.access_key.pk)
    budgets = standing.of_key(row, models=row.allowed_models)
    data = {
        "object": "key",
        "id": row.public_id,
        "name": row.name,
        "prefix": row.prefix,
        "last_four": row.last_four,
        "owner": row.owner.name,
        "role": caller.role,
        "team": row.team.name,
        "created": int(row.created_at.timestamp()),
        "expires_at": _moment(row.expires_at),
        "allowed_models": row.allowed_models,
        "limits": [_limit(budget) for budget in budgets if budget.limit_nanousd is not None],
        "pace": _pace(row),
        "credits": _credits(credit_sums.of(row.team)),
    }
    return JsonResponse({"data": data})


@require_safe
@access_key
def credits(request: CallerRequest) -> HttpResponse:
    return JsonResponse({"data": _credits(credit_sums.of(request.caller.team))})


def _credits(found: credit_sums.CreditSums) -> dict[str, str]:
    """Amounts are dollars as text, so that nothing is rounded."""
    return {
        "total_credits": decimal_dollars(found.granted_nanousd),
        "total_usage": decimal_dollars(found.used_nanousd),
        "available": decimal_dollars(found.available_nanousd),
        "held": decimal_dollars(found.held_nanousd),
    }


def _limit(budget: Standing) -> dict[str, Any]:
    limit, left = budget.limit_nanousd or 0, budget.left_nanousd or 0
    return {
        "name": budget.whose,
        "scope": budget.scope,
        "model": budget.model_id or None,
        "window": budget.window,
        "limit": decimal_dollars(limit),
        "spent": decimal_dollars(budget.spent_nanousd),
        "held": decimal_dollars(budget.held_nanousd),
        "left": decimal_dollars(max(0, left)),
        "resets_at": _moment(budget.resets_at),
    }


def _pace(row: AccessKey) -> dict[str, Any]:
    """None where the key has no such limit. What is left counts until the minute of the clock is over."""
    now = timezone.now()
    requests, tokens, running = rates.at(row, now=now)
    next_minute = _moment(now.replace(second=0, microsecond=0) + timedelta(minutes=1))
    figures = {
        "requests_per_minute": (row.requests_per_minute, requests, next_minute),
        "tokens_per_minute": (row.tokens_per_minute, tokens, next_minute),
        "concurrent_requests": (row.concurrent_requests, running, None),
    }
    return {
        name: None
        if limit is None
        else {"limit": limit, "used": used, "left": max(0, limit - used), "resets_at": resets_at}
        for name, (limit, used, resets_at) in figures.items()
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None
