"""The one path from a caller to a chat provider and back, for the API and the playground alike.

Admit, open, then iterate: whatever can be refused is refused before a response exists, and what the request can cost
at most is held before it is sent. After the first byte a failure is raised from the iteration, and what was delivered
is charged. However a request ends, its hold is closed once. Knows no HTTP of ours.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from accounts import vault
from accounts.asgi import in_database
from accounts.batches import group_commit
from accounts.callers import Caller
from accounts.models import Hold, Membership, Provider, Receipt
from accounts.operations import Close, Ending, Held, Keep, Operation, Refuse, RequestFacts
from accounts.refusals import Forbidden, Refusal, Unavailable
from accounts.shared_reads import once_a_group
from catalog import deprecations, offers
from catalog.deprecations import Deprecation
from catalog.models import Cause
from catalog.offers import Candidate
from catalog.prices import TokenPrice
from chat import charging, failures
from chat.charging import Bound
from chat.fallback import Turns, Way
from chat.records import CLIENT_GONE, Outcome, Record
from chat.requests import OUTPUT_CAPS, ChatRequest
from upstream import chat
from upstream.errors import Interrupted, Refused, UpstreamError

Door = Receipt.Door


@dataclass(slots=True)
class Plan:
    """A request that may be made, and the ways to make it by model, priority and health. Nothing is held yet."""

    caller: Caller
    request: ChatRequest
    model_id: str  # the model's own: it may have been asked for by an alias, which no limit goes by
    ways: list[Way]
    bound: Bound
    deprecation: Deprecation | None  # of the model that was asked for

    @property
    def prices(self) -> list[TokenPrice | None]:
        return [way.price for way in self.ways]


def plan(caller: Caller, request: ChatRequest) -> Plan:
    """All that is read from the database. Raises Forbidden to those who may not spend, NotFound for the model,
    BadRequest for what has no price, Unavailable and ProviderUnavailable when no provider's key can be opened."""
    # 1 May this caller use this model, and through which offers?
    if not caller.has_role(Membership.Role.MEMBER):
        raise Forbidden("Viewers cannot call models. Ask an owner or admin of the team to make you a member.")
    found = {request.model: _offered(caller, request.model)}
    found |= {name: _instead(caller, name) for name in request.fallbacks}
    # 2 What it can cost at most, whichever of them answers.
    bound = charging.dearest([_bound(request, candidates) for candidates, _ in found.values()])
    # 3 In the order to try them, each with its provider's key opened. One that cannot be opened is passed over.
    ways = [way for _, opened in found.values() for way in opened]
    if not ways:
        name, (candidates, _) = [*found.items()][-1]
        ways = [_way(candidates[-1], asked_as=name)]  # raises why not
    model = found[request.model][0][0].offer.model
    return Plan(caller, request, model.model_id, ways, bound, deprecations.of(model))


def _instead(caller: Caller, name: str) -> tuple[list[Candidate], list[Way]]:
    try:
        return _offered(caller, name)
    except Refusal as unknown:
        unknown.param = "models"
        raise


def _bound(request: ChatRequest, candidates: list[Candidate]) -> Bound:
    model = candidates[0].offer.model
    prices = [candidate.price for candidate in candidates]
    return charging.bound(request, prices, context=model.context_length, model_cap=model.output_cap)


@once_a_group
def _offered(caller: Caller, name: str) -> tuple[list[Candidate], list[Way]]:
    """The offers for a model, and the ways through those whose provider's key can be opened."""
    candidates = offers.candidates(caller, name)
    ways = []
    for candidate in candidates:
        with suppress(Refusal):
            ways.append(_way(candidate, asked_as=name))
    return candidates, ways


def _way(candidate: Candidate, *, asked_as: str) -> Way:
    offer = candidate.offer
    return Way(
        provider=offer.provider,
        model_id=offer.model.model_id,
        asked_as=asked_as,
        upstream_id=offer.upstream_id,
        endpoint=vault.endpoint(offer.provider, offer.upstream_id),
        price=candidate.price,
        output_limits=(offer.model.output_cap, offer.model.context_length),
        health=candidate.health,
    )


