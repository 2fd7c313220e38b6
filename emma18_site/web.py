"""The web server's process: `python -m emma18_site.web --host 127.0.0.1 --port 8018`.

Runs uvicorn with our limits. Told to stop, it first brings what streams to an end, since uvicorn only waits for it; and
it stops when the process that started it is gone.
"""

import argparse
import asyncio
import gc
import logging
import os
import resource
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from accounts.asgi import Receive, Scope, Send, send_refusal
from accounts.ids import bind_request_id, new_id
from accounts.refusals import BadRequest, Refusal, RequestTimeout, TooLarge, Unavailable, envelope
from upstream import fast_json, parent

PARENT_CHECKED_EVERY_S = 0.5
STOP_WITHIN_S = 6  # the supervisor kills what is left after 8
FINISH_WITHIN_S = 2  # requests that still run once streams were told
KEPT_S = 75  # a connection without a request: longer than the proxies that may stand before us keep theirs
MOST_CONNECTIONS = 4096  # an open stream counts, and 2,000 of them are carried
FILES_OF_OUR_OWN = 512  # the database's, the log's, those of clips that are read
HEAD_WITHIN_S = 10
HEAD_BYTES = 64 << 10

NOT_HTTP = BadRequest(
    "This is no HTTP request that can be read: its method, address or headers break the rules of HTTP/1.1.",
    code="not_http",
)
HEAD_TOO_LARGE = TooLarge(f"The request's address and headers are larger than {HEAD_BYTES >> 10} KiB.")
HEAD_TOO_SLOW = RequestTimeout(f"The request's address and headers did not come within {HEAD_WITHIN_S} s.")
FULL = Unavailable(
    "The server has as many connections open as it takes. Try again in a few seconds.",
    headers={"Connection": "close", "Retry-After": "3"},
)

logger = logging.getLogger("emma18_site.web")

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m emma18_site.web")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8018)
    options = parser.parse_args()
    threading.Thread(target=_leave_when_orphaned, args=[parent.process_id()], daemon=True).start()
    _raise_open_files()
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    config = uvicorn.Config(
        load(),
        host=options.host,
        port=options.port,
        loop="asyncio",
        http=Connection,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # what a proxy says is Django's to believe or not
        backlog=2048,
        timeout_keep_alive=KEPT_S,
        timeout_graceful_shutdown=FINISH_WITHIN_S,
    )
    Server(config).run()


def _raise_open_files() -> None:
    """As far as the system lets us: a stream takes two, and many systems start programs with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS + FILES_OF_OUR_OWN
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def load() -> Application:
    from emma18_site.asgi import application

    # Few requests leave circles of objects behind, and those can wait: to look for them as often as Python does, each
    # time among all requests under way, is about a twentieth of a busy server's time.
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    return application


class Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: Any) -> None:
        """As uvicorn does, but the process is not ended by the same signal again once all is brought to an end."""
        self.should_exit = True

    async def main_loop(self) -> None:
        """Returns when the server is to stop and what streams has come to an end."""
        from emma18_site.asgi import drain

        await super().main_loop()
        await drain()


class Connection(HttpToolsProtocol):
    """Is closed when the head of a request does not come whole in time or is too large, for which uvicorn would wait
    for ever. What no application can answer is refused as an application would. An offer to go on in another protocol
    is never taken."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._head_bytes = 0
        self._is_in_head = True
        self._alarm: asyncio.TimerHandle | None = None
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._await_no_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        left = memoryview(data)
        try:
            while left:
                left = self._parse(left)
        except httptools.HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self._refuse(NOT_HTTP)
            return
        if not self._is_in_head:
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)
        elif self._alarm is None:
            self._await_head()

    def on_message_begin(self) -> None:
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # it is parsed once more
        self._is_in_head = False
        self._head_bytes = 0
        self._await_no_head()
        self.app = self.config.loaded_app if len(self.connections) <= MOST_CONNECTIONS else _full
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _parse(self, data: memoryview) -> memoryview:
        """Returns what is left of it after a head with an offer to go on in another protocol, such as curl and Java's
        client may make with every request. httptools takes no body after one: it is given the head without the offer.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            method = self.parser.get_method()
            if method == b"CONNECT":  # which is an offer by itself
                raise httptools.HttpParserError from None
            head = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
            head += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
            self.parser.feed_data(b"\r\n".join([*head, b"", b""]))
            return data[offer.args[0] :]
        return data[:0]

    def _await_head(self) -> None:
        self._alarm = self.loop.call_later(HEAD_WITHIN_S, self._give_up)

    def _await_no_head(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _give_up(self) -> None:
        if self._is_answering():  # and the next request has begun meanwhile
            self._await_head()
        elif self._head_bytes:
            self._refuse(HEAD_TOO_SLOW)
        else:  # a browser may have opened it in advance, and would take an answer for that of its next request
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        if self._is_answering():  # this would fall into the middle of it
            self.transport.close()
            return
        request_id = new_id("req")
        content = fast_json.encode(envelope(refusal, request_id=request_id))
        lines = (
            f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
            "content-type: application/json",
            f"content-length: {len(content)}",
            f"x-request-id: {request_id}",
            "connection: close",
        )
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + content)
        self.transport.close()


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    logger.warning("server full", extra={"connections": MOST_CONNECTIONS})
    await send_refusal(send, FULL, request_id=bind_request_id())


def _leave_when_orphaned(starter: int) -> None:
    while os.getppid() == starter:
        time.sleep(PARENT_CHECKED_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_WITHIN_S)
    os._exit(1)


if __name__ == "__main__":
    main()
