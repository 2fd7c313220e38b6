"""POST /api/v1/chat/completions: the door between an SDK and `completions.py`.

Knows HTTP and server-sent events, and the rules of the wire that keep every SDK alive: an event is a chunk or an
error, never a comment, an id or a named event. Knows no provider.
"""

import asyncio
import logging
import time
import traceback
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django.conf import settings

from accounts import clients, keys
from accounts.asgi import (
    BODY_UNREAD,
    Receive,
    Scope,
    Send,
    header,
    in_database,
    read_body,
    send_json,
    send_refusal,
    start_events,
)
from accounts.callers import Caller
from accounts.cuts import ClientGone, until_shutdown, while_connected
from accounts.ids import bind_request_id
from accounts.refusals import BadRequest, MethodNotAllowed, Refusal, Unauthorized, envelope, for_status
from chat import completions, requests
from chat.completions import Admission, Completion
from chat.requests import ChatRequest
from upstream import client, fast_json

logger = logging.getLogger(__name__)

BODY_CAP = 32 * 1024 * 1024
# A body up to this size is read before its sender is known, which spares nearly every request a second trip to the
# database; it is also the most that a stranger can make us hold.
SMALL_BODY = 64 * 1024

# Who leaves a stream pays for what came until then, so that must be known at once; a whole answer is paid whole.
WATCHED_AFTER_S = 0.25

MOST_HOPS = 3  # one more than a gateway behind a gateway needs

DONE = b"data: [DONE]\n\n"
_CLIENT_HEADERS = [name.encode() for name in clients.HEADERS]


async def chat_completions(scope: Scope, receive: Receive, send: Send) -> None:
    request_id = bind_request_id()
    began = time.perf_counter()
    try:
        request = await _read(scope, receive)
        answer, after_s = (_stream, 0.0) if request.stream else (_whole, WATCHED_AFTER_S)
        await while_connected(receive, answer(scope, send, request, request_id), watched_after_s=after_s)
    except ClientGone:
        return
    except Refusal as refusal:
        await _refuse(scope, send, refusal, request_id, began)
        _let_go(refusal)
    except Exception as error:  # the door for errors: this route has no Django around it
        logger.exception("request failed")
        await _refuse(scope, send, for_status(500), request_id, began)
        _let_go(error)


async def _refuse(scope: Scope, send: Send, refusal: Refusal, request_id: str, began: float) -> None:
    await send_refusal(send, refusal, request_id=request_id)
    logger.info(
        "request done",
        extra={
            "method": scope["method"],
            "path": scope["path"],
            "status": refusal.status,
            "code": refusal.code,
            "ms": round((time.perf_counter() - began) * 1000, 1),
        },
    )


def _let_go(error: Exception) -> None:
    """Free the request now. An exception and the frames it came through may hold one another, and with them a body of
    megabytes and a connection whose body was not read, until the garbage is collected some day."""
    traceback.clear_frames(error.__traceback__)


async def _read(scope: Scope, receive: Receive) -> ChatRequest:
    """What is asked. A stranger hears of the key first, whatever else is wrong with the request."""
    if scope["method"] != "POST":
        raise MethodNotAllowed("Send a chat completion with POST.", headers={"Allow": "POST", **BODY_UNREAD})
    passed = header(scope, client.HOPS_HEADER.encode())
    client.hops.set(int(passed) if passed.isdecimal() and len(passed) <= 3 else 0)
    authorization = header(scope, b"authorization")
    length = header(scope, b"content-length")
    if not (length.isdigit() and int(length) <= SMALL_BODY):
        try:
            await in_database(keys.caller_with, authorization, client=_client(scope))
        except Unauthorized as stranger:
            stranger.headers |= BODY_UNREAD
            raise
    raw = await read_body(scope, receive, cap=BODY_CAP)
    try:
        return requests.parse(raw)
    except BadRequest:
        await in_database(keys.caller_with, authorization, client=_client(scope))
        raise