async def admit(
    caller: Caller | Callable[[], Caller], request: ChatRequest, *, request_id: str, door: Door, client: str = ""
) -> "Admission":
    """A request whose money is held. Every refusal of ours is raised here; a 402, 403 or 429 leaves a receipt.

    `caller` may be a function that finds out who it is; it runs in the same trip to the database as all the rest.
    """
    planned: list[Plan] = []

    def read() -> Operation:
        who = caller() if callable(caller) else caller
        facts = RequestFacts(door=door.value, client=client)
        try:
            ready = plan(who, request)
        except Forbidden as refusal:
            return Refuse(who, request_id, request.model, refusal, facts)
        planned.append(ready)
        prices = ready.prices
        first = prices[0]
        return Keep(
            who,
            request_id,
            ready.bound.amount_nanousd,
            ready.model_id,
            least_nanousd=ready.bound.least_nanousd,
            unpriced_id=next((way.model_id for way in ready.ways if way.price is None), ""),
            prompt_tokens=charging.prompt_estimate(request),
            request=RequestFacts(
                door=door.value,
                client=client,
                price=first.as_json() if first else {},
                prompt_tokens=ready.bound.prompt_tokens,
                output_tokens=(ready.request.output_cap or ready.bound.output_cap or 0) * request.choices,
            ),
        )

    keeping = group_commit.submit(read, if_left=_let_go)
    try:
        held = await keeping
    except asyncio.CancelledError:
        if not keeping.cancelled():  # it was held in the very moment
            _let_go(keeping.exception() or keeping.result())
        raise
    return Admission(planned[0], held)


def _let_go(kept: Held | BaseException) -> None:
    """The caller left while the money was being held."""
    if isinstance(kept, Held):
        group_commit.submit(Close(kept, Hold.State.RELEASED, (), Ending(Outcome.STOPPED, status=CLIENT_GONE)))


class Admission:
    """A request that may be sent: what it can cost is held. Whoever has it must open or complete it."""

    def __init__(self, plan: Plan, held: Held) -> None:
        self.request = plan.request
        self.deprecation = plan.deprecation
        self._chosen_cap = charging.affordable_cap(plan.request, plan.prices, plan.bound, held.amount_nanousd)
        self._lowered_cap: int | None = None
        self._ways = plan.ways
        self._unpriced_ids = {way.model_id for way in plan.ways if way.price is None}
        self._record = Record(plan.caller, plan.request, plan.ways[0], held)

    @property
    def provider_name(self) -> str:
        """Who answered, or was asked last."""
        return self._record.provider_name

    @property
    def max_tokens(self) -> int | None:
        """The cap on the output that was sent where it is not the caller's own."""
        return self._chosen_cap or self._lowered_cap

    @property
    def attempts(self) -> int:
        """How many calls it took so far."""
        return self._record.attempts

    async def open(self) -> "Completion":
        """A stream whose first event has been received."""
        options = {**(self.request.body.get("stream_options") or {}), "include_usage": True}
        stream = await self._first_answer(chat.open_stream, {**self.request.body, "stream_options": options})
        return Completion(self.request, stream, self._record)

    async def complete(self) -> dict[str, Any]:
        """The whole reply as the provider gave it, under our id of the model that answered."""
        record = self._record
        reply, record.upstream_request_id = await self._first_answer(chat.complete, self.request.body)
        try:
            reply.pop("error", None)  # null, or it would have been raised
            reply["model"] = record.asked_as
            record.output_bytes = charging.output_bytes(reply["choices"], "message")
        finally:  # it is paid for, whatever there is in it
            await record.end(Outcome.DONE, usage=reply.get("usage"))
        return reply

    async def _first_answer[R](self, ask: Callable[..., Awaitable[R]], body: dict[str, Any]) -> R:
        """Ask one provider after the other until one answers. Raises the last one's refusal when none does."""
        record = self._record
        turns = Turns(self._ways)
        try:
            while way := await turns.next():
                if refusal := await record.turn_to(way, is_priced=way.model_id not in self._unpriced_ids):
                    turns.pass_over(way, refusal)
                    await turns.release()
                    continue
                try:
                    answer = await ask(way.endpoint, self._body_for(way, body), request_id=record.request_id)
                except asyncio.CancelledError:
                    record.note_left()
                    raise
                except UpstreamError as error:
                    failure = failures.judge(error, provider=way.provider.name, model=way.asked_as)
                    record.note_failure(error, failure)
                    if again := await _with_the_key_before(way, error):
                        turns.again(again)
                        continue
                    if failure.is_for_admins:
                        await _tell_admins(way.provider, str(error))
                    await turns.failed(way, error, failure)
                else:  # nothing is waited for any more: who leaves now must have something to close
                    turns.answered()
                    record.answered()
                    return answer
        except BaseException:  # a cancelled request too must not keep its hold
            try:
                await turns.release()
            finally:  # and be it cancelled a second time meanwhile
                await record.end(Outcome.STOPPED, is_delivered=False)
            raise
        refusal = turns.refusal()
        await record.end(Outcome.FAILED, refusal=refusal, is_delivered=False)
        raise refusal

    def _body_for(self, way: Way, body: dict[str, Any]) -> dict[str, Any]:
        caps: dict[str, int] = {}
        if self._chosen_cap:
            caps = {_cap_name(way.endpoint.base_url): self._chosen_cap}
        elif way.price and charging.costs(way.price) and (asked := self.request.output_cap):
            # What this model was believed to write at most is what was held for. Another offer may let it write more.
            most = charging.capped(asked, *way.output_limits)
            caps = {name: most for name in OUTPUT_CAPS if (body.get(name) or 0) > most}
            self._lowered_cap = most if caps else None
        return {**body, **caps, "model": way.upstream_id}


