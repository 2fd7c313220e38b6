"""What the plain ASGI routes share: a body read with a cap and a deadline, JSON answers, and hops to the database.

These routes stand beside Django's handler, which costs more a request than the whole rest of the path; they use its
ORM, always on a thread of the pool here and never while a stream is open.
"""

import asyncio
import contextvars
import json
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from django.db import close_old_connections, connection

from accounts.refusals import Refusal, RequestTimeout, TooLarge, envelope

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

READ_DEADLINE_S = 10.0  # without progress
CONNECTION_AGE_S = 300.0

# SQLite has one writer and PostgreSQL few connections to give away: more threads would only wait elsewhere.
_database_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="database")


class ClientGone(Exception):
    """The caller left before the request was read."""


def header(scope: Scope, name: bytes) -> str:
    """The first header of that lower-case name, or ''."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


async def read_body(scope: Scope, receive: Receive, *, cap: int) -> bytes:
    """The whole body. Raises TooLarge (before reading, where the length is declared), RequestTimeout, ClientGone."""
    too_large = TooLarge(f"The request body is larger than {cap // 1024:,} KiB, the most this address takes.")
    declared = header(scope, b"content-length")
    if declared.isdigit() and int(declared) > cap:
        raise too_large
    parts: list[bytes] = []
    size = 0
    while True:
        try:
            message = await asyncio.wait_for(receive(), READ_DEADLINE_S)
        except TimeoutError:
            raise RequestTimeout(
                f"The request body stalled for {READ_DEADLINE_S:.0f} s. Send it again without pausing."
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > cap:
            raise too_large
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def send_json(
    send: Send, body: Any, *, status: int = 200, request_id: str, headers: Iterable[tuple[str, str]] = ()
) -> None:
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
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


async def send_refusal(send: Send, refusal: Refusal, *, request_id: str) -> None:
    body = envelope(refusal, request_id=request_id)
    await send_json(send, body, status=refusal.status, request_id=request_id, headers=refusal.headers.items())


async def in_database[**P, R](function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a whole piece of database work on a thread of the pool.

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
    finally:
        if connection.close_at is not None and connection.close_at <= time.monotonic():
            connection.close_at = time.monotonic() + CONNECTION_AGE_S
