"""A provider for tests: a real OpenAI-compatible server on loopback that misbehaves on command.

How it behaves is chosen by the model's name. `provider.script("mymodel", text="Hi", fault="cut-mid-stream")`
teaches it a name; the names in FAULTS it knows from the start, so asking for the model `hang-mid-stream`
hangs. Any other name gets an ordinary reply. The path `/models` is such a name too.

In a test: `with running_provider() as provider:`. For benches: `python -m tests.provider --port 0`.
"""

import argparse
import asyncio
import contextlib
import gzip
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

REPLY = "Hello from the provider, grüße und 你好 🙂 to all of you."
REQUEST_ID = "upstream-request-1"
SMALL_MODEL = {
    "id": "plain/small",
    "name": "Small",
    "description": "A small model.",
    "context_length": 8192,
    "pricing": {"prompt": "0.00000015", "completion": "0.0000006"},
}

HANG, CUT, ENDLESS = object(), object(), object()
DONE = b"data: [DONE]\n\n"
type Step = bytes | object


@dataclass(frozen=True)
class Behaviour:
    """One way to answer. `after` counts the events before a fault in the middle of a stream."""

    text: str = REPLY
    delay_s: float = 0.0  # before each piece of the text
    usage: str = "asked"  # or "always", "never", "each" with every chunk
    fault: str = ""
    after: int = 3
    message: str = "The provider would rather not."
    code: Any = "provider_says_no"  # of a refusal
    retry_after: str = "7"
    redirect_to: str = "/v1/elsewhere"
    redirect_status: int = 307
    extra: dict[str, Any] = field(default_factory=dict)  # more keys in each delta and message
    counts: dict[str, Any] = field(default_factory=dict)  # in place of the true figures in usage


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    json: Any
    peer: tuple[str, int]


def _error(message: str, code: Any = "provider_says_no") -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code, "param": None}}


def _frame(payload: Any) -> bytes:
    text = json.dumps(payload, ensure_ascii=False)
    if not text.isprintable():  # half a surrogate pair can only be sent escaped
        text = json.dumps(payload)
    return f"data: {text}\n\n".encode()


def _error_event(message: str) -> bytes:
    return b"event: error\n" + _frame({"type": "overloaded_error", "message": message})


def _with_null_error(frame: bytes) -> bytes:
    return frame if frame == DONE else frame.replace(b"data: {", b'data: {"error": null, ')


def _without_index(frame: bytes) -> bytes:
    return frame.replace(b'"index": 0, ', b"").replace(b'"role": "assistant"', b'"role": null')


def _with_fields(frame: bytes) -> bytes:
    return b": processing\n\nretry: 100\n\nid: 7\nevent: message\n" + frame


def _single_bytes(frames: list[bytes]) -> list[bytes]:
    return [bytes([byte]) for byte in b"".join(frames)]


def _without(frames: list[bytes], *marks: bytes) -> list[bytes]:
    return [frame for frame in frames if not any(mark in frame for mark in marks)]