@lru_cache(maxsize=512)
def _cap_name(base_url: str) -> str:
    """OpenAI's own reasoning models refuse the name that everybody else takes."""
    host = urlsplit(base_url).hostname or ""
    return "max_completion_tokens" if host.endswith((".openai.com", ".openai.azure.com")) else "max_tokens"


async def open(caller: Caller, request: ChatRequest, *, request_id: str, door: Door = Door.PLAYGROUND) -> "Completion":
    """A stream whose first event has been received. Every refusal is raised here."""
    return await (await admit(caller, request, request_id=request_id, door=door)).open()


class Completion:
    """An open stream. Iterating yields the provider's chunks under our id of the model that answers.

    Usage comes last, in a chunk of its own, and only to those who asked; the attribute has it for everybody.
    Raises ProviderInterrupted when the provider breaks off. Whoever holds it must `aclose()` it. What it costs is
    charged before the last chunk is given, or when it is closed.
    """

    def __init__(self, request: ChatRequest, stream: chat.ChatStream, record: Record) -> None:
        self.request_id = record.request_id
        self.model_id = record.asked_as
        self.provider_name = record.provider_name
        self.usage: dict[str, Any] | None = None
        self._include_usage = request.include_usage
        self._usage_chunk: dict[str, Any] | None = None
        self._begun_choices: set[int] = set()
        # What every chunk has, should the provider leave it out.
        self._frame = {"id": record.request_id, "object": "chat.completion.chunk", "created": int(time.time())}
        self._stream = stream
        self._record = record
        record.upstream_request_id = stream.upstream_request_id
        record.first_event_at = time.perf_counter()

    def __aiter__(self) -> "Completion":
        return self

    async def __anext__(self) -> dict[str, Any]:
        while True:
            try:
                chunk = {**self._frame, **await anext(self._stream), "model": self.model_id}
            except StopAsyncIteration:
                return await self._usage_at_the_end()
            except Interrupted as error:
                interruption = failures.interruption(error, provider=self.provider_name)
                harm = failures.harm(error, Cause.FAILING)
                await self._record.end(Outcome.INTERRUPTED, usage=self.usage, refusal=interruption, harm=harm)
                raise interruption from None
            usage = chunk.pop("usage", None)
            if isinstance(usage, dict) and (self.usage is None or charging.reported(usage)):
                self.usage, self._usage_chunk = usage, chunk
            if choices := chunk.get("choices"):
                self._begin_choices(choices)
                self._record.deliver(charging.output_bytes(choices, "delta"))
                return chunk
            if self._include_usage and not usage:
                return chunk  # without choices, which only those who asked for usage are prepared for

    async def aclose(self) -> None:
        """Stop the provider if it is still writing, and charge what came. May be called again."""
        try:
            await self._stream.aclose()
        finally:
            await self._record.end(Outcome.STOPPED, usage=self.usage)

    def _begin_choices(self, choices: list[dict[str, Any]]) -> None:
        """Let each choice have its index, and its first delta the role and content that clients build a message on."""
        for choice in choices:
            if (index := choice.get("index")) is None:
                index = choice["index"] = 0
            if type(index) is int and index not in self._begun_choices:
                self._begun_choices.add(index)
                if isinstance(delta := choice.get("delta"), dict):
                    role = delta.get("role") or "assistant"
                    choice["delta"] = {"content": "", **delta, "role": role}

    async def _usage_at_the_end(self) -> dict[str, Any]:
        await self._record.end(Outcome.DONE, usage=self.usage)
        if not self._include_usage or self._usage_chunk is None:
            raise StopAsyncIteration
        chunk, self._usage_chunk = self._usage_chunk, None
        return {**chunk, "choices": [], "usage": self.usage}


async def settled() -> None:
    """Wait until all that ended is charged. For shutdown."""
    await group_commit.drained()


async def _with_the_key_before(way: Way, error: UpstreamError) -> Way | None:
    """The same way with another key, where the provider's was rotated and the new one is refused."""
    if isinstance(error, Refused) and error.status == 401:
        with suppress(Refusal):
            another = await in_database(vault.fall_back, way.provider, refused=way.endpoint)
            return replace(way, endpoint=another) if another else None
    return None


async def _tell_admins(provider: Provider, sentence: str) -> None:
    """Keep for the Providers page what only an admin can mend; once, not at every retry."""
    if provider.last_error != sentence[:500]:
        with suppress(Unavailable):
            await in_database(vault.note_failure, provider, sentence)
