"""What a provider that means ill, or is merely broken, can take of us: time and memory up to a bound, and no more."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from tests.provider import running_provider
from tests.upstream.conftest import ask
from upstream import chat
from upstream.client import Endpoint, Limits
from upstream.errors import Garbled, Interrupted, Refused, TimedOut, UpstreamError
from upstream.models import list_models

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
REFUSAL = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
CHUNK = b'data: {"choices": [{"index": 0, "delta": {"content": "x"}}]}\n\n'
KEY = "sk-provider-0123456789abcdef"
BOMB = gzip.compress(b"0" * (1 << 20)) * 200  # 200 KB that make 200 MB
SHORT = Limits(connect_s=1, first_byte_s=1, idle_s=0.5, total_s=1.5, answer_bytes=5 << 20, line_bytes=1 << 20)
MEMORY_BYTES = 48 << 20
type Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[Endpoint]:
    """A server that answers any request so, and hangs up."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield Endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", KEY)
        server.close_clients()


def at_once(*parts: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.writelines(parts)

    return answer


def repeating(head: bytes, part: bytes, *, times: int = 1 << 40, pause_s: float = 0.0) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _ in range(times):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return answer


def length(count: int) -> bytes:
    return f"content-length: {count}\r\n\r\n".encode()


@contextmanager
def little_memory() -> Iterator[None]:
    """Fails when this process, which is the server as well, comes to hold much more meanwhile than at the start."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what is held now
    before = peak_bytes()
    yield
    assert peak_bytes() - before < MEMORY_BYTES


def peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


ANSWERS: dict[str, tuple[Answer, type[UpstreamError], str]] = {
    "a body of 1 GB": (repeating(HEAD + length(1 << 30), b" " * (1 << 20), times=1 << 10), Garbled, "over 5 MB"),
    "a body without an end": (repeating(HEAD + b"\r\n", b"[" * (1 << 16)), Garbled, "over 5 MB"),
    "a bomb that says so": (
        at_once(HEAD, b"content-encoding: gzip\r\n", length(len(BOMB)), BOMB), Garbled, "compressed",
    ),
    "a bomb that does not": (at_once(HEAD, length(len(BOMB)), BOMB), Garbled, "not JSON"),
    "a bomb in a transfer encoding": (
        at_once(HEAD, b"transfer-encoding: gzip, chunked\r\n\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(BOMB), BOMB)),
        Garbled, "not JSON|not HTTP",
    ),
    "two encodings": (at_once(HEAD, b"content-encoding: identity, br\r\n", length(2), b"[]"), Garbled, "compressed"),
    "a refusal that is a bomb": (
        at_once(REFUSAL, b"content-encoding: gzip\r\n", length(len(BOMB)), BOMB), Refused, r"\(400\): Bad Request\.$",
    ),
    "a refusal without an end": (repeating(REFUSAL + b"\r\n", b'{"error": "' + b"no " * 9999), Refused, r"\(400\)"),
    "headers without an end": (repeating(HEAD, b"x-more: of it\r\n" * 999), Garbled, "not HTTP"),
    "a header without an end": (repeating(HEAD + b"x-long: ", b"x" * (1 << 16)), Garbled, "not HTTP"),
    "a status without an end": (repeating(b"HTTP/1.1 200 ", b"O" * (1 << 16)), Garbled, "not HTTP"),
    "answers that are never the last": (
        repeating(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), TimedOut, "did not answer within 1 s"
    ),
    "a head in drips": (repeating(b"", b"H", pause_s=0.05), UpstreamError, "not HTTP|did not answer within 1 s"),
    "a body in drips": (repeating(HEAD + b"\r\n", b" ", pause_s=0.05), TimedOut, r"took longer than 1\.5 s"),
    "a refusal in drips": (repeating(REFUSAL + length(999), b" ", pause_s=0.05), UpstreamError, "400|took longer"),
    "silence in the body": (repeating(HEAD + b"\r\n", b" ", pause_s=5), TimedOut, r"fell silent for 0\.5 s"),
    "JSON a million deep": (at_once(HEAD, b"\r\n", b"[" * 1_000_000), Garbled, "not JSON"),
    "a number of a million digits": (at_once(HEAD, b"\r\n", b"9" * 1_000_000), Garbled, "not JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_model_list_takes_bounded_time_and_memory_and_ends_in_a_sentence(name):
    answer, kind, sentence = ANSWERS[name]

    async with answering(answer) as endpoint, asyncio.timeout(8):
        with little_memory(), pytest.raises(kind, match=sentence) as raised:
            await list_models(endpoint, request_id="req_1", limits=SHORT)

    assert len(str(raised.value)) < 400 and KEY not in str(raised.value)


STREAMS = {
    "drips within an event": (repeating(STREAM + CHUNK, b"x", pause_s=0.05), r"took longer than 1\.5 s"),
    "comments for ever": (repeating(STREAM + CHUNK, b": still here\n\n", pause_s=0.05), r"took longer than 1\.5 s"),
    "silence": (repeating(STREAM + CHUNK, b"", pause_s=0.05), r"fell silent for 0\.5 s"),
    "a line without an end": (repeating(STREAM + CHUNK + b"data: ", b"x" * (1 << 16)), "too large"),
    "an event without an end": (repeating(STREAM + CHUNK, b"data: x\n" * 1000), "too large"),
    "comments in a flood": (repeating(STREAM + CHUNK, b": flood\n\n" * 1000), "too large|took longer"),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_takes_bounded_time_and_memory_and_is_interrupted(name):
    answer, sentence = STREAMS[name]
    limits = Limits(first_byte_s=1, idle_s=0.5, total_s=1.5, stream_bytes=32 << 20)

    async with answering(answer) as endpoint, asyncio.timeout(8):
        stream = await chat.open_stream(endpoint, ask("any"), request_id="req_1", limits=limits)
        with little_memory(), pytest.raises(Interrupted, match=sentence):
            async for _ in stream:
                pass


@pytest.mark.parametrize("behaviour", [{"fault": "echo-key"}, {"text": f"You called with {KEY} didn't you?"}])
async def test_our_key_comes_back_in_no_error_and_no_reply(behaviour):
    with running_provider(key=KEY) as provider:
        endpoint, model = Endpoint(provider.base_url, KEY), provider.script("parrot", **behaviour)
        said: list[object] = []
        try:
            said.append(await chat.complete(endpoint, ask(model), request_id="req_1"))
            said += [chunk async for chunk in await chat.open_stream(endpoint, ask(model), request_id="req_2")]
        except Refused as refused:
            said += [str(refused), vars(refused)]

    assert "[redacted]" in repr(said)
    assert KEY not in repr(said)


async def test_our_key_comes_back_in_no_id_of_a_request():
    async with answering(at_once(HEAD, b"x-request-id: ", KEY.encode(), b"\r\n\r\n", b'{"choices": []}')) as endpoint:
        _, id = await chat.complete(endpoint, ask("any"), request_id="req_1")

    assert id == "[redacted]"


async def test_our_key_comes_back_in_no_model_list(provider, endpoint):
    provider.models = [{"id": f"m-{provider.key}", "name": provider.key, "description": f"Key: {provider.key}."}]

    [model] = await list_models(endpoint, request_id="req_1")

    assert model.description == "Key: [redacted]."
    assert provider.key not in repr(model)
