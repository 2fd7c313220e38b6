"""The kept connections to providers. Knows HTTP and sockets; knows no Django, no team, no money, no chat.

httpx's own pool costs about 1 ms of CPU a request, so httpx is the vocabulary here (requests, responses,
the transport's interface) and aiohttp carries the bytes. One transport is kept for each event loop.
"""

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Self
from weakref import WeakKeyDictionary

import aiohttp
import certifi
import httpx
import yarl

from upstream import egress
from upstream.answers import refusal
from upstream.errors import AddressBlocked, Garbled, TimedOut, Unreachable, UpstreamError

USER_AGENT = "emma18/0.1.0"
MAX_CONNECTIONS = 2000
# Shorter than the idle time of most servers (nginx 75 s, many gateways 60 s): a request that meets a connection
# just being closed is lost.
KEPT_IDLE_S = 15.0
REFUSAL_BYTES = 64 << 10
REFUSAL_S = 5.0
WRITTEN_AT_ONCE_BYTES = 1 << 20
HIGHEST_PORT = 65535

# How many EMMA18s the request at hand has passed, which the next one is told: a provider may lead back to ourselves.
HOPS_HEADER = "x-emma18-hops"
hops: ContextVar[int] = ContextVar("hops", default=0)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to call and with which credential. `base_url` ends in /v1 or the like, without a slash."""

    base_url: str
    api_key: str = field(repr=False)
    is_local: bool = False  # the built-in provider: exempt from the egress guard, confined to loopback


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


DEFAULT = Limits()


class Body(httpx.AsyncByteStream):
    """An answer's bytes as they arrive. Reading raises `TimedOut` or `Garbled`."""

    def __init__(self, answer: aiohttp.ClientResponse, *, limits: Limits, deadline: float) -> None:
        self._answer = answer
        self._limits = limits
        self._is_late = False
        self._alarm = asyncio.get_running_loop().call_at(deadline, self._ring)
        if answer.connection is not None and (protocol := answer.connection.protocol) is not None:
            protocol.read_timeout = limits.idle_s
            protocol.start_timeout()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._answer.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise self._broken(error) from None
        if data:
            return data
        self._alarm.cancel()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close the connection at once, unless the answer was read to its end: then keep it."""
        self._alarm.cancel()
        self._answer.release() if self._answer.content.at_eof() else self._answer.close()

    def _ring(self) -> None:
        self._is_late = True
        self._answer.close()  # wakes the reader with an error

    def _broken(self, error: Exception) -> TimedOut | Garbled:
        self._alarm.cancel()
        if self._is_late:
            return _too_long(self._limits)
        if isinstance(error, TimeoutError):
            reason = f"The provider fell silent for {self._limits.idle_s:g} s."
            return TimedOut(reason, may_have_billed=True)
        return Garbled("The provider's connection broke before its answer was complete.")


class KeptTransport(httpx.AsyncBaseTransport):
    """Connections of one event loop. Raises upstream errors; follows no redirect and reads no proxy settings."""

    def __init__(self, make_socket: Callable[[egress.AddressInfo], socket.socket], *, keeps_connections: bool) -> None:
        connector = aiohttp.TCPConnector(
            ssl=_tls(),
            socket_factory=make_socket,
            limit=MAX_CONNECTIONS,
            keepalive_timeout=KEPT_IDLE_S if keeps_connections else None,
            force_close=not keeps_connections,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its head received. The request's `limits` extension says how long it may take."""
        limits: Limits = request.extensions["limits"]
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(limits.first_byte_s, limits.total_s)):
                answer = await self._session.request(
                    request.method,
                    _yarl(str(request.url)),
                    data=_payload(request),
                    headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(connect=limits.connect_s),
                )
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            # Without the cause: its text may quote what the provider sent, and its repr our headers.
            raise _no_answer(error, request.url, limits) from None
        body = Body(answer, limits=limits, deadline=started + limits.total_s)
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=body, request=request)

    async def aclose(self) -> None:
        await self._session.close()


async def send(
    endpoint: Endpoint,
    method: str,
    path: str,
    *,
    request_id: str,
    limits: Limits,
    content: bytes = b"",
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.Response:
    """A 2xx answer, its body still to be read. Whoever gets it must close it. Raises `UpstreamError`."""
    headers = {
        "accept-encoding": "identity",
        "authorization": f"Bearer {_sendable(endpoint.api_key)}",
        "user-agent": USER_AGENT,
        HOPS_HEADER: str(hops.get() + 1),
        "x-request-id": request_id,
    }
    if content:
        headers["content-type"] = "application/json"
    request = httpx.Request(
        method,
        _url(endpoint.base_url + path),
        headers=headers,
        stream=httpx.ByteStream(content),
        extensions={"limits": limits},
    )
    response = await (transport or _kept_transport(endpoint)).handle_async_request(request)
    try:
        await _raise_unless_answered(response, endpoint)
    except BaseException:
        await response.aclose()
        raise
    return response


async def read_whole(response: httpx.Response, *, cap: int) -> bytes:
    """The whole body, or `Garbled` if it is longer than `cap` bytes."""
    body = bytearray()
    async for data in incoming(response):
        body += data
        if len(body) > cap:
            raise Garbled(f"The provider's answer was too large: over {cap >> 20} MB.")
    return bytes(body)


def incoming(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body's bytes as they arrive."""
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return aiter(response.stream)


def is_kind(response: httpx.Response, *content_types: str) -> bool:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower() in content_types


@asynccontextmanager
async def fleeting_transport(endpoint: Endpoint) -> AsyncIterator[KeptTransport]:
    """Connections for one errand. Rare calls may come from short-lived event loops that nobody tidies up."""
    transport = _new_transport(is_local=endpoint.is_local)
    try:
        yield transport
    finally:
        await transport.aclose()


async def close() -> None:
    """Close the running loop's kept connections. A later call opens new ones."""
    for transport in _kept.pop(asyncio.get_running_loop(), {}).values():
        await transport.aclose()


_kept: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, KeptTransport]] = WeakKeyDictionary()


