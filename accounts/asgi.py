"""What the plain ASGI routes share: a body read with a cap and a deadline, JSON answers, and hops to the database.

These routes stand beside Django's handler, which costs more a request than the whole rest of the path; they use its
ORM, always on a thread of the pool here and never while a stream is open.
"""

import asyncio
import contextvars
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DataError, InterfaceError, OperationalError, close_old_connections, connection

from accounts.refusals import Refusal, RequestTimeout, TooLarge, Unavailable, database_away, envelope, not_storable

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CONNECTION_AGE_S = 300.0
SLOWEST_BODY_BYTES = 16 * 1024  # in the time a body may stall: a trickle holds a connection as a standstill does

# SQLite has one writer and PostgreSQL few connections to give away: more threads would only wait elsewhere.
_database_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="database")


# For an answer given before the body was read: the server then closes the connection, which clients must know of, or
# their next request may be sent into it.
BODY_UNREAD = {"Connection": "close"}

_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_compact_ascii = json.JSONEncoder(separators=(",", ":")).encode


class ClientGone(Exception):
    """The caller left before the answer was complete."""


def to_json(body: Any) -> bytes:
    text = _compact(body)
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a character, which is valid in JSON but only as an escape
        return _compact_ascii(body).encode()


def header(scope: Scope, name: bytes) -> str:
    """The first header of that lower-case name, or ''."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


async def read_body(scope: Scope, receive: Receive, *, cap: int) -> bytes:
    """The whole body. Raises TooLarge (before reading, where the length is declared), RequestTimeout, ClientGone."""
    declared = header(scope, b"content-length")
    if declared.isdigit() and int(declared) > cap:
        raise _too_large(cap)
    parts: list[bytes] = []
    size = 0
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        earned_s = settings.BODY_STALL_S * (1 + size // SLOWEST_BODY_BYTES)
        try:
            message = await asyncio.wait_for(receive(), min(began + earned_s - loop.time(), settings.BODY_STALL_S))
        except TimeoutError:
            raise RequestTimeout(
                f"The request body made hardly any progress for {settings.BODY_STALL_S} s. Send it again without "
                "pausing.",
                headers=BODY_UNREAD,
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > cap:
            raise _too_large(cap)
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _too_large(cap: int) -> TooLarge:
    sentence = f"The request body is larger than {cap // 1024:,} KiB, the most that is taken here."
    return TooLarge(sentence, headers=BODY_UNREAD)


async def while_connected[R](receive: Receive, work: Coroutine[Any, Any, R]) -> R:
    """Run `work`, whose request has been read. When the caller leaves it is cancelled at once; raises ClientGone."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnected(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone
    finally:
        leaving.cancel()
        if working.cancel():
            await asyncio.wait((working,))


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_json(
    send: Send, body: Any, *, status: int = 200, request_id: str, headers: Iterable[tuple[str, str]] = ()
) -> None:
    content = to_json(body)
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


async def start_events(send: Send, *, request_id: str) -> None:
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
            ],
        }
    )


async def send_refusal(send: Send, refusal: Refusal, *, request_id: str) -> None:
    body = envelope(refusal, request_id=request_id)
    await send_json(send, body, status=refusal.status, request_id=request_id, headers=refusal.headers.items())


_streams: set[asyncio.Timeout] = set()


@asynccontextmanager
async def until_shutdown() -> AsyncIterator[None]:
    """Run a stream's body. When `end_streams` cuts it short it raises Unavailable, for the caller to be told."""
    try:
        async with asyncio.timeout(None) as timeout:
            _streams.add(timeout)
            try:
                yield
            finally:
                _streams.discard(timeout)
    except TimeoutError:
        if not timeout.expired():
            raise
        raise Unavailable(
            "The server is restarting. Send the request again in a moment.", headers={"Retry-After": "2"}
        ) from None


def open_streams() -> int:
    return len(_streams)


def end_streams() -> None:
    """The server stops: break off every stream that is still open, each in its own words."""
    for timeout in list(_streams):
        timeout.reschedule(asyncio.get_running_loop().time())


async def in_database[**P, R](function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a whole piece of database work on a thread of the pool. Raises Unavailable when the database is away.

    Shielded: a caller who leaves does not abandon a transaction between its statements.
    """
    context = contextvars.copy_context()
    work = partial(context.run, _with_connection, partial(function, *args, **kwargs))
    return await asyncio.shield(asyncio.get_running_loop().run_in_executor(_database_threads, work))


def _with_connection[R](work: Callable[[], R]) -> R:
    # CONN_MAX_AGE is 0, since request threads under ASGI are short-lived and would leak persistent connections.
    # The pool's threads live on, so theirs are given an age of their own here.
    close_old_connections()
    try:
        return work()
    except (OperationalError, InterfaceError) as error:
        logger.exception("database away")
        raise database_away() from error
    except DataError as error:
        logger.exception("value refused by the database")
        raise not_storable() from error
    finally:
        if connection.close_at is not None and connection.close_at <= time.monotonic():
            connection.close_at = time.monotonic() + CONNECTION_AGE_S
