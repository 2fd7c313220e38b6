"""What the plain ASGI routes share: a body read with a cap and a deadline, JSON answers, and hops to the database.

These routes stand beside Django's handler, which costs more a request than the whole rest of the path; they use its
ORM, always on a thread of the pool here and never while a stream is open.
"""

import asyncio
import contextvars
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DataError, InterfaceError, OperationalError, close_old_connections

from accounts.cuts import ClientGone, Cut, alarms
from accounts.refusals import Refusal, RequestTimeout, TooLarge, database_away, envelope, not_storable
from upstream import fast_json

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SLOWEST_BODY_BYTES = 16 * 1024  # in the time a body may stall: a trickle holds a connection as a standstill does

# SQLite has one writer and PostgreSQL few connections to give away: more threads would only wait elsewhere.
_database_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="database")


# For an answer given before the body was read: the server then closes the connection, which clients must know of, or
# their next request may be sent into it.
BODY_UNREAD = {"Connection": "close"}


type Route = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StreamingRoute:
    """A route beside Django's. `handle` is called with the pattern's named groups as further arguments, whatever the
    method."""

    pattern: re.Pattern[str]
    policy: str
    handle: Callable[..., Awaitable[Any]]


def match(routes: Iterable[StreamingRoute], scope: Scope) -> Route | None:
    """The route for a request, or None when it is Django's."""
    for route in routes:
        if found := route.pattern.fullmatch(scope["path"]):
            return partial(route.handle, **found.groupdict())
    return None


_HEADERS = "emma18.headers"  # by name, as they were looked for first


def header(scope: Scope, name: bytes) -> str:
    """The first header of that lower-case name, or ''."""
    headers = scope.get(_HEADERS)
    if headers is None:
        headers = scope[_HEADERS] = dict(reversed(scope["headers"]))
    value: bytes = headers.get(name, b"")
    return value.decode("latin-1")


async def read_body(scope: Scope, receive: Receive, *, cap: int) -> bytes:
    """The whole body. Raises TooLarge (before reading, where the length is declared), RequestTimeout, ClientGone."""
    if declared_length(scope) > cap:
        raise _too_large(cap)
    began = asyncio.get_running_loop().time()
    body, is_more = await _part(receive, began, 0)
    if is_more:  # seldom: a small body comes in one part
        parts, size = [body], len(body)
        while is_more and size <= cap:
            part, is_more = await _part(receive, began, size)
            size += len(part)
            parts.append(part)
        body = b"".join(parts)
    if len(body) > cap:
        raise _too_large(cap)
    return body


def declared_length(scope: Scope) -> int:
    declared = header(scope, b"content-length")
    return int(declared) if declared.isdigit() else 0


async def incoming(receive: Receive) -> AsyncIterator[bytes]:
    """The body's parts as they arrive. Raises RequestTimeout, ClientGone."""
    size, is_more = 0, True
    began = asyncio.get_running_loop().time()
    while is_more:
        part, is_more = await _part(receive, began, size)
        size += len(part)
        yield part


async def _part(receive: Receive, began: float, size: int) -> tuple[bytes, bool]:
    """The next part after `size` bytes, and whether more come. `began` is when the first was waited for."""
    stall_s = settings.BODY_STALL_S
    earned_until = began + stall_s * (1 + size // SLOWEST_BODY_BYTES)
    with Cut(_stalled) as cut:
        alarms.set(cut.now, at=min(earned_until, asyncio.get_running_loop().time() + stall_s))
        try:
            message = await receive()
        finally:
            alarms.cancel(cut.now)
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), bool(message.get("more_body"))


def _stalled() -> RequestTimeout:
    return RequestTimeout(
        f"The request body made hardly any progress for {settings.BODY_STALL_S} s. Send it again without pausing.",
        headers=BODY_UNREAD,
    )


def _too_large(cap: int) -> TooLarge:
    sentence = f"The request body is larger than {cap // 1024:,} KiB, the most that is taken here."
    return TooLarge(sentence, headers=BODY_UNREAD)


async def send_json(
    send: Send, body: Any, *, status: int = 200, request_id: str, headers: Iterable[tuple[str, str]] = ()
) -> None:
    content = fast_json.encode(body)
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(content)).encode()),
                (b"x-request-id", request_id.encode()),
                *((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers),
            ],
        }
    )
    await send({"type": "http.response.body", "body": content})


async def start_events(send: Send, *, request_id: str, headers: Iterable[tuple[str, str]] = ()) -> None:
    """Begin a stream of server-sent events that no proxy may buffer, store or compress."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-cache, no-transform"),
                (b"x-accel-buffering", b"no"),
                (b"x-content-type-options", b"nosniff"),
                (b"x-request-id", request_id.encode()),
                *((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers),
            ],
        }
    )


async def send_refusal(send: Send, refusal: Refusal, *, request_id: str) -> None:
    body = envelope(refusal, request_id=request_id)
    await send_json(send, body, status=refusal.status, request_id=request_id, headers=refusal.headers.items())


async def in_database[**P, R](function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a whole piece of database work on a thread of the pool. Raises Unavailable when the database is away.

    Shielded: a caller who leaves does not abandon a transaction between its statements.
    """
    context = contextvars.copy_context()
    work = partial(context.run, with_connection, partial(function, *args, **kwargs))
    return await asyncio.shield(asyncio.get_running_loop().run_in_executor(_database_threads, work))


def with_connection[R](work: Callable[[], R]) -> R:
    """Do database work on this thread, which lives on. Raises Unavailable when the database is away."""
    close_old_connections()
    try:
        return work()
    except (OperationalError, InterfaceError) as error:
        logger.exception("database away")
        raise database_away() from error
    except DataError as error:
        logger.exception("value refused by the database")
        raise not_storable() from error
