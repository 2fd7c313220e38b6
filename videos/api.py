"""The video API: tasks are created, read, listed, cancelled and deleted. The same handlers stand at Ark's own paths.

Reading never asks a provider: the sweep keeps the rows up to date.
"""

import json
import re
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.ids import current_request_id
from accounts.policies import CallerRequest, access_key, anonymous
from upstream.client import HOPS_HEADER
from upstream.video import ID_CHARACTERS
from videos import cancelling, lifecycle, links, listing, modes, offers, requests, serving, webhooks, wire
from videos.models import VideoTask

POLL_AFTER_S = str(wire.POLL_AFTER_MS // 1000)


@require_safe
@access_key
def list_modes(request: CallerRequest) -> HttpResponse:
    return JsonResponse(modes.as_json(offers.available(request.caller.team)))


@require_safe
@access_key
def webhook_secret(request: CallerRequest) -> HttpResponse:
    return JsonResponse({"object": "video.webhook_secret", "secret": webhooks.secret(request.caller.team)})


@require_http_methods(["GET", "HEAD", "POST"])
@access_key
def tasks(request: CallerRequest) -> HttpResponse:
    return _create(request) if request.method == "POST" else _list(request)


def _create(request: CallerRequest) -> HttpResponse:
    passed = request.headers.get(HOPS_HEADER, "")
    submission = lifecycle.submit(
        request.caller,
        requests.parse(request.read()),
        request_id=current_request_id(),
        client=request.headers.get("User-Agent", ""),
        idempotency_key=request.headers.get("Idempotency-Key"),
        hops=int(passed) if re.fullmatch("[0-9]{1,3}", passed) else 0,
    )
    answer = JsonResponse(_told(request, submission.task))
    answer.headers["Location"] = f"{request.path.rstrip('/')}/{submission.task.public_id}"
    answer.headers["Retry-After"] = POLL_AFTER_S
    if deprecation := offers.deprecation(request.caller.team, submission.task.model_id):
        for name, value in deprecation.headers().items():
            answer.headers[name] = value
    if submission.is_repeat:
        answer.headers["Idempotent-Replayed"] = "true"
    return answer


def _list(request: CallerRequest) -> HttpResponse:
    found = listing.page(request.caller.team, {name: request.GET.getlist(name) for name in request.GET})
    return JsonResponse(
        {
            "object": "list",
            "total": found.total,
            "page_num": found.number,
            "page_size": found.size,
            "items": [_told(request, each) for each in found.tasks],
        }
    )


@require_http_methods(["GET", "HEAD", "DELETE"])
@access_key
def task(request: CallerRequest, public_id: str) -> HttpResponse:
    found = listing.find(request.caller.team, public_id)
    if request.method != "DELETE":
        answer = JsonResponse(_told(request, found))
        if found.is_open:
            answer.headers["Retry-After"] = POLL_AFTER_S
        return answer
    if found.is_open:
        return _cancelled(request, found)
    lifecycle.delete(found, by=request.caller.user)
    return JsonResponse({"id": found.public_id, "deleted": True})


@require_POST
@access_key
def cancel(request: CallerRequest, public_id: str) -> HttpResponse:
    return _cancelled(request, listing.find(request.caller.team, public_id))


def _cancelled(request: CallerRequest, found: VideoTask) -> HttpResponse:
    cancelling.cancel(found, by=request.caller.user)
    return JsonResponse({"id": found.public_id, "status": "cancelled", "deleted": False})


@require_safe
@access_key
def content(request: CallerRequest, public_id: str) -> HttpResponseBase:
    return serving.task_file(request, listing.find(request.caller.team, public_id), links.VIDEO)


@csrf_exempt  # no session is used
@require_POST
@anonymous("providers call back with a token of the task; they are not believed, but asked")
def ark_callback(request: HttpRequest, token: str) -> HttpResponse:
    """Answers alike whatever the token is."""
    try:
        said = json.loads(request.read())
    except (ValueError, RecursionError):
        said = None
    named = said.get("id") if isinstance(said, dict) else None
    is_id = isinstance(named, str) and len(named) <= ID_CHARACTERS and named.isascii() and named.isprintable()
    lifecycle.wake(token, str(named) if is_id else "")
    return HttpResponse(status=204)


def _told(request: HttpRequest, found: VideoTask) -> dict[str, Any]:
    return wire.as_json(found, base_url=f"{request.scheme}://{request.get_host()}")
