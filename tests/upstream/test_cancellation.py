"""Whoever stops listening stops the provider: at once, and also before anything was said."""

import asyncio

import pytest

from tests.upstream.conftest import ask
from upstream import chat

AT_ONCE_S = 0.5  # measured: 1-3 ms; the rest is room for a busy machine


async def test_closing_a_silent_stream_stops_the_provider(provider, endpoint):
    stream = await chat.open_stream(endpoint, ask("hang-mid-stream"), request_id="req_1")

    await stream.aclose()

    assert await provider.until(lambda it: it.cancelled == 1) < AT_ONCE_S
    assert provider.open_streams == 0


async def test_closing_a_busy_stream_stops_the_provider(provider, endpoint):
    provider.script("busy", delay_s=0.001, text="word " * 5_000)
    stream = await chat.open_stream(endpoint, ask("busy"), request_id="req_1")
    await anext(stream)

    await stream.aclose()

    assert await provider.until(lambda it: it.open_streams == 0) < AT_ONCE_S


async def test_closing_twice_and_after_the_end_does_no_harm(provider, endpoint):
    stream = await chat.open_stream(endpoint, ask("plain"), request_id="req_1")
    assert [chunk async for chunk in stream]

    await stream.aclose()
    await stream.aclose()

    assert [chunk async for chunk in stream] == []
    assert provider.cancelled == 0


async def test_a_closed_stream_is_over_for_its_reader_too(provider, endpoint):
    provider.script("said-one", fault="hang-mid-stream", after=1)
    stream = await chat.open_stream(endpoint, ask("said-one"), request_id="req_1")
    await anext(stream)
    reader = asyncio.Task(collected(stream), loop=asyncio.get_running_loop(), eager_start=True)

    await stream.aclose()

    assert await reader == []


async def test_cancelling_the_reader_stops_the_provider(provider, endpoint):
    async def read_and_close() -> None:
        stream = await chat.open_stream(endpoint, ask("hang-mid-stream"), request_id="req_1")
        try:
            await collected(stream)
        finally:
            await stream.aclose()

    reader = asyncio.create_task(read_and_close())
    await provider.until(lambda it: it.open_streams == 1)

    await cancelled(reader)

    assert await provider.until(lambda it: it.cancelled == 1) < AT_ONCE_S


@pytest.mark.parametrize("fault", ["hang-before-first-byte", "hang-before-first-event"])
async def test_cancelling_before_the_first_event_stops_the_provider(provider, endpoint, fault):
    opening = asyncio.create_task(chat.open_stream(endpoint, ask(fault), request_id="req_1"))
    await provider.until(lambda it: it.requests)

    await cancelled(opening)

    assert await provider.until(lambda it: it.cancelled == 1) < AT_ONCE_S


async def test_cancelling_a_plain_request_stops_the_provider(provider, endpoint):
    asking = asyncio.create_task(chat.complete(endpoint, ask("hang-before-first-byte"), request_id="req_1"))
    await provider.until(lambda it: it.requests)

    await cancelled(asking)

    assert await provider.until(lambda it: it.cancelled == 1) < AT_ONCE_S


async def collected(stream: chat.ChatStream) -> list[dict[str, object]]:
    return [chunk async for chunk in stream]


async def cancelled(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
