"""HTTP/1.1 over one connection: one request at a time. Knows bytes; knows no Django, no team, no money, no provider's
key.

A general client spends several times on a request what the request itself takes; this one does what the calls here
need. httptools reads the answers, no redirect is followed and no proxy setting read. `pool.py` opens connections and
keeps them.
"""

import asyncio
import ipaddress
from dataclasses import dataclass

import httptools
import httpx

from upstream.errors import Garbled, TimedOut, Unreachable, UpstreamError

HEAD_BYTES = 64 << 10
READ_AHEAD_BYTES = 256 << 10  # what waits for a slow reader at most, beside what one read brings
WRITTEN_AT_ONCE_BYTES = 1 << 20
PIECE_BYTES = 64 << 10
HIGHEST_PORT = 65535

_NOT_HTTP = "The provider's answer was not HTTP."
_BROKEN = "The provider's connection broke before its answer was complete."


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much one call may take."""

    connect_s: float = 5.0
    first_byte_s: float = 60.0
    idle_s: float = 60.0  # between two reads, once the answer has begun
    total_s: float = 600.0
    line_bytes: int = 1 << 20
    stream_bytes: int = 256 << 20
    answer_bytes: int = 32 << 20


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes. Its socket leads to `host` and `port`; `line` ends its first line and names the host."""

    url: httpx.URL
    host: str
    port: int
    is_secure: bool
    line: str

    @property
    def origin(self) -> tuple[str, int, bool]:
        return self.host, self.port, self.is_secure


def address(text: str) -> Address:
    """Raises Unreachable for what is no address of a web server."""
    try:
        url = httpx.URL(text)
        is_callable = url.scheme in ("http", "https") and url.host and port_of(url) <= HIGHEST_PORT
        host, path, netloc = (part.decode("ascii") for part in (url.raw_host, url.raw_path, url.netloc))
    except (httpx.InvalidURL, ValueError):  # the latter of a host that begins with xn-- and goes on wrongly
        raise Unreachable("The provider's base URL is not a URL.") from None
    if not is_callable or "\\" in host or _is_number(host):
        raise Unreachable("The provider's base URL cannot be called. It has the form https://host/v1.")
    return Address(url, host, port_of(url), url.scheme == "https", f"{path} HTTP/1.1\r\nhost: {netloc}\r\n")


def _is_number(host: str) -> bool:
    """Whether it stands for an IPv4 address in a way that only old programs know, such as 127.1 or 2130706433. What
    others there are, such as 0x7f.1, are left to the egress guard."""
    if not host.replace(".", "").isdecimal():
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return True
    return False