FINISH, USAGE = b'"finish_reason": "', b'"usage"'
PROGRESS = b'event: progress\ndata: {"type": "progress", "message": "loading the model"}\n\n'
PING = b'event: ping\ndata: {"type": "ping", "message": "still here"}\n\n'
OVERFLOW = b'data: {"choices": [], "logprob": -1e999, "half": "\\ud83d"}\n\n'
# What each fault makes of the frames of an ordinary stream.
STREAM_FAULTS: dict[str, Callable[[list[bytes], Behaviour], list[Any]]] = {
    "bom": lambda frames, b: [b"\xef", b"\xbb\xbf" + frames[0], *frames[1:]],
    "comments": lambda frames, b: [b": processing\n\n" + frame for frame in frames],
    "cr": lambda frames, b: [frame.replace(b"\n", b"\r") for frame in frames],
    "crlf": lambda frames, b: [frame.replace(b"\n", b"\r\n") for frame in frames],
    "cut-mid-stream": lambda frames, b: [*frames[: b.after], CUT],
    "done-and-blanks": lambda frames, b: [*_without(frames, DONE), b"data: [DONE] \t\n\n"],
    "done-first": lambda frames, b: [DONE],
    "empty-stream": lambda frames, b: [],
    "empty-usage-last": lambda frames, b: [*frames[:-1], _frame({"choices": [], "usage": {}}), DONE],
    "endless-line": lambda frames, b: [*frames[: b.after], b"data: ", ENDLESS],
    "endless-stream": lambda frames, b: [*frames[: b.after], ENDLESS],
    "error-first": lambda frames, b: [_frame(_error(b.message)), DONE],
    "error-first-429": lambda frames, b: [_frame(_error(b.message, 429)), DONE],
    "error-event": lambda frames, b: [*frames[: b.after], _error_event(b.message), DONE],
    "error-event-first": lambda frames, b: [_error_event(b.message), DONE],
    "error-mid-stream": lambda frames, b: [*frames[: b.after], _frame(_error(b.message)), DONE],
    "error-null": lambda frames, b: [_with_null_error(frame) for frame in frames],
    "fields": lambda frames, b: [_with_fields(frame) for frame in frames],
    "finish-error": lambda frames, b: [frame.replace(FINISH + b"stop", FINISH + b"error") for frame in frames],
    "garbage-first": lambda frames, b: [b"data: {oops\n\n", *frames],
    "garbage-mid-stream": lambda frames, b: [*frames[: b.after], b"data: {oops\n\n", *frames[b.after :]],
    "hang-after-finish": lambda frames, b: [*_without(frames, DONE), HANG],
    "hang-before-first-event": lambda frames, b: [HANG, *frames],
    "hang-mid-stream": lambda frames, b: [*frames[: b.after], HANG, *frames[b.after :]],
    "long-line": lambda frames, b: [*frames[: b.after], b"data: " + b"x" * (1 << 20) + b"\n\n", *frames[b.after :]],
    "no-blank-line-at-end": lambda frames, b: [*frames[:-1], frames[-1].rstrip()],
    "no-done": lambda frames, b: _without(frames, DONE),
    "no-index": lambda frames, b: [_without_index(frame) for frame in frames],
    "no-end": lambda frames, b: _without(frames, DONE, FINISH, USAGE),
    "no-finish": lambda frames, b: _without(frames, FINISH, USAGE),
    "overflow-mid-stream": lambda frames, b: [*frames[: b.after], OVERFLOW, *frames[b.after :]],
    "ping": lambda frames, b: [PING + frame for frame in frames],
    "progress": lambda frames, b: [PROGRESS, *frames],
    "split-bytes": lambda frames, b: _single_bytes(frames),
}
# What each fault puts into the place of an ordinary answer's head.
HEAD_FAULTS: dict[str, Callable[[Behaviour], web.Response]] = {
    "garbage": lambda b: web.Response(text="{oops", content_type="application/json"),
    "gzip": lambda b: web.Response(body=gzip.compress(b"{}"), headers={"content-encoding": "gzip"}),
    "html": lambda b: web.Response(text="<!doctype html><h1>Welcome</h1>", content_type="text/html"),
    "html-500": lambda b: web.Response(status=500, text="<h1>Oops</h1>", content_type="text/html"),
    "overflow": lambda b: web.Response(text='{"choices": [], "logprob": -1e999}', content_type="application/json"),
    "list": lambda b: web.json_response([1, 2, 3]),
    "redirect": lambda b: web.Response(status=b.redirect_status, headers={"location": b.redirect_to}),
    "error-200": lambda b: web.json_response(_error(b.message, 429)),
    "error-text": lambda b: web.Response(status=400, text=b.message),
    "error-detail": lambda b: web.json_response({"detail": [{"msg": b.message}]}, status=422),
}
REFUSALS = {f"refuse-{status}": status for status in (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503)}
OTHER_FAULTS = {
    "hang-before-first-byte", "cut-before-first-byte", "not-http", "plain-json", "endless-body", "no-choices",
    "echo-key", "echo", "tool-calls", "reasoning", "surrogate",
}  # fmt: skip
FAULTS = {*STREAM_FAULTS, *HEAD_FAULTS, *REFUSALS, *OTHER_FAULTS}


