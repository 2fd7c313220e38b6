"""What our client makes of HTTP, on a server that says exactly the bytes it is told to."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from upstream import chat, egress
from upstream.client import Endpoint
from upstream.connection import Limits, address
from upstream.errors import Garbled, TimedOut, Unreachable
from upstream.pool import Answer, Pool

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LIMITS = Limits(connect_s=2, first_byte_s=2, idle_s=0.3, total_s=5)
type Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.connections = 0
        self.url = ""

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self.talk(reader, writer)
        writer.close()


@asynccontextmanager
async def served(talk: Talk, *, keeps_connections: bool = True) -> AsyncIterator[tuple[Server, Pool]]:
    server = Server(talk)
    listening = await asyncio.start_server(server.take, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    pool = Pool(egress.guarded_socket, keeps_connections=keeps_connections)
    async with listening:
        yield server, pool
        pool.close()
        listening.close_clients()


def saying(*answers: bytes) -> Talk:
    """One after the other on each connection, the last for ever."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(100):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answers[min(number, len(answers) - 1)])

    return talk


async def ask(server: Server, pool: Pool, content: bytes = b"", limits: Limits = LIMITS) -> Answer:
    return await pool.ask("POST", address(server.url), headers={}, content=content, limits=limits)


async def text(answer: Answer) -> bytes:
    whole = b""
    while data := await answer.read():
        whole += data
    answer.close()
    return whole


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;x=y\r\na\r\n2\r\nbc\r\n0\r\nx-end: 1\r\n\r\n",
            b"abc",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nx-a: b\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (OK, b"ok"),
    ],
)
async def test_an_answer_with_an_end_of_its_own_leaves_the_connection_for_the_next(answer, body):
    async with served(saying(answer)) as (server, pool):
        for _ in range(3):
            assert await text(await ask(server, pool)) == body

        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        OK + b"x",
        OK + OK,
    ],
)
async def test_after_an_answer_that_may_not_be_the_last_word_a_new_connection_is_opened(answer):
    async with served(saying(answer)) as (server, pool):
        for _ in range(3):
            assert await text(await ask(server, pool)) == b"ok"

        assert server.connections == 3


async def test_what_is_said_between_two_answers_is_no_answer():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        await reader.read()

    async with served(talk) as (server, pool):
        assert await text(await ask(server, pool)) == b"ok"
        await asyncio.sleep(0.2)
        assert await text(await ask(server, pool)) == b"ok"

        assert server.connections == 2


async def test_an_answer_that_is_left_early_closes_its_connection():
    async with served(saying(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")) as (server, pool):
        for _ in range(2):
            (await ask(server, pool)).close()

        assert server.connections == 2


async def test_an_answer_without_a_length_ends_with_the_connection():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")

    async with served(talk) as (server, pool):
        assert await text(await ask(server, pool)) == b"all of it"


@pytest.mark.parametrize("head", [b"content-length: 9\r\n", b"transfer-encoding: chunked\r\n"])
async def test_an_answer_that_ends_before_its_end_is_broken(head):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n3\r\nabc")

    async with served(talk) as (server, pool):
        with pytest.raises(Garbled, match="connection broke"):
            await text(await ask(server, pool))


async def test_a_large_request_arrives_whole_and_one_that_is_not_wanted_is_not_sent_on():
    received = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        received.append(len(await reader.readexactly(length)))
        writer.write(OK)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await asyncio.sleep(1)

    async with served(talk) as (server, pool):
        assert await text(await ask(server, pool, b"x" * (20 << 20))) == b"ok"
    async with served(refuse) as (server, pool):
        answer = await ask(server, pool, b"x" * (20 << 20))
        assert (answer.status, await text(answer)) == (413, b"no")

    assert received == [20 << 20]


async def test_a_slow_reader_is_no_silent_provider():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (20 << 20))

    async with served(talk) as (server, pool):
        answer = await ask(server, pool)
        await asyncio.sleep(1)
        assert len(await text(answer)) == 20 << 20


async def test_who_closes_an_answer_wakes_its_reader():
    async with served(saying(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")) as (server, pool):
        answer = await ask(server, pool)
        reading = asyncio.create_task(answer.read())
        await asyncio.sleep(0.05)

        answer.close()

        with pytest.raises(Garbled):
            await asyncio.wait_for(reading, 1)
        assert await answer.read() == b""


async def test_whoever_leaves_while_waiting_leaves_no_connection_open():
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        ended.set()

    async with served(talk) as (server, pool):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await ask(server, pool)
        await asyncio.wait_for(ended.wait(), 2)


async def test_no_more_connections_are_open_at_once_than_there_are_places(monkeypatch):
    monkeypatch.setattr("upstream.pool.MAX_CONNECTIONS", 1)
    async with served(saying(OK)) as (server, pool):
        first = await ask(server, pool)
        with pytest.raises(TimedOut, match="No connection") as raised:
            await ask(server, pool, limits=Limits(connect_s=0.1))
        assert not raised.value.may_have_billed
        await text(first)

        assert await text(await ask(server, pool)) == b"ok"
        assert server.connections == 1


async def test_a_connection_that_nobody_uses_is_closed(monkeypatch):
    monkeypatch.setattr("upstream.pool.KEPT_IDLE_S", 0.1)
    async with served(saying(OK)) as (server, pool):
        await text(await ask(server, pool))
        await asyncio.sleep(0.4)
        await text(await ask(server, pool))

        assert server.connections == 2
        assert len(pool._idle) == 1


async def test_a_header_cannot_go_on_in_another_line():
    async with served(saying(OK)) as (server, pool):
        with pytest.raises(ValueError, match="another line"):
            await pool.ask("GET", address(server.url), headers={"a": "b\r\nc: d"}, content=b"", limits=LIMITS)


class Body(dict[str, object]):
    """That a weak reference can follow."""


async def test_a_request_that_reached_nobody_is_not_held_in_memory_by_its_failure(unused_tcp_port):
    async def failed() -> weakref.ref[Body]:
        body = Body(model="any", messages=[])
        with suppress(Unreachable):
            await chat.complete(Endpoint(f"http://127.0.0.1:{unused_tcp_port}/v1", "key"), body, request_id="req_1")
        return weakref.ref(body)

    gc.collect()
    gc.disable()
    try:
        assert (await asyncio.create_task(failed()))() is None
    finally:
        gc.enable()


async def test_each_request_on_a_kept_connection_has_its_own_time():
    """An alarm is left from one to the next, which may have to answer sooner."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
        await reader.read()

    async with served(talk) as (server, pool):
        for first_byte_s in (60, 0.05, 60):
            answer = await ask(server, pool, limits=replace(LIMITS, first_byte_s=first_byte_s, total_s=60))
            assert await text(answer) == b"ok"
            await asyncio.sleep(0.1)  # a left alarm rings while nothing is asked
        with pytest.raises(TimedOut, match=r"did not answer within 0\.2 s"):
            await ask(server, pool, limits=replace(LIMITS, first_byte_s=0.2))

    assert server.connections == 1