def port_of(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


class Connection(asyncio.Protocol):
    """One connection, with the answer that is under way on it."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.status = 0
        self.headers: dict[str, str] = {}
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._is_asked = False
        self._is_full = False  # the transport holds as much to be sent as it should

    @property
    def is_open(self) -> bool:
        return not self._transport.is_closing()

    def begin(self, limits: Limits, *, started: float) -> None:
        """Wait for an answer from now on."""
        self._limits = limits
        self._heard_at = started
        self._answers_by = started + min(limits.first_byte_s, limits.total_s)
        self._ends_by = started + limits.total_s
        self._is_asked = True
        self._is_sent = self._has_begun = self._is_complete = self._is_paused = self._may_stay = False
        self._head_bytes = self._waiting_bytes = 0
        self._parts: list[bytes] = []
        self._error: UpstreamError | None = None
        self._set_alarm()
        if not self.is_open:  # it was lost before anybody waited for it
            self.connection_lost(None)

    async def send(self, head: bytes, content: bytes) -> None:
        """Returns when all is on its way, or when the answer does not wait for it."""
        if len(content) <= WRITTEN_AT_ONCE_BYTES:
            self._transport.write(head + content)
        else:
            self._transport.write(head)
            for start in range(0, len(content), PIECE_BYTES):
                while self._is_full and not (self._has_begun or self._error):
                    await self._news()
                if self._has_begun or self._error:
                    return
                self._transport.write(content[start : start + PIECE_BYTES])
        self._is_sent = True

    async def wait_for_head(self) -> None:
        """Raises TimedOut or Garbled."""
        while not (self._has_begun or self._error):
            await self._news()
        if self._error:
            raise self._error

    async def read(self) -> bytes:
        """The bytes that came since, b"" at the end. Raises TimedOut or Garbled."""
        while not (self._parts or self._is_complete or self._error):
            await self._news()
        if self._error:
            raise self._error
        data = b"".join(self._parts)
        self._parts.clear()
        self._waiting_bytes = 0
        if self._is_paused:
            self._is_paused = False
            self._heard_at = self._loop.time()
            self._transport.resume_reading()
        return data

    def end(self) -> bool:
        """Nothing more is wanted of this answer. Whether another can be asked for; if not, the connection is closed."""
        self._is_asked = False
        self._parts = []
        is_over = self._is_sent and self._is_complete and not self._error
        if is_over and self.is_open and self._may_stay and self._waiter is None:
            return True
        self._error = Garbled(_BROKEN)  # for another task that still reads
        self._transport.abort()
        self._tell()
        return False

    def close(self) -> None:
        self._transport.abort()

    async def _news(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _tell(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: UpstreamError) -> None:
        """Let the reader hear why no more will come. What came whole stays whole."""
        if not (self._error or self._is_complete):
            self._error = error
        self._transport.abort()
        self._tell()

    def _set_alarm(self) -> None:
        """It is to ring when the next limit is reached if nothing comes. One that rings earlier is left as it is, and
        set again then: most answers are over by that time, and so cost no alarm."""
        at = self._limit_at()
        if self._alarm is None or self._alarm.when() > at:
            self._cancel_alarm()
            self._alarm = self._loop.call_at(at, self._ring)

    def _cancel_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _limit_at(self) -> float:
        return min(self._ends_by, self._heard_at + self._limits.idle_s) if self._has_begun else self._answers_by

    def _ring(self) -> None:
        self._alarm = None
        if not self._is_asked or self._is_complete or self._error:
            return
        limits, now = self._limits, self._loop.time()
        if self._is_paused:  # it is not the provider who is slow
            self._heard_at = now
        if now < self._limit_at():
            self._set_alarm()
        elif not self._has_begun:
            within_s = min(limits.first_byte_s, limits.total_s)
            self._fail(TimedOut(f"The provider did not answer within {within_s:g} s.", may_have_billed=True))
        elif now >= self._ends_by:
            self._fail(TimedOut(f"The provider took longer than {limits.total_s:g} s.", may_have_billed=True))
        else:
            self._fail(TimedOut(f"The provider fell silent for {limits.idle_s:g} s.", may_have_billed=True))

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._is_asked:  # it speaks although nothing was asked: an answer could not be told from that
            self._transport.abort()
            return
        had_begun = self._has_begun
        self._heard_at = self._loop.time()
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(Garbled(_NOT_HTTP))
            return
        if not self._is_complete:
            if not self._has_begun:
                if self._head_bytes > HEAD_BYTES:
                    self._fail(Garbled(_NOT_HTTP))
                return
            if not had_begun:
                self._set_alarm()
            elif self._waiting_bytes > READ_AHEAD_BYTES and not self._is_paused:
                self._is_paused = True
                self._transport.pause_reading()
        self._tell()

    def connection_lost(self, error: Exception | None) -> None:
        self._cancel_alarm()
        if not self._is_asked:
            return
        if not self._has_begun:
            self._fail(Garbled("The provider closed the connection without an answer."))
        elif error is None and self._lasts_as_long_as_the_connection():
            self.on_message_complete()
            self._tell()
        else:
            self._fail(Garbled(_BROKEN))

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._tell()

    def _lasts_as_long_as_the_connection(self) -> bool:
        is_chunked = self.headers.get("transfer-encoding", "").lower().endswith("chunked")
        return not (is_chunked or "content-length" in self.headers)

    # What the parser finds

    def on_message_begin(self) -> None:
        if self._is_complete:
            raise ValueError("two answers to one request")
        self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_begun:  # or it would be a trailer
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._has_begun = self.status >= 200

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)
        self._waiting_bytes += len(data)

    def on_message_complete(self) -> None:
        if self._has_begun:
            self._is_complete = True
            self._may_stay = self._parser.should_keep_alive()
        else:  # only a word that the answer is to come
            self._head_bytes = 0