class Provider:
    """What a test holds: the address and the key, what was received, and the switches."""

    def __init__(self, *, key: str = "sk-provider-0123456789abcdefghijklmnop") -> None:
        self.key = key
        self.base_url = ""
        self.models: list[Any] = [SMALL_MODEL, {**SMALL_MODEL, "id": "plain/large", "name": "Large"}]
        self.requests: list[Received] = []
        self.open_streams = 0
        self.cancelled = 0  # requests whose caller went away before the end
        self._scripts: dict[str, Behaviour] = {}
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._go_on = asyncio.Event()

    def script(self, model: str, **behaviour: Any) -> str:
        """Teach it how to behave under this name. Gives the name back."""
        self._scripts[model] = Behaviour(**behaviour)
        return model

    def release(self) -> None:
        """Let everything that hangs go on, now and from now on."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._go_on.set)

    def wait_until(self, is_so: Callable[["Provider"], object], *, timeout_s: float = 5.0) -> float:
        """Seconds until it was so. Fails when it does not come to that."""
        started = time.perf_counter()
        with self._changed:
            assert self._changed.wait_for(lambda: is_so(self), timeout_s), "the provider did not see it happen"
        return time.perf_counter() - started

    async def until(self, is_so: Callable[["Provider"], object], *, timeout_s: float = 5.0) -> float:
        """`wait_until` for async tests."""
        return await asyncio.to_thread(self.wait_until, is_so, timeout_s=timeout_s)

    def _behaviour(self, name: str) -> Behaviour:
        return self._scripts.get(name) or Behaviour(fault=name if name in FAULTS else "")

    def _note(self, *, received: Received | None = None, streams: int = 0, cancelled: int = 0) -> None:
        with self._changed:
            if received:
                self.requests.append(received)
            self.open_streams += streams
            self.cancelled += cancelled
            self._changed.notify_all()

    @contextlib.asynccontextmanager
    async def _serving(self, host: str, port: int) -> AsyncIterator[None]:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/v1/{path:.*}", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        self._loop = asyncio.get_running_loop()
        self.base_url = "http://{}:{}/v1".format(*runner.addresses[0])
        try:
            yield
        finally:
            self._go_on.set()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body: Any = json.loads(text) if text else None
        peer = request.transport.get_extra_info("peername") if request.transport else ("", 0)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._note(received=Received(request.path, headers, body, peer))
        try:
            if request.headers.get("authorization") != f"Bearer {self.key}":
                return web.json_response(_error("Incorrect API key provided.", "invalid_api_key"), status=401)
            if request.path == "/v1/models":
                return await self._well_or_badly(request, {}, self._behaviour("/models"))
            if request.path == "/v1/chat/completions":
                return await self._well_or_badly(request, body, self._behaviour(body["model"]))
            return web.json_response(_error("No such path."), status=404)
        except asyncio.CancelledError:
            self._note(cancelled=1)
            raise
        except ConnectionResetError:  # told apart only by whether we were waiting or writing
            self._note(cancelled=1)
            raise asyncio.CancelledError from None

    async def _well_or_badly(
        self, request: web.Request, body: dict[str, Any], behaviour: Behaviour
    ) -> web.StreamResponse:
        fault = behaviour.fault
        if fault in REFUSALS:
            headers = {"retry-after": behaviour.retry_after} if fault == "refuse-429" else {}
            error = _error(behaviour.message, behaviour.code)
            return web.json_response(error, status=REFUSALS[fault], headers=headers)
        if fault == "echo-key":
            message = f"Bad header: {request.headers['authorization']} for key {self.key}"
            return web.json_response(_error(message), status=400)
        if fault in HEAD_FAULTS:
            return HEAD_FAULTS[fault](behaviour)
        if fault in ("cut-before-first-byte", "not-http"):
            assert request.transport
            request.transport.write(b"hello\r\n\r\n" if fault == "not-http" else b"")
            request.transport.close()
            return web.Response()
        if fault == "hang-before-first-byte":
            await self._go_on.wait()
        if fault == "endless-body":
            return await self._stream(request, [ENDLESS], content_type="application/json")
        if request.path == "/v1/models":
            return web.json_response({"object": "list", "data": self.models})
        if body.get("stream") and fault != "plain-json":
            return await self._stream(request, _steps(behaviour, body), delay_s=behaviour.delay_s)
        await asyncio.sleep(behaviour.delay_s)
        return web.json_response(_reply(behaviour, body), headers={"x-request-id": REQUEST_ID})

    async def _stream(
        self,
        request: web.Request,
        steps: list[Step],
        *,
        delay_s: float = 0.0,
        content_type: str = "text/event-stream",
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": content_type, "x-request-id": REQUEST_ID})
        self._note(streams=1)
        try:
            await response.prepare(request)
            for index, step in enumerate(steps):
                if delay_s and index:
                    await asyncio.sleep(delay_s)
                await self._take(step, response, request)
            return response
        finally:
            self._note(streams=-1)

    async def _take(self, step: Step, response: web.StreamResponse, request: web.Request) -> None:
        if isinstance(step, bytes):
            await response.write(step)
        elif step is HANG:
            await self._go_on.wait()
        elif step is CUT and request.transport:
            request.transport.abort()
        while step is ENDLESS:
            await response.write(b" " * (16 << 10))


def _steps(behaviour: Behaviour, body: dict[str, Any]) -> list[Step]:
    frames = [_frame(chunk) for chunk in _chunks(behaviour, body)] + [DONE]
    fault = STREAM_FAULTS.get(behaviour.fault)
    return fault(frames, behaviour) if fault else [*frames]


def _chunks(behaviour: Behaviour, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    each = {"usage": _usage(behaviour, body)} if behaviour.usage == "each" else {}

    def chunk(choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": body["model"],
                "choices": choices, **each}  # fmt: skip

    def delta(index: int, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return chunk([{"index": index, "delta": delta, "finish_reason": finish_reason}])

    indexes = range(body.get("n") or 1)
    message, finish_reason = _message(behaviour, body)
    yield from (delta(index, {"role": "assistant", "content": ""}) for index in indexes)
    pieces = (message.pop("content") or "").split(" ")
    for number, piece in enumerate(pieces):
        said = {"content": piece if number == 0 else f" {piece}", **behaviour.extra}
        yield from (delta(index, said) for index in indexes)
    if more := {key: value for key, value in message.items() if key != "role"}:
        yield from (delta(index, more) for index in indexes)
    yield from (delta(index, {}, finish_reason) for index in indexes)
    is_asked = (body.get("stream_options") or {}).get("include_usage")
    if behaviour.usage == "always" or (behaviour.usage == "asked" and is_asked):
        yield chunk([]) | {"usage": _usage(behaviour, body)}


def _reply(behaviour: Behaviour, body: dict[str, Any]) -> dict[str, Any]:
    message, finish_reason = _message(behaviour, body)
    reply = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
        "choices": [
            {"index": index, "message": message, "finish_reason": finish_reason} for index in range(body.get("n") or 1)
        ],
    }  # fmt: skip
    if behaviour.fault == "no-choices":
        del reply["choices"]
    return reply if behaviour.usage == "never" else {**reply, "usage": _usage(behaviour, body)}


def _message(behaviour: Behaviour, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    message: dict[str, Any] = {"role": "assistant", "content": behaviour.text, **behaviour.extra}
    match behaviour.fault:
        case "tool-calls":
            function = {"name": "look_up", "arguments": '{"city": "Bern"}'}
            calls = [{"index": 0, "id": "call_1", "type": "function", "function": function}]
            return {**message, "content": None, "tool_calls": calls}, "tool_calls"
        case "reasoning":
            return {**message, "reasoning_content": "Let me think."}, "stop"
        case "echo":
            return {**message, "content": json.dumps(body)}, "stop"
        case "surrogate":
            return {**message, "content": "half a pair: \ud83d end"}, "stop"
    return message, "stop"


def _usage(behaviour: Behaviour, body: dict[str, Any]) -> dict[str, int]:
    prompt_tokens = len(json.dumps(body.get("messages", [])).split())
    completion_tokens = len(behaviour.text.split(" ")) * (body.get("n") or 1)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        **behaviour.counts,
    }


@contextlib.contextmanager
def running_provider(*, host: str = "127.0.0.1", **options: Any) -> Iterator[Provider]:
    """A provider in a thread of its own, on a free port."""
    provider, is_ready, is_over = Provider(**options), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with provider._serving(host, 0):
            is_ready.set()
            await is_over.wait()

    # The loop is made, run and closed in that thread: this one may have a loop of its own, as Playwright's does.
    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="provider", daemon=True)
    thread.start()
    assert is_ready.wait(10), "the provider did not start"
    try:
        yield provider
    finally:
        assert provider._loop is not None
        provider._loop.call_soon_threadsafe(is_over.set)
        thread.join(10)


async def _serve_for_ever(port: int) -> None:
    provider = Provider()
    async with provider._serving("127.0.0.1", port):
        print(json.dumps({"base_url": provider.base_url, "key": provider.key}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve_for_ever(arguments.parse_args().port))
