"""Talks to a provider's chat endpoint. Knows HTTP, JSON and the shape of a chunk; knows no Django, no team, no money."""

from collections.abc import AsyncIterator
from typing import Any

from upstream.client import DEFAULT, Endpoint, Limits


class ChatStream(AsyncIterator[dict[str, Any]]):
    """A provider's reply, chunk by chunk. Whoever holds it must `aclose()` it."""

    upstream_request_id: str | None

    async def __anext__(self) -> dict[str, Any]:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


async def open_stream(
    endpoint: Endpoint, body: dict[str, Any], *, request_id: str, limits: Limits = DEFAULT
) -> ChatStream:
    raise NotImplementedError


async def complete(
    endpoint: Endpoint, body: dict[str, Any], *, request_id: str, limits: Limits = DEFAULT
) -> tuple[dict[str, Any], str | None]:
    raise NotImplementedError
