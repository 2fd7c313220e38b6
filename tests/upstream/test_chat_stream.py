"""What a provider's stream becomes: well-behaved ones, oddly framed ones, and broken ones."""

from dataclasses import replace

import pytest

from tests.provider import REPLY, REQUEST_ID
from tests.upstream.conftest import HURRIED, ask
from upstream import chat
from upstream.client import Limits
from upstream.errors import Garbled, Interrupted, Redirected, Refused, TimedOut, UpstreamError


async def text_of(stream: chat.ChatStream) -> str:
    return "".join([words async for words in words_of(stream)])


async def words_of(stream: chat.ChatStream):
    async for chunk in stream:
        for choice in chunk["choices"]:
            yield choice["delta"].get("content") or ""


async def test_a_stream_gives_the_chunks_of_the_provider_unchanged(provider, endpoint):
    provider.script("plain", text="Hi there", extra={"reasoning_content": "hm"})

    stream = await chat.open_stream(endpoint, ask("plain"), request_id="req_1")
    chunks = [chunk async for chunk in stream]

    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == ["", "Hi", " there", None, None]
    assert chunks[1]["choices"][0]["delta"]["reasoning_content"] == "hm"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert stream.upstream_request_id == REQUEST_ID


async def test_the_body_is_sent_as_it_is_with_stream_on(provider, endpoint):
    body = ask("plain", temperature=0.5, tools=[{"type": "function"}], unknown={"deep": [None]})

    await (await chat.open_stream(endpoint, body, request_id="req_1")).aclose()

    assert provider.requests[0].json == {**body, "stream": True}


async def test_usage_comes_when_asked_for(provider, endpoint):
    body = ask("plain", stream_options={"include_usage": True})

    chunks = [chunk async for chunk in await chat.open_stream(endpoint, body, request_id="req_1")]

    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize(
    "framing",
    [
        "bom", "comments", "cr", "crlf", "done-and-blanks", "error-null", "fields", "no-blank-line-at-end",
        "no-done", "no-finish", "ping", "progress", "split-bytes", "hang-after-finish",
    ],
)  # fmt: skip
async def test_odd_framing_changes_nothing(endpoint, framing):
    stream = await chat.open_stream(endpoint, ask(framing), request_id="req_1", limits=HURRIED)

    assert await text_of(stream) == REPLY


async def test_a_null_error_is_stripped_from_chunks(endpoint):
    stream = await chat.open_stream(endpoint, ask("error-null"), request_id="req_1")

    assert all(["error" not in chunk async for chunk in stream])


async def test_every_choice_must_finish(provider, endpoint):
    provider.script("half", fault="no-done", text="Hi")
    stream = await chat.open_stream(endpoint, ask("half", n=3), request_id="req_1")

    assert await text_of(stream) == "HiHiHi"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("cut-mid-stream", "connection broke"),
        ("error-event", "The provider would rather not"),
        ("error-mid-stream", "The provider would rather not"),
        ("finish-error", "ended the reply with an error"),
        ("garbage-mid-stream", "not JSON"),
        ("hang-mid-stream", "fell silent for 0.3 s"),
        ("long-line", "too large"),
        ("endless-line", "too large"),
        ("overflow-mid-stream", "not JSON"),
        ("no-end", "before it was finished"),
    ],
)
async def test_what_breaks_after_the_first_event_is_an_interruption(provider, endpoint, fault, reason):
    stream = await chat.open_stream(endpoint, ask(fault), request_id="req_1", limits=HURRIED)
    heard = []

    with pytest.raises(Interrupted, match=reason):
        async for words in words_of(stream):
            heard.append(words)

    assert REPLY.startswith("Hello") and "".join(heard).startswith("Hello from")
    await provider.until(lambda it: it.open_streams == 0)


async def test_a_stream_that_takes_too_long_in_all_is_interrupted(provider, endpoint):
    provider.script("drip", delay_s=0.05, text="drip " * 200)
    limits = replace(HURRIED, total_s=0.4)
    stream = await chat.open_stream(endpoint, ask("drip"), request_id="req_1", limits=limits)

    with pytest.raises(Interrupted, match=r"longer than 0\.4 s"):
        await text_of(stream)


async def test_an_endless_stream_is_cut_off_by_size(endpoint):
    limits = replace(HURRIED, stream_bytes=300_000)
    stream = await chat.open_stream(endpoint, ask("endless-stream"), request_id="req_1", limits=limits)

    with pytest.raises(Interrupted, match="too large"):
        await text_of(stream)


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        ("cut-before-first-byte", Garbled, "closed the connection without an answer"),
        ("done-first", Garbled, "before its first event"),
        ("empty-stream", Garbled, "before it was finished"),
        ("endless-body", Garbled, "too large"),
        ("error-200", Refused, "would rather not"),
        ("error-event-first", Garbled, "would rather not"),
        ("error-first", Garbled, "would rather not"),
        ("error-first-429", Refused, "would rather not"),
        ("garbage", Garbled, "not JSON"),
        ("garbage-first", Garbled, "not JSON"),
        ("gzip", Garbled, "compressed"),
        ("hang-before-first-byte", TimedOut, r"did not answer within 0\.3 s"),
        ("hang-before-first-event", TimedOut, r"silent for 0\.3 s"),
        ("html", Garbled, "web page"),
        ("not-http", Garbled, "not HTTP"),
        ("plain-json", Garbled, "one JSON object"),
        ("redirect", Redirected, "The provider redirected; not followed"),
    ],
)
async def test_what_breaks_before_the_first_event_is_told_by_its_own_name(provider, endpoint, fault, kind, reason):
    limits = HURRIED if kind is TimedOut else Limits()  # what is told at once must not lose against a busy machine
    with pytest.raises(UpstreamError, match=reason) as raised:
        await chat.open_stream(endpoint, ask(fault), request_id="req_1", limits=limits)

    assert type(raised.value) is kind
    assert [received.path for received in provider.requests] == ["/v1/chat/completions"]
    await provider.until(lambda it: it.open_streams == 0)


async def test_connections_are_used_again_after_a_complete_stream(provider, endpoint):
    for _ in range(3):
        assert await text_of(await chat.open_stream(endpoint, ask("plain"), request_id="req_1")) == REPLY

    assert len({received.peer for received in provider.requests}) == 1
