"""The one path from a caller to a chat provider and back, for the API and the playground alike.

Open, then iterate: whatever can be refused is refused before a response exists. After the first byte a failure is
raised from the iteration, and what was delivered counts. Knows no HTTP of ours.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from accounts import vault
from accounts.asgi import in_database
from accounts.callers import Caller
from accounts.models import Membership, Provider
from accounts.refusals import Forbidden, Refusal, Unavailable
from catalog import offers
from chat import failures
from chat.requests import ChatRequest
from upstream import chat
from upstream.client import Endpoint
from upstream.errors import Interrupted, UpstreamError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Way:
    """One offer that may be tried: the provider, the model's id there, and where to call with which key."""

    provider: Provider
    upstream_id: str
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that may be made, and the ways to make it in the order they are tried. Nothing was sent yet."""

    caller: Caller
    request: ChatRequest
    ways: list[Way]

    async def open(self, *, request_id: str) -> "Completion":
        """A stream whose first event has been received."""
        report = _Report(self, request_id)
        options = {**(self.request.body.get("stream_options") or {}), "include_usage": True}
        body = {**self.request.body, "stream_options": options}
        stream = await self._first_answer(chat.open_stream, body, report)
        return Completion(self.request, stream, report)

    async def complete(self, *, request_id: str) -> tuple[dict[str, Any], str]:
        """The whole reply as the provider gave it, under the model id asked for; and the provider's name."""
        report = _Report(self, request_id)
        reply, report.upstream_request_id = await self._first_answer(chat.complete, self.request.body, report)
        reply.pop("error", None)  # null, or it would have been raised
        reply["model"] = self.request.model
        report.write("done", usage=reply.get("usage"))
        return reply, report.provider_name

    async def _first_answer[R](self, ask: Callable[..., Awaitable[R]], body: dict[str, Any], report: "_Report") -> R:
        """Ask one provider after the other until one answers. Raises the last one's refusal when none does."""
        refusal: Refusal | None = None
        for way in self.ways:
            report.provider_name = way.provider.name
            try:
                answer = await ask(way.endpoint, {**body, "model": way.upstream_id}, request_id=report.request_id)
            except UpstreamError as error:
                failure = failures.judge(error, provider=way.provider.name, model=self.request.model)
                refusal = failure.refusal
                report.write_failure(error, failure)
                if failure.is_for_admins:
                    await _tell_admins(way.provider, str(error))
                if not failure.may_try_next:
                    break
            except asyncio.CancelledError:
                report.write("cancelled")
                raise
            else:
                if way.provider.last_error:
                    with suppress(Unavailable):  # an answer is not lost for a note about it
                        await in_database(vault.note_success, way.provider)
                return answer
        assert refusal is not None, "a plan has at least one way"
        raise refusal


def plan(caller: Caller, request: ChatRequest) -> Plan:
    """All that needs the database, in one hop. Raises Forbidden to those who may not spend, NotFound for the model,
    Unavailable and ProviderUnavailable when no provider's key can be opened."""
    # 1 May this caller use this model, and through which offers?
    if not caller.has_role(Membership.Role.MEMBER):
        raise Forbidden("Viewers cannot call models. Ask an owner or admin of the team to make you a member.")
    candidates = offers.candidates(caller, request.model)
    # 2 In the order to try them, each with its provider's key opened. One that cannot be opened is passed over.
    ways: list[Way] = []
    for offer in candidates:
        try:
            ways.append(Way(offer.provider, offer.upstream_id, vault.endpoint(offer.provider)))
        except Refusal:
            if offer is candidates[-1] and not ways:
                raise
    return Plan(caller, request, ways)


async def open(caller: Caller, request: ChatRequest, *, request_id: str) -> "Completion":
    """A stream whose first event has been received. Every refusal is raised here."""
    ready = await in_database(plan, caller, request)
    return await ready.open(request_id=request_id)


async def complete(caller: Caller, request: ChatRequest, *, request_id: str) -> tuple[dict[str, Any], str]:
    """The whole reply at once, and the name of the provider that gave it. Every refusal is raised here."""
    ready = await in_database(plan, caller, request)
    return await ready.complete(request_id=request_id)


