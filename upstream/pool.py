"""Connections that are kept from one request to the next, as many as are allowed, opened by the egress guard's rules.
`connection.py` carries what goes over one of them. Knows no team, no money, no provider's key.
"""

import asyncio
import socket
import ssl
import traceback
from collections.abc import Callable, Mapping
from functools import cache

import aiohappyeyeballs
import certifi

from upstream import egress
from upstream.connection import Address, Connection, Limits
from upstream.errors import AddressBlocked, TimedOut, Unreachable

MAX_CONNECTIONS = 2000
# Shorter than the idle time of most servers (nginx 75 s, many gateways 60 s): a request that meets a connection
# just being closed is lost.
KEPT_IDLE_S = 15.0
NEXT_ADDRESS_AFTER_S = 0.25


class Answer:
    """An answer whose head has come. Whoever has it must `close()` it."""

    def __init__(
        self, connection: Connection, address: Address, give_back: Callable[[Connection, Address], None]
    ) -> None:
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers  # by names in lower case
        self.url = address.url
        self._address = address
        self._connection: Connection | None = connection
        self._give_back = give_back

    async def read(self) -> bytes:
        """The bytes of the body that came since, b"" at the end. Raises TimedOut or Garbled."""
        return await self._connection.read() if self._connection else b""

    def close(self) -> None:
        """Close the connection at once, unless the answer came to its end: then keep it. May be called again."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._give_back(connection, self._address)


class Pool:
    """Connections of one event loop, opened under one set of the egress guard's rules."""

    def __init__(self, make_socket: Callable[[egress.AddressInfo], socket.socket], *, keeps_connections: bool) -> None:
        self.allowed = egress.allowed
        self._make_socket = make_socket
        self._keeps_connections = keeps_connections
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)
        self._idle: dict[tuple[str, int, bool], list[Connection]] = {}
        self._asked: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def ask(
        self, method: str, address: Address, *, headers: Mapping[str, str], content: bytes, limits: Limits
    ) -> Answer:
        """The answer, its head received. Raises UpstreamError."""
        started = self._loop.time()
        head = _head(method, address, headers, content)
        connection = await self._connection(address, limits)
        try:
            connection.begin(limits, started=started)
            await connection.send(head, content)
            await connection.wait_for_head()
        except BaseException:
            self._give_back(connection, address)
            raise
        return Answer(connection, address, self._give_back)

    def close(self) -> None:
        self._is_closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in [*self._asked, *(each for idle in self._idle.values() for each in idle)]:
            connection.close()
        self._idle.clear()

    async def _connection(self, address: Address, limits: Limits) -> Connection:
        if not self._places.locked() and (kept := self._kept(address)):
            await self._places.acquire()
        else:
            kept = await self._in_time(address, limits)
        self._asked.add(kept)
        return kept

    async def _in_time(self, address: Address, limits: Limits) -> Connection:
        within_s = min(limits.connect_s, limits.first_byte_s, limits.total_s)
        try:
            async with asyncio.timeout(within_s):
                await self._places.acquire()
                try:
                    return self._kept(address) or await self._opened(address)
                except BaseException:
                    self._places.release()
                    raise
        except TimeoutError:
            reason = f"No connection to {address.url.host} came about within {within_s:g} s."
            raise TimedOut(reason, may_have_billed=False) from None

    def _kept(self, address: Address) -> Connection | None:
        idle = self._idle.get(address.origin, [])
        oldest = self._loop.time() - KEPT_IDLE_S
        while idle:
            connection = idle.pop()
            if connection.is_open and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    def _give_back(self, connection: Connection, address: Address) -> None:
        self._places.release()
        self._asked.discard(connection)
        if not connection.end():
            return
        if not self._keeps_connections or self._is_closed:
            connection.close()
            return
        connection.idle_since = self._loop.time()
        self._idle.setdefault(address.origin, []).append(connection)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(KEPT_IDLE_S, self._sweep)

    def _sweep(self) -> None:
        """Close what nobody has used for long."""
        oldest = self._loop.time() - KEPT_IDLE_S
        for origin, idle in list(self._idle.items()):
            for connection in idle:
                if connection.idle_since <= oldest:
                    connection.close()
            self._idle[origin] = [connection for connection in idle if connection.is_open]
            if not self._idle[origin]:
                del self._idle[origin]
        self._sweeping = self._loop.call_later(KEPT_IDLE_S, self._sweep) if self._idle else None

    async def _opened(self, address: Address) -> Connection:
        """Raises Unreachable. Without the cause: its text may quote what the other side sent."""
        host = address.url.host
        try:
            found = await self._loop.getaddrinfo(
                address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            )
        except OSError:
            raise Unreachable(f"The host {host} was not found.") from None
        except ValueError:
            raise Unreachable(f"The host {host} of the provider's base URL cannot be called.") from None
        try:
            connected = await aiohappyeyeballs.start_connection(
                found, happy_eyeballs_delay=NEXT_ADDRESS_AFTER_S, interleave=1, socket_factory=self._make_socket
            )
        except egress.Blocked as blocked:
            raise AddressBlocked(blocked.address) from None
        except OSError as error:
            # It stands in a circle with those of each address, from which the whole request can be reached.
            traceback.clear_frames(error.__traceback__)
            error.__traceback__ = None
            raise Unreachable(f"Nothing answers at {host}:{address.port}.") from None
        try:
            _, connection = await self._loop.create_connection(
                Connection,
                sock=connected,
                ssl=_tls() if address.is_secure else None,
                server_hostname=address.host if address.is_secure else None,
            )
        except BaseException as error:
            connected.close()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise _no_tls(error, host) from None
            raise
        return connection


def _no_tls(error: OSError, host: str) -> Unreachable:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(f"The TLS certificate of {host} was not accepted: {error.verify_message}.")
    return Unreachable(f"No TLS connection to {host} came about. Should its base URL begin with http?")


def _head(method: str, address: Address, headers: Mapping[str, str], content: bytes) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    if content:
        lines.append(f"content-length: {len(content)}\r\n")
    text = "".join(lines)
    if text.count("\r") + text.count("\n") != 2 * len(lines) or not text.isascii():
        raise ValueError("a header's value goes on in another line")
    return f"{method} {address.line}{text}\r\n".encode()


@cache
def _tls() -> ssl.SSLContext:
    """The machine's own authorities, and certifi's for machines that have none."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context
