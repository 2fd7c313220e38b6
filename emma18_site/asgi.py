"""The server's entry: hands each request to static files, a streaming route, or Django.

Streaming routes are plain coroutines (`chat/asgi.py`): a Django handler costs several times the whole rest of their
path and a thread for as long as a stream lasts.
"""

import asyncio
import gc
import os
import time
from contextlib import suppress
from functools import lru_cache
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emma18_site.settings")

from django.core.asgi import get_asgi_application  # noqa: E402  # settings first

django_application = get_asgi_application()

from django.conf import settings  # noqa: E402  # apps first
from django.http.request import split_domain_port, validate_host  # noqa: E402

from accounts import keys  # noqa: E402
from accounts.asgi import (  # noqa: E402
    BODY_UNREAD,
    Message,
    Receive,
    Scope,
    Send,
    header,
    in_database,
    match,
    read_body,
    send_refusal,
)
from accounts.cuts import ClientGone, end_streams, open_streams  # noqa: E402
from accounts.ids import bind_request_id  # noqa: E402
from accounts.reaper import reap_for_ever  # noqa: E402
from accounts.refusals import BadRequest, Refusal, Unauthorized  # noqa: E402
from chat import asgi as chat_routes  # noqa: E402
from chat import completions, generations  # noqa: E402
from emma18_site.middleware import API_PREFIX  # noqa: E402
from emma18_site.page_threads import page_thread  # noqa: E402
from emma18_site.static_files import static_files  # noqa: E402
from upstream import client  # noqa: E402
from videos import asgi as video_routes  # noqa: E402

STREAMING_ROUTES = [*chat_routes.ROUTES, *video_routes.ROUTES]

BODY_CAP = 1024 * 1024
VIDEO_CAP = 64 * 1024 * 1024  # references may come in the request itself
VIDEO_PATHS = ("/api/v1/video/seedance/tasks", "/api/v3/contents/generations/tasks")
PROMPT_CAP = 3 * 1024 * 1024  # the longest prompt in four-byte characters, each byte as %XX
GRACE_S = 3.0
WRONG_HOST = BadRequest(
    "This server does not answer under the host name of your request. Use its own address, or add the name to "
    "EMMA18_ALLOWED_HOSTS.",
    code="wrong_host",
)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] != "http":
        return
    elif scope["path"].startswith(settings.STATIC_URL):
        await static_files(scope, receive, send)
    elif route := match(STREAMING_ROUTES, scope):
        with suppress(ClientGone):
            await (route if _is_host_ours(scope) else _wrong_host)(scope, receive, send)
    elif scope["path"].startswith(API_PREFIX) and not _is_host_ours(scope):
        await _wrong_host(scope, receive, send)
    else:
        await _django(scope, receive, send)


async def drain() -> None:
    """Before the server stops: what ends within the grace ends well; then replies are kept and streams told."""
    deadline = time.monotonic() + GRACE_S
    while (generations.count() or open_streams()) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    await generations.end_all()
    await asyncio.sleep(0.1)  # followers send their pages the end
    end_streams()


async def _wrong_host(scope: Scope, receive: Receive, send: Send) -> None:
    await send_refusal(send, WRONG_HOST, request_id=bind_request_id())


def _is_host_ours(scope: Scope) -> bool:
    """What Django asks before its views, for the routes beside it as well."""
    return _is_one_of(tuple(settings.ALLOWED_HOSTS), header(scope, b"host"))


@lru_cache(maxsize=64)
def _is_one_of(allowed: tuple[str, ...], host: str) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


async def _django(scope: Scope, receive: Receive, send: Send) -> None:
    """Django behind a guard: without it a server spools an unauthenticated upload of any size to disk first."""
    try:
        body = await read_body(scope, receive, cap=await _cap(scope))
    except Refusal as refusal:
        await send_refusal(send, refusal, request_id=bind_request_id())
        return
    except ClientGone:
        return
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    async with page_thread():
        await django_application(cast(Any, scope), replay, cast(Any, send))
    if len(body) > BODY_CAP:
        # Django's request stands in a circle and has the body twice: up to 128 MB are not left for the collector to
        # find. A task of Django's own ends in the next turn.
        await asyncio.sleep(0)
        gc.collect()


async def _cap(scope: Scope) -> int:
    """The most that this request may send. A stranger cannot make us read a large one: raises Unauthorized."""
    if scope["path"].rstrip("/") in VIDEO_PATHS:
        length = header(scope, b"content-length")
        if not (length.isdigit() and int(length) <= BODY_CAP):
            try:
                await in_database(keys.caller_with, header(scope, b"authorization"))
            except Unauthorized as stranger:
                stranger.headers |= BODY_UNREAD
                raise
        return VIDEO_CAP
    return PROMPT_CAP if scope["path"].startswith("/chat/") else BODY_CAP


async def _lifespan(receive: Receive, send: Send) -> None:
    reaping: asyncio.Task[None] | None = None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            generations.start_in(asyncio.get_running_loop())
            reaping = asyncio.create_task(reap_for_ever())
            await send({"type": "lifespan.startup.complete"})
        else:
            if reaping:
                reaping.cancel()
            await generations.end_all()
            await completions.settled()
            await client.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
