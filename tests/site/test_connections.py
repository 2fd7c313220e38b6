"""What the server takes from a connection before there is a request: not for long, and not much."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest

from tests.server import RunningServer, installation
from tests.site.hasty_web import MOST_CONNECTIONS

WHOLE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HALF = b"GET /healthz HTTP/1.1\r\nHost: 127."
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
STREAMS = 300


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with installation() as installed:
        installed.module = ("tests.site.hasty_web",)
        try:
            installed.start()
            yield installed
        finally:
            installed.stop()


def connected(server: RunningServer) -> socket.socket:
    where = urlsplit(server.base_url)
    return socket.create_connection((where.hostname, where.port), timeout=5)


def answer(connection: socket.socket) -> bytes:
    """All that comes until the server closes or has answered /healthz with what it says of its parts."""
    said = b""
    while b'"parts"' not in said and (more := connection.recv(65536)):
        said += more
    return said


@pytest.mark.parametrize("sent", [b"G", HALF, WHOLE + HALF], ids=["a letter", "half", "a second half"])
def test_a_connection_whose_request_does_not_come_is_closed(server, sent):
    with connected(server) as connection:
        connection.sendall(sent)
        if sent.startswith(WHOLE):
            assert b" 200 " in answer(connection)
        began = time.monotonic()

        said = answer(connection)
        assert b"408 Request Timeout" in said and b"request_timeout" in said
        assert time.monotonic() - began < 4


def test_a_connection_that_was_opened_in_advance_is_closed_without_a_word(server):
    with connected(server) as connection:
        assert connection.recv(1) == b""


def test_a_head_that_trickles_in_is_not_waited_for_any_longer(server):
    with connected(server) as connection:
        began = time.monotonic()
        with pytest.raises(OSError):  # of a closed connection
            connection.sendall(HALF)
            while time.monotonic() - began < 5:
                connection.sendall(b"1")
                time.sleep(0.1)

        assert 1 <= time.monotonic() - began < 3


def test_a_head_without_end_is_refused(server):
    taken = 0
    with connected(server) as connection, suppress(OSError):  # closed while we send
        connection.sendall(WHOLE[:-2])
        while taken < 50_000_000:
            connection.sendall(b"X-%d: %s\r\n" % (taken, b"x" * 1_000))
            taken += 1_000

    assert 64 << 10 <= taken < 10_000_000  # with what the machine holds on its way
    assert "Traceback" not in server.log


def test_a_connection_without_a_request_is_kept_for_the_next(server):
    with connected(server) as connection:
        connection.sendall(WHOLE)
        first = answer(connection)
        time.sleep(1.5)  # longer than a head may take
        connection.sendall(WHOLE)

        assert b" 200 " in first and b" 200 " in answer(connection)


def test_many_who_keep_the_server_waiting_keep_nobody_else(server):
    with ExitStack() as open_:
        for _ in range(STREAMS):
            open_.enter_context(connected(server)).sendall(HALF)
        with connected(server) as connection:
            connection.sendall(WHOLE)

            assert b" 200 " in answer(connection)


def test_one_connection_too_many_is_told_when_to_come_back(server):
    with ExitStack() as open_:
        for _ in range(MOST_CONNECTIONS):
            kept = open_.enter_context(connected(server))
            kept.sendall(WHOLE)
            assert b" 200 " in answer(kept)

        with connected(server) as connection:
            connection.sendall(WHOLE)
            head, _, body = answer(connection).partition(b"\r\n\r\n")
        assert b" 503 " in head and b"retry-after: 3" in head.lower() and b"x-request-id" in head.lower()
        assert json.loads(body)["error"]["code"] == "unavailable" and "few seconds" in json.loads(body)["detail"]
        assert "server full" in server.log

    with connected(server) as connection:
        connection.sendall(WHOLE)
        assert b" 200 " in answer(connection)


def test_half_a_next_request_takes_nothing_from_the_answer_under_way(server):
    with connected(server) as connection:
        connection.sendall(WHOLE.replace(b"/healthz", b"/healthz?slowly") + HALF)
        assert b" 200 " in answer(connection)

        connection.sendall(WHOLE[len(HALF) :])
        assert b" 200 " in answer(connection)


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("wish", [b"h2c", b"websocket"])
def test_who_would_rather_talk_otherwise_is_answered_all_the_same(server, wish, version):
    asked = WHOLE[:-2].replace(b"1.1", version) + OFFER.replace(b"h2c", wish) + b"Connection: keep-alive\r\n\r\n"
    with connected(server) as connection:
        for _ in range(2 if version == b"1.1" else 1):
            connection.sendall(asked)

            assert b" 200 " in answer(connection)

    assert "install" not in server.log and "Traceback" not in server.log


BODIES = {
    "whole": b"Content-Length: 10\r\n\r\nname=value",
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n4\r\nname\r\n6\r\n=value\r\n0\r\n\r\n",
    "none": b"Content-Length: 0\r\n\r\n",
    "like a request": b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE,
}


@pytest.mark.parametrize("piece", [None, 40, 1], ids=["at once", "in pieces", "by the byte"])
@pytest.mark.parametrize("body", BODIES)
def test_who_would_rather_talk_otherwise_loses_no_body_and_no_request(server, body, piece):
    """The whole of what is sent, with a request before and after it, and each is answered once, in its order."""
    echo = WHOLE[:-2].replace(b"GET /healthz", b"POST /echo") + OFFER + BODIES[body]
    sent = WHOLE.replace(b"/healthz", b"/echo?before") + echo + WHOLE.replace(b"/healthz", b"/echo?after") + WHOLE
    with connected(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(sent), piece or len(sent)):
            connection.sendall(sent[at : at + (piece or len(sent))])
            if piece == 40:
                time.sleep(0.02)  # each on its own

        said = answer(connection)

    carried = {"none": b"", "like a request": WHOLE}.get(body, b"name=value")
    echoed = [json.loads(line) for line in said.splitlines() if line.startswith(b'{"echo"')]
    assert [one["echo"] for one in echoed] == ["GET before ", f"POST  {carried.decode()}", "GET after "]
    assert said.count(b"HTTP/1.1 ") == 4


def test_a_body_after_an_offer_is_waited_for(server):
    head, _, body = BODIES["whole"].partition(b"\r\n\r\n")
    with connected(server) as connection:
        connection.sendall(WHOLE[:-2].replace(b"GET /healthz", b"POST /echo") + OFFER + head + b"\r\n\r\n")
        time.sleep(1.5)  # longer than a head may take
        connection.sendall(body + WHOLE)

        assert b'"POST  name=value"' in answer(connection)


def test_a_great_many_offers_at_once_are_all_declined(server):
    """Which must not end in as many calls within each other."""
    offers = 900  # as many as a head may be large
    with connected(server) as connection:
        connection.sendall(b"GET /echo HTTP/1.1\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n" * offers + WHOLE)

        assert answer(connection).count(b'"GET  "') == offers

    assert "Traceback" not in server.log


@pytest.mark.parametrize("sent", [HALF, WHOLE[:-2]], ids=["half", "all but its end"])
def test_a_head_with_an_offer_is_not_waited_for_any_longer(server, sent):
    with connected(server) as connection:
        connection.sendall(WHOLE[:-2] + OFFER + b"\r\n" + sent.replace(b"\r\n", b"\r\n" + OFFER, 1))
        assert b" 200 " in answer(connection)
        assert b"request_timeout" in answer(connection)


@pytest.mark.parametrize(
    "sent",
    [
        b"EHLO mail.example.org\r\n\r\n",
        b"BREW /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET ?a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n",
        b"CONNECT /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + OFFER + b"\r\n",
        b"GET ?a HTTP/1.1\r\nHost: 127.0.0.1\r\n" + OFFER + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX Y: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_not_http_is_refused_in_a_sentence(server, sent):
    with connected(server) as connection:
        connection.sendall(sent)

        said = answer(connection)

    head, _, body = said.partition(b"\r\n\r\n")
    assert b" 400 " in head
    assert json.loads(body)["error"]["code"] == "not_http" and "HTTP" in json.loads(body)["detail"]
    assert "Traceback" not in server.log


def test_nothing_is_said_into_the_middle_of_an_answer(server):
    """To a request whose body is still waited for no answer has begun, but it may at any time."""
    with connected(server) as connection:
        connection.sendall(b"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        time.sleep(0.2)
        connection.sendall(b"no chunk\r\n")

        assert answer(connection) == b""
