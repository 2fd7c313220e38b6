"""The one path from a caller to a chat provider and back, for the API and the playground alike.

Open, then iterate: whatever can be refused is refused before a response exists. After the first byte a failure is
raised from the iteration, and what was delivered counts. Knows no HTTP of ours; what went wrong at a provider becomes
our own refusal in `_refusal`.
"""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from accounts import vault
from accounts.asgi import in_database
from accounts.callers import Caller
from accounts.models import Membership, Provider
from accounts.refusals import Forbidden, ProviderInterrupted, Refusal
from catalog import offers
from chat.requests import ChatRequest
from upstream import chat
from upstream.client import Endpoint
from upstream.errors import UpstreamError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Way:
    """One offer that may be tried: the provider, the model's id there, and its endpoint or why there is none."""

    provider: Provider
    upstream_id: str
    endpoint: Endpoint | Refusal


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that may be made, and the ways to make it in the order they are tried. Nothing was sent yet."""

    caller: Caller
    request: ChatRequest
    ways: list[Way]

    async def open(self, *, request_id: str) -> "Completion":
        """Connect, and wait for a provider's first event. Raises every refusal there is."""
        raise NotImplementedError

    async def complete(self, *, request_id: str) -> tuple[dict[str, Any], str]:
        """The whole reply as the provider gave it, with the model's id as it was asked for; and the provider's name."""
        raise NotImplementedError


def plan(caller: Caller, request: ChatRequest) -> Plan:
    """Everything that needs the database, so that a door can do it in one hop. Raises Forbidden, NotFound."""
    raise NotImplementedError


async def open(caller: Caller, request: ChatRequest, *, request_id: str) -> "Completion":
    """A stream whose first event has been received. Every refusal is raised here."""
    ready = await in_database(plan, caller, request)
    return await ready.open(request_id=request_id)


async def complete(caller: Caller, request: ChatRequest, *, request_id: str) -> tuple[dict[str, Any], str]:
    """The whole reply at once, and the name of the provider that gave it."""
    ready = await in_database(plan, caller, request)
    return await ready.complete(request_id=request_id)


class Completion:
    """An open stream. Iterating yields the provider's chunks under the model id that was asked for.

    No chunk carries `error`. `usage` comes in a chunk of its own, the last, and only to those who asked; whoever
    holds the completion reads it from the attribute. Raises ProviderInterrupted when the provider breaks off.
    """

    request_id: str
    model_id: str
    provider_name: str
    usage: dict[str, Any] | None

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Stop the provider if it is still writing. May be called again."""
        raise NotImplementedError
