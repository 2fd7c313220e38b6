"""Calls to providers: where to, with which key, and what counts as an answer. Knows HTTP; knows no Django, no team, no
money, no chat. `pool.py` and `connection.py` carry the bytes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from weakref import WeakKeyDictionary

import httpx

from upstream import connection, egress
from upstream.answers import refusal
from upstream.connection import HIGHEST_PORT, Address, Limits, port_of
from upstream.errors import Garbled, Redirected, Unreachable, UpstreamError, provider_words
from upstream.pool import Answer, Pool

__all__ = ["DEFAULT", "HOPS_HEADER", "USER_AGENT", "Answer", "Endpoint", "Limits", "close", "hops", "send"]

USER_AGENT = "emma18/0.1.0"
REFUSAL_BYTES = 64 << 10
REFUSAL_S = 5.0
LOCATION_CAP = 150

# How many EMMA18s the request at hand has passed, which the next one is told: a provider may lead back to ourselves.
HOPS_HEADER = "x-emma18-hops"
hops: ContextVar[int] = ContextVar("hops", default=0)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to call and with which credential. `base_url` ends in /v1 or the like, without a slash."""

    base_url: str
    api_key: str = field(repr=False)
    is_local: bool = False  # the built-in provider: exempt from the egress guard, confined to loopback


DEFAULT = Limits()


async def send(
    endpoint: Endpoint,
    method: str,
    path: str,
    *,
    request_id: str,
    limits: Limits,
    content: bytes = b"",
    pool: Pool | None = None,
) -> Answer:
    """A 2xx answer, its body still to be read. Whoever gets it must close it. Raises `UpstreamError`."""
    headers = {
        "accept": "*/*",
        "accept-encoding": "identity",
        "authorization": f"Bearer {_sendable(endpoint.api_key)}",
        "user-agent": USER_AGENT,
        HOPS_HEADER: str(hops.get() + 1),
        "x-request-id": request_id,
    }
    if content:
        headers["content-type"] = "application/json"
    address = _address(endpoint.base_url + path)
    answer = await (pool or _kept_pool(endpoint)).ask(method, address, headers=headers, content=content, limits=limits)
    try:
        await _raise_unless_answered(answer, endpoint)
    except BaseException:  # a caller who leaves leaves no connection open
        answer.close()
        raise
    return answer


async def read_whole(answer: Answer, *, cap: int) -> bytes:
    """The whole body, or `Garbled` if it is longer than `cap` bytes."""
    body = bytearray()
    while data := await answer.read():
        body += data
        if len(body) > cap:
            raise Garbled(f"The provider's answer was too large: over {cap >> 20} MB.")
    return bytes(body)


def is_kind(answer: Answer, *content_types: str) -> bool:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower() in content_types


@asynccontextmanager
async def fleeting_pool(endpoint: Endpoint) -> AsyncIterator[Pool]:
    """Connections for one errand. Rare calls may come from short-lived event loops that nobody tidies up."""
    pool = _new_pool(is_local=endpoint.is_local)
    try:
        yield pool
    finally:
        pool.close()


async def close() -> None:
    """Close the running loop's kept connections. A later call opens new ones."""
    for pool in _kept.pop(asyncio.get_running_loop(), {}).values():
        pool.close()


_kept: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, Pool]] = WeakKeyDictionary()


def _kept_pool(endpoint: Endpoint) -> Pool:
    pools = _kept.setdefault(asyncio.get_running_loop(), {})
    kept = pools.get(endpoint.is_local)
    if kept is not None and kept.allowed is not egress.allowed:
        kept.close()  # its connections may lead where none is allowed to any more
        kept = None
    if kept is None:
        kept = pools[endpoint.is_local] = _new_pool(is_local=endpoint.is_local)
    return kept


def _new_pool(*, is_local: bool) -> Pool:
    if is_local:
        # llama.cpp closes after a stream without saying so, and a new connection on loopback costs nothing.
        return Pool(egress.loopback_socket, keeps_connections=False)
    return Pool(egress.guarded_socket, keeps_connections=True)


async def _raise_unless_answered(answer: Answer, endpoint: Endpoint) -> None:
    is_plain = answer.headers.get("content-encoding", "identity").lower() == "identity"
    if 300 <= answer.status < 400:
        raise Redirected(_location(answer, endpoint))
    if not 200 <= answer.status < 300:
        body = await _beginning(answer) if is_plain else b""
        raise refusal(answer.status, answer.headers, body, secret=endpoint.api_key)
    if not is_plain:
        raise Garbled("The provider compressed its answer although it was asked not to.")


def _location(answer: Answer, endpoint: Endpoint) -> str:
    """Where a redirect leads, without what may be secret in it: user, query and fragment."""
    try:
        there = answer.url.join(answer.headers.get("location", ""))
        is_address = there.scheme in ("http", "https") and there.host and port_of(there) <= HIGHEST_PORT
        if not is_address or there == answer.url:
            return ""
        plain = there.copy_with(userinfo=b"", query=None, fragment=None)
    except (httpx.InvalidURL, ValueError):
        return ""
    return provider_words(str(plain), secret=endpoint.api_key, cap=LOCATION_CAP)


async def _beginning(answer: Answer) -> bytes:
    """As much of a refusal as comes quickly. A refusal stays one when its body is late, broken or endless."""
    body = bytearray()
    with suppress(TimeoutError, UpstreamError):
        async with asyncio.timeout(REFUSAL_S):
            while len(body) < REFUSAL_BYTES and (data := await answer.read()):
                body += data
    return bytes(body)


def _sendable(api_key: str) -> str:
    if not (api_key.isascii() and api_key.isprintable()):
        raise Unreachable("The provider's key holds characters that cannot be sent. Enter it again.")
    return api_key


@lru_cache(maxsize=512)
def _address(text: str) -> Address:
    address = connection.address(text)
    if address.url.userinfo or address.url.query or address.url.fragment:
        raise Unreachable(
            "The provider's base URL cannot be called. It has the form https://host/v1, with no user, query or #."
        )
    return address
