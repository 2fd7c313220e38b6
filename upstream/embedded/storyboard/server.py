"""The wire contract of a video provider on loopback: create, get, list, cancel, delete, download.

The same tasks are served at both addresses clients know. Knows HTTP and the contract's words; draws nothing.
"""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from upstream.embedded.storyboard import files, order, references
from upstream.embedded.storyboard.order import MODEL_ID, Invalid
from upstream.embedded.storyboard.studio import Studio
from upstream.embedded.storyboard.tasks import TERMINAL, Task, Tasks
from upstream.frame_sizes import RATIOS, RESOLUTIONS

PREFIXES = ("/v1/video/seedance", "/v1/contents/generations")
BODY_BYTES = 64 << 20
MOST_WAITING = 500
PAGE_SIZES = (1, 500, 20)
POLL_AFTER_S = "2"
STATUSES = ("queued", "running", "succeeded", "failed", "expired", "cancelled")

TASKS = web.AppKey("tasks", Tasks)
STUDIO = web.AppKey("studio", Studio)
TOKEN = web.AppKey("token", str)


def application(tasks: Tasks, studio: Studio, token: str) -> web.Application:
    app = web.Application(client_max_size=BODY_BYTES, middlewares=[_answer_errors, _let_in])
    app[TASKS], app[STUDIO], app[TOKEN] = tasks, studio, token
    for prefix in PREFIXES:
        app.router.add_get(f"{prefix}/modes", modes)
        app.router.add_post(f"{prefix}/tasks", create)
        app.router.add_get(f"{prefix}/tasks", list_)
        app.router.add_get(f"{prefix}/tasks/{{id}}", get)
        app.router.add_delete(f"{prefix}/tasks/{{id}}", delete)
        app.router.add_post(f"{prefix}/tasks/{{id}}/cancel", cancel)
        app.router.add_get(f"{prefix}/tasks/{{id}}/content", content)
        app.router.add_get(f"{prefix}/tasks/{{id}}/last_frame", last_frame)
    return app


async def modes(request: web.Request) -> web.Response:
    limits = {kind: {"max": most, "max_mb": order.LARGEST_BYTES[kind] >> 20} for kind, most in order.MOST.items()}
    duration = {"min": order.SHORTEST_S, "max": order.LONGEST_S, "auto": -1, "default": order.USUAL_S}
    return web.json_response({
        "object": "list",
        "modes": [
            {"mode": "t2v", "name": "Text to video", "required": ["prompt"], "inputs": {}},
            {"mode": "i2v", "name": "Image to video", "required": ["image_url"], "inputs": {"image": limits["image"]}},
            {"mode": "v2v", "name": "Video to video", "required": ["video_url"], "inputs": limits},
        ],
        "models": [{"id": MODEL_ID, "resolutions": RESOLUTIONS, "ratios": ("adaptive", *RATIOS), "duration": duration,
                    "modes": ["t2v", "i2v", "v2v"], "available": True}],
        "statuses": STATUSES,
        "terminal_statuses": sorted(TERMINAL),
    })  # fmt: skip


async def create(request: web.Request) -> web.Response:
    """The same key and body again answer with the same task, so that a lost answer costs nothing."""
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise Invalid("The body is not JSON.", "body") from None
    tasks, key = request.app[TASKS], request.headers.get("idempotency-key", "")
    fingerprint = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    if earlier := tasks.with_key(key):
        if earlier.fingerprint != fingerprint:
            raise Invalid(
                "This Idempotency-Key came with another body before.", "Idempotency-Key", code="IdempotencyMismatch"
            )
        return _told(request, earlier, {"Idempotent-Replayed": "true"})
    wanted, sent = order.read(body)
    for reference, data in zip(wanted.references, sent, strict=True):
        if data is not None:
            references.check_kind(reference.kind, data[:16])
    if len(tasks.waiting()) >= MOST_WAITING:
        raise Invalid(f"{MOST_WAITING} clips wait already.", "", code="QuotaExceeded", status=429)
    task = tasks.add(wanted, sent, key=key, fingerprint=fingerprint)
    request.app[STUDIO].wake()
    return _told(request, task, {"Location": f"{request.path}/{task.id}", "Retry-After": POLL_AFTER_S})


async def get(request: web.Request) -> web.Response:
    return _told(request, _task(request))