class Completion:
    """An open stream. Iterating yields the provider's chunks under the model id that was asked for.

    Usage comes last, in a chunk of its own, and only to those who asked; the attribute has it for everybody.
    Raises ProviderInterrupted when the provider breaks off. Whoever holds it must `aclose()` it.
    """

    def __init__(self, request: ChatRequest, stream: chat.ChatStream, report: "_Report") -> None:
        self.request_id = report.request_id
        self.model_id = request.model
        self.provider_name = report.provider_name
        self.usage: dict[str, Any] | None = None
        self._include_usage = request.include_usage
        self._usage_chunk: dict[str, Any] | None = None
        self._begun_choices: set[int] = set()
        # What every chunk has, should the provider leave it out.
        self._frame = {"id": report.request_id, "object": "chat.completion.chunk", "created": int(time.time())}
        self._stream = stream
        self._report = report
        report.upstream_request_id = stream.upstream_request_id
        report.first_event_at = time.perf_counter()

    def __aiter__(self) -> "Completion":
        return self

    async def __anext__(self) -> dict[str, Any]:
        while True:
            try:
                chunk = {**self._frame, **await anext(self._stream), "model": self.model_id}
            except StopAsyncIteration:
                return self._usage_at_the_end()
            except Interrupted as error:
                self._report.write("interrupted", usage=self.usage)
                raise failures.interruption(error, provider=self.provider_name) from None
            usage = chunk.pop("usage", None)
            if isinstance(usage, dict):
                self.usage, self._usage_chunk = usage, chunk
            if chunk.get("choices"):
                self._begin_choices(chunk["choices"])
                return chunk
            if self._include_usage and not usage:
                return chunk  # without choices, which only those who asked for usage are prepared for

    async def aclose(self) -> None:
        """Stop the provider if it is still writing. May be called again."""
        self._report.write("cancelled", usage=self.usage)
        await self._stream.aclose()

    def _begin_choices(self, choices: list[dict[str, Any]]) -> None:
        """Let the first delta of each choice have the role and content that clients build a message on."""
        for choice in choices:
            index = choice.get("index")
            if type(index) is int and index not in self._begun_choices:
                self._begun_choices.add(index)
                if isinstance(delta := choice.get("delta"), dict):
                    choice["delta"] = {"role": "assistant", "content": "", **delta}

    def _usage_at_the_end(self) -> dict[str, Any]:
        self._report.write("done", usage=self.usage)
        if not self._include_usage or self._usage_chunk is None:
            raise StopAsyncIteration
        chunk, self._usage_chunk = self._usage_chunk, None
        return {**chunk, "choices": [], "usage": self.usage}


@dataclass(slots=True)
class _Report:
    """The log line about one completion, written once, however it ends. Never a prompt, a reply or a key."""

    plan: Plan
    request_id: str
    provider_name: str = ""
    upstream_request_id: str | None = None
    began_at: float = field(default_factory=time.perf_counter)
    first_event_at: float | None = None
    is_written: bool = False

    def write(self, outcome: str, *, usage: object = None) -> None:
        """The first outcome told is the true one."""
        if self.is_written:
            return
        self.is_written = True
        tokens = usage if isinstance(usage, dict) else {}
        logger.info(
            "completion %s",
            outcome,
            extra=self._what()
            | {
                "upstream_request_id": self.upstream_request_id,
                "ms": self._ms(time.perf_counter()),
                "first_event_ms": self.first_event_at and self._ms(self.first_event_at),
                "tokens_in": tokens.get("prompt_tokens"),
                "tokens_out": tokens.get("completion_tokens"),
            },
        )

    def write_failure(self, error: UpstreamError, failure: failures.Failure) -> None:
        """One provider's failure; the next may still answer. The provider's own words may quote the prompt."""
        logger.warning(
            "provider failed", extra=self._what() | {"kind": type(error).__name__, "code": failure.refusal.code}
        )

    def _what(self) -> dict[str, object]:
        caller = self.plan.caller
        return {
            "team": caller.team.public_id,
            "key": caller.access_key.public_id if caller.access_key else None,
            "model": self.plan.request.model,
            "provider": self.provider_name,
            "stream": self.plan.request.stream,
        }

    def _ms(self, moment: float) -> float:
        return round((moment - self.began_at) * 1000, 1)


async def _tell_admins(provider: Provider, sentence: str) -> None:
    """Keep for the Providers page what only an admin can mend; once, not at every retry."""
    if provider.last_error != sentence[:500]:
        with suppress(Unavailable):
            await in_database(vault.note_failure, provider, sentence)
