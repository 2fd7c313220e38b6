"""Talks to a provider's chat endpoint. Knows HTTP, JSON and the shape of a chunk.

Knows no Django, no team, no money.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

from upstream import answers, fast_json, sse
from upstream.client import DEFAULT, Answer, Endpoint, Limits, is_kind, read_whole, send
from upstream.errors import Garbled, Interrupted, UpstreamError

PATH = "/chat/completions"
DONE = b"[DONE]"
# The end of the answer follows [DONE] at once. Waiting for it a moment keeps the connection for the next call.
TAIL_S = 0.05


class ChatStream(AsyncIterator[dict[str, Any]]):
    """A provider's reply, chunk by chunk, its first already received. Whoever holds it must `aclose()` it.

    Iterating raises nothing but `Interrupted`.
    """

    def __init__(self, answer: Answer, *, secret: str, limits: Limits) -> None:
        self.upstream_request_id = answers.request_id(answer.headers, secret=secret)
        self._answer = answer
        self._parser = sse.Parser(cap=limits.line_bytes)
        self._payloads: deque[bytes] = deque()
        self._secret = secret
        self._limits = limits
        self._received_bytes = 0
        self._first: dict[str, Any] | None = None
        self._is_received = False  # the provider's last byte has come
        self._is_over = False  # nothing more comes out
        self._choices: set[int] = set()
        self._finished_choices: set[int] = set()

    async def __anext__(self) -> dict[str, Any]:
        if self._first is not None:
            chunk, self._first = self._first, None
            return chunk
        try:
            next_chunk = await self._next()
        except UpstreamError as error:
            await self.aclose()
            raise Interrupted(error.reason) from None
        if next_chunk is None:
            await self.aclose()
            raise StopAsyncIteration
        return next_chunk

    async def aclose(self) -> None:
        """Stop the provider by closing the connection, unless the reply is complete. May be called again."""
        self._is_over = True
        self._first = None
        self._payloads.clear()
        self._answer.close()

    async def wait_for_first(self) -> None:
        """Raises what goes wrong before the first event under its own name, while another offer may be tried."""
        self._first = await self._next()
        if self._first is None:
            raise Garbled("The provider ended the stream before its first event.")

    async def _next(self) -> dict[str, Any] | None:
        """The next chunk, or None after the last of a complete reply."""
        while not self._is_over:
            if self._payloads:
                payload = self._payloads.popleft()
                if payload.rstrip() == DONE:
                    await self._read_tail()
                    return None
                chunk = self._chunk(payload)
                if chunk is not None:
                    return chunk
            elif self._parser.overflowed or self._received_bytes > self._limits.stream_bytes:
                raise Garbled("The provider's answer was too large.")
            elif self._is_received:
                if not self._is_complete():
                    raise Garbled("The provider ended the reply before it was finished.")
                return None
            else:
                await self._receive()
        return None

    async def _receive(self) -> None:
        try:
            data = await self._answer.read()
        except UpstreamError:
            if not self._is_over and not self._is_complete():
                raise
            data = b""  # closed by us, or a complete reply whose [DONE] never came
        if not data:
            self._is_received = True
            self._payloads.extend(self._parser.end())
            return
        self._received_bytes += len(data)
        self._payloads.extend(self._parser.feed(data))

    async def _read_tail(self) -> None:
        with suppress(TimeoutError, UpstreamError):
            async with asyncio.timeout(TAIL_S):
                while await self._answer.read():
                    pass

    def _chunk(self, payload: bytes) -> dict[str, Any] | None:
        """The chunk in an event; None for an event that is none, such as a ping."""
        chunk = answers.read_json(payload, secret=self._secret)
        if not isinstance(chunk, dict):
            raise Garbled("The provider sent an event that is not a chunk.")
        if error := chunk.pop("error", None):
            raise answers.error_object(error, secret=self._secret)
        choices = chunk.get("choices")
        if choices:
            self._note(choices)
        elif "choices" not in chunk and "usage" not in chunk:
            if _is_error(chunk):
                raise answers.error_object(chunk, secret=self._secret)
            return None
        return chunk

    def _note(self, choices: object) -> None:
        """Remember which choices have begun and which have finished."""
        if not isinstance(choices, list):
            raise Garbled("The provider sent an event that is not a chunk.")
        for choice in choices:
            if not isinstance(choice, dict):
                raise Garbled("The provider sent an event that is not a chunk.")
            index = choice.get("index")
            finish_reason = choice.get("finish_reason")
            if finish_reason == "error":
                raise Garbled("The provider ended the reply with an error.")
            (self._finished_choices if finish_reason else self._choices).add(index if type(index) is int else 0)

    def _is_complete(self) -> bool:
        return bool(self._finished_choices) and self._choices <= self._finished_choices


def _is_error(event: dict[str, Any]) -> bool:
    """Whether an event that is no chunk is what others send as the value of `error`."""
    return isinstance(event.get("message"), str) and bool(event.get("code") or "error" in str(event.get("type")))


async def open_stream(
    endpoint: Endpoint, body: dict[str, Any], *, request_id: str, limits: Limits = DEFAULT
) -> ChatStream:
    """Ask for a streamed reply and wait for its first event. Raises `UpstreamError`, never `Interrupted`."""
    answer = await _post(endpoint, {**body, "stream": True}, request_id=request_id, limits=limits)
    stream = ChatStream(answer, secret=endpoint.api_key, limits=limits)
    try:
        if is_kind(answer, "application/json"):
            _raise_error_in(await _read_object(answer, endpoint, limits), endpoint)
            raise Garbled("The provider answered a request for a stream with one JSON object.")
        await stream.wait_for_first()
    except BaseException:  # a caller who leaves leaves no connection open
        await stream.aclose()
        raise
    return stream


async def complete(
    endpoint: Endpoint, body: dict[str, Any], *, request_id: str, limits: Limits = DEFAULT
) -> tuple[dict[str, Any], str | None]:
    """The whole reply, verbatim, and the provider's id of the request. Raises `UpstreamError`.

    The first byte may take as long as the whole: providers send it when the reply is written.
    """
    answer = await _post(endpoint, {**body, "stream": False}, request_id=request_id, limits=_patient(limits))
    try:
        reply = await _read_object(answer, endpoint, limits)
    finally:
        answer.close()
    _raise_error_in(reply, endpoint)
    if not isinstance(reply.get("choices"), list):
        raise Garbled("The provider answered without choices.")
    return reply, answers.request_id(answer.headers, secret=endpoint.api_key)


@lru_cache(maxsize=8)
def _patient(limits: Limits) -> Limits:
    return replace(limits, first_byte_s=limits.total_s)


async def _post(endpoint: Endpoint, body: dict[str, Any], *, request_id: str, limits: Limits) -> Answer:
    content = fast_json.encode(body)
    answer = await send(endpoint, "POST", PATH, request_id=request_id, limits=limits, content=content)
    if is_kind(answer, "text/html"):
        answer.close()
        raise Garbled("The provider answered with a web page. Is its base URL right? It usually ends in /v1.")
    return answer


async def _read_object(answer: Answer, endpoint: Endpoint, limits: Limits) -> dict[str, Any]:
    reply = answers.read_json(await read_whole(answer, cap=limits.answer_bytes), secret=endpoint.api_key)
    if not isinstance(reply, dict):
        raise Garbled("The provider answered with JSON that is not an object.")
    return reply


def _raise_error_in(reply: dict[str, Any], endpoint: Endpoint) -> None:
    if error := reply.get("error"):
        raise answers.error_object(error, secret=endpoint.api_key)