async def list_(request: web.Request) -> web.Response:
    """The newest first, as the contract's filters and pages have it."""
    query = request.query
    ids = query.getall("filter.task_ids", []) + query.getall("task_ids", [])
    status, model = query.get("filter.status") or query.get("status"), query.get("filter.model") or query.get("model")
    found = [
        task for task in request.app[TASKS]
        if (not ids or task.id in ids) and (not status or task.status == status) and model in (None, MODEL_ID)
    ][::-1]  # fmt: skip
    number, size = _page(query.get("page_num"), 1), _page(query.get("page_size"), PAGE_SIZES[2])
    page = found[(number - 1) * size : number * size]
    items = [task.to_wire(_link(request, task)) for task in page]
    return web.json_response(
        {"object": "list", "total": len(found), "page_num": number, "page_size": size, "items": items}
    )


async def cancel(request: web.Request) -> web.Response:
    task = _task(request)
    if task.status != "queued":
        raise Invalid(f"Task is {task.status} and cannot be cancelled.", "id", code="InvalidAction", status=409)
    request.app[TASKS].change(task, "cancelled")
    return web.json_response({"id": task.id, "status": "cancelled", "deleted": False})


async def delete(request: web.Request) -> web.Response:
    """Cancels what waits and forgets what is over, as the contract has it."""
    task = _task(request)
    if task.status not in TERMINAL:
        return await cancel(request)
    request.app[TASKS].delete(task)
    return web.json_response({"id": task.id, "deleted": True})


async def content(request: web.Request) -> web.StreamResponse:
    return _file(request, files.VIDEO, "video/mp4")


async def last_frame(request: web.Request) -> web.StreamResponse:
    return _file(request, files.LAST_FRAME, "image/png")


def _file(request: web.Request, name: str, kind: str) -> web.StreamResponse:
    """Ranges and all are aiohttp's."""
    task = _task(request)
    file = request.app[TASKS].folder(task) / name
    if task.status != "succeeded" or not file.exists():
        raise Invalid("This task has no such file.", "id", code="NotFound", status=404)
    return web.FileResponse(file, headers={"Content-Type": kind, "X-Content-Type-Options": "nosniff"})


def _told(request: web.Request, task: Task, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(task.to_wire(_link(request, task)), headers=headers)


def _task(request: web.Request) -> Task:
    task = request.app[TASKS].get(request.match_info["id"])
    if task is None:
        raise Invalid("There is no such task.", "id", code="NotFound", status=404)
    return task


def _page(text: str | None, usual: int) -> int:
    if text is None:
        return usual
    if not text.isdecimal() or not PAGE_SIZES[0] <= int(text) <= PAGE_SIZES[1]:
        raise Invalid(f"page_num and page_size are whole numbers from {PAGE_SIZES[0]} to {PAGE_SIZES[1]}.", "page_num")
    return int(text)


def _link(request: web.Request, task: Task) -> str:
    """Works without a header, as clients download so; its last part is to be named."""
    return f"{request.url.origin()}{PREFIXES[0]}/tasks/{task.id}/FILE?sig={_signature(request, task.id)}"


def _signature(request: web.Request, id: str) -> str:
    return hmac.new(request.app[TOKEN].encode(), id.encode(), "sha256").hexdigest()


type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
    said = request.headers.get("authorization", "").encode()
    signature = request.query.get("sig", "").encode()
    is_signed = request.method in ("GET", "HEAD") and "id" in request.match_info and hmac.compare_digest(
        signature, _signature(request, request.match_info["id"]).encode()
    )  # fmt: skip
    if not (is_signed or hmac.compare_digest(said, f"Bearer {request.app[TOKEN]}".encode())):
        raise Invalid("The bearer token is missing or wrong.", "", code="AuthenticationError", status=401)
    return await handler(request)


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Invalid as invalid:
        return _error(invalid.status, str(invalid), invalid.code, invalid.param)
    except web.HTTPRequestEntityTooLarge:
        return _error(413, f"The body is larger than {BODY_BYTES >> 20} MB.", "RequestTooLarge", "body")
    except web.HTTPException as error:
        return _error(error.status, f"{error.reason}.", "NotFound" if error.status == 404 else "InvalidAction", "")


def _error(status: int, sentence: str, code: str, param: str) -> web.Response:
    error: dict[str, Any] = {"message": sentence, "type": "invalid_request_error", "code": code, "param": param or None}
    headers = {"Retry-After": "30"} if status == 429 else {}
    return web.json_response(
        {"detail": sentence, "code": code, "param": param or None, "error": error}, status=status, headers=headers
    )