def _kept_transport(endpoint: Endpoint) -> KeptTransport:
    transports = _kept.setdefault(asyncio.get_running_loop(), {})
    if endpoint.is_local not in transports:
        transports[endpoint.is_local] = _new_transport(is_local=endpoint.is_local)
    return transports[endpoint.is_local]


def _new_transport(*, is_local: bool) -> KeptTransport:
    if is_local:
        # llama.cpp closes after a stream without saying so, and a new connection on loopback costs nothing.
        return KeptTransport(egress.loopback_socket, keeps_connections=False)
    return KeptTransport(egress.guarded_socket, keeps_connections=True)


async def _raise_unless_answered(response: httpx.Response, endpoint: Endpoint) -> None:
    if 300 <= response.status_code < 400:
        raise Garbled("The provider redirected; not followed.")
    if not 200 <= response.status_code < 300:
        body = await _beginning(response)
        raise refusal(response.status_code, response.headers, body, secret=endpoint.api_key)
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise Garbled("The provider compressed its answer although it was asked not to.")


async def _beginning(response: httpx.Response) -> bytes:
    """As much of a refusal as comes quickly. A refusal stays one when its body is late, broken or endless."""
    body = bytearray()
    with suppress(TimeoutError, UpstreamError):
        async with asyncio.timeout(REFUSAL_S):
            async for data in incoming(response):
                body += data
                if len(body) >= REFUSAL_BYTES:
                    break
    return bytes(body)


def _no_answer(error: Exception, url: httpx.URL, limits: Limits) -> Unreachable | TimedOut | Garbled:
    match error:
        case aiohttp.ClientConnectorError(os_error=egress.Blocked() as blocked):
            return AddressBlocked(blocked.address)
        case aiohttp.ClientConnectorDNSError():
            return Unreachable(f"The host {url.host} was not found.")
        case aiohttp.ClientConnectorCertificateError(certificate_error=why):
            words = getattr(why, "verify_message", "it does not match")
            return Unreachable(f"The TLS certificate of {url.host} was not accepted: {words}.")
        case aiohttp.ClientConnectorSSLError():
            return Unreachable(f"No TLS connection to {url.host} came about. Should its base URL begin with http?")
        case aiohttp.ConnectionTimeoutError():
            reason = f"No connection to {url.host} came about within {limits.connect_s:g} s."
            return TimedOut(reason, may_have_billed=False)
        case aiohttp.ClientConnectorError():
            return Unreachable(f"Nothing answers at {url.host}:{_port(url)}.")
        case TimeoutError():
            within_s = min(limits.first_byte_s, limits.total_s)
            return TimedOut(f"The provider did not answer within {within_s:g} s.", may_have_billed=True)
        case aiohttp.InvalidURL() | UnicodeError():
            return Unreachable(f"The host {url.host} of the provider's base URL cannot be called.")
        case aiohttp.ClientResponseError():
            return Garbled("The provider's answer was not HTTP.")
        case _:
            return Garbled("The provider closed the connection without an answer.")


def _too_long(limits: Limits) -> TimedOut:
    return TimedOut(f"The provider took longer than {limits.total_s:g} s.", may_have_billed=True)


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _sendable(api_key: str) -> str:
    if not (api_key.isascii() and api_key.isprintable()):
        raise Unreachable("The provider's key holds characters that cannot be sent. Enter it again.")
    return api_key


@lru_cache(maxsize=512)
def _url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise Unreachable("The provider's base URL is not a URL.") from None
    is_callable = url.scheme in ("http", "https") and url.host and _port(url) <= HIGHEST_PORT
    if not is_callable or url.userinfo or url.query or url.fragment:
        raise Unreachable(
            "The provider's base URL cannot be called. It has the form https://host/v1, with no user, query or #."
        )
    return url


@lru_cache(maxsize=512)
def _yarl(text: str) -> yarl.URL:
    return yarl.URL(text, encoded=True)


def _payload(request: httpx.Request) -> bytes | io.BytesIO | None:
    assert isinstance(request.stream, httpx.ByteStream)
    content = b"".join(request.stream)
    # aiohttp warns of large bytes, which it would write in one go; from a file it writes in pieces.
    return io.BytesIO(content) if len(content) > WRITTEN_AT_ONCE_BYTES else content or None


@cache
def _tls() -> ssl.SSLContext:
    """The machine's own authorities, and certifi's for machines that have none."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context