async def _admitted(scope: Scope, request: ChatRequest, request_id: str) -> Admission:
    authorization = header(scope, b"authorization")
    client_name = _client(scope)

    def caller() -> Caller:
        found = keys.caller_with(authorization, client=client_name)
        if client.hops.get() >= MOST_HOPS:
            raise BadRequest(
                f"This request has passed {MOST_HOPS} EMMA18 servers: one is connected to itself, perhaps through "
                "another. Its admins must remove that provider.",
                code="loop_detected",
            )
        return found

    return await completions.admit(
        caller, request, request_id=request_id, door=completions.Door.API, client=client_name
    )


def _client(scope: Scope) -> str:
    return clients.named(*[header(scope, name) for name in _CLIENT_HEADERS])


async def _whole(scope: Scope, send: Send, request: ChatRequest, request_id: str) -> None:
    with until_shutdown():
        admission = await _admitted(scope, request, request_id)
        reply = await admission.complete()
    await send_json(send, reply, request_id=request_id, headers=_disclosed(admission))


async def _stream(scope: Scope, send: Send, request: ChatRequest, request_id: str) -> None:
    """Raises refusals only while a status can still be sent. Later ones are the stream's last event."""
    with until_shutdown():
        admission = await _admitted(scope, request, request_id)
        completion = await admission.open()
    try:
        await start_events(send, request_id=request_id, headers=_disclosed(admission))
        last = await _send_chunks(send, completion)
    finally:
        await completion.aclose()
    await send({"type": "http.response.body", "body": last})


def _disclosed(admission: Admission) -> list[tuple[str, str]]:
    """Who answered at which attempt; what we chose for the caller: the cap on the output, where they set none; and
    whether the model they asked for is deprecated."""
    chosen = [("x-emma18-max-tokens", str(admission.max_tokens))] if admission.max_tokens else []
    deprecated = admission.deprecation.headers().items() if admission.deprecation else ()
    return [
        ("x-emma18-provider", _for_a_header(admission.provider_name)),
        ("x-emma18-attempts", str(admission.attempts)),
        *chosen,
        *deprecated,
    ]


@lru_cache(maxsize=512)
def _for_a_header(name: str) -> str:
    """A header takes no letters beyond ASCII, and a provider may be named in any."""
    return quote(name, safe=" !#$&'()*+,/:;=?@[]~")


async def _send_chunks(send: Send, completion: Completion) -> bytes:
    """Send every chunk. Returns the event to end with: an error is never followed by [DONE]."""
    try:
        with until_shutdown():
            async with _Line(send) as line:
                async for chunk in completion:
                    await line.send_chunk(chunk)
        return DONE
    except Refusal as refusal:
        return _event(envelope(refusal, request_id=completion.request_id))
    except Exception:  # the door for errors, once the status is sent: the stream says it
        logger.exception("stream failed")
        return _event(envelope(for_status(500), request_id=completion.request_id))


class _Line:
    """The stream to one caller, kept alive by chunks without text while the model is silent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_sending = False
        self._loop = asyncio.get_running_loop()
        self._spoke_at = self._loop.time()
        self._empty: dict[str, Any] = {}

    async def __aenter__(self) -> "_Line":
        self._keeping_alive = asyncio.create_task(self._keep_alive())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._keeping_alive.cancel()
        await asyncio.wait((self._keeping_alive,))

    async def send_chunk(self, chunk: dict[str, Any]) -> None:
        if not self._empty:
            self._empty = {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": None}]}
        await self._say(_event(chunk))

    async def _say(self, event: bytes) -> None:
        self._is_sending = True
        await self._send({"type": "http.response.body", "body": event, "more_body": True})
        self._is_sending = False
        self._spoke_at = self._loop.time()

    async def _keep_alive(self) -> None:
        while True:
            silent_s = self._loop.time() - self._spoke_at
            if silent_s < settings.KEEP_ALIVE_S:
                await asyncio.sleep(settings.KEEP_ALIVE_S - silent_s)
            elif self._is_sending or not self._empty:  # the caller is slow to read, or has had no chunk yet
                await asyncio.sleep(settings.KEEP_ALIVE_S)
            else:
                await self._say(_event(self._empty))


def _event(data: Any) -> bytes:
    return b"data: " + fast_json.encode(data) + b"\n\n"
