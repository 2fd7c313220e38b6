"""What a completion comes to, from its hold to its receipt: its calls, what was delivered, what is charged, and the
lease that says it lives. Knows how a request ends, not how it is answered. Never a prompt, a reply or a key.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from accounts import vault
from accounts.asgi import in_database
from accounts.batches import group_commit
from accounts.callers import Caller
from accounts.models import Attempt, Hold, Receipt
from accounts.operations import Call, Close, Ending, Held, Renew, Switch
from accounts.receipts import refusal_facts
from accounts.refusals import Refusal, Unavailable
from catalog import routing
from catalog.breaker import Harm
from chat import charging, failures
from chat.charging import Tokens
from chat.fallback import Way
from chat.requests import ChatRequest
from upstream.errors import UpstreamError

logger = logging.getLogger(__name__)

RENEW_EVERY_S = 10.0
# After a stream's first chunk: the work for it would hold that chunk up, and many a stream is over before.
FIRST_RENEWAL_S = 0.05
LOOK_EVERY_S = 1.0
SETTLE_WITHIN_S = 60.0  # a database that is away is waited for; then the hold lapses and is reaped
SETTLE_AGAIN_S = 1.0
CLIENT_GONE = 499  # what a receipt says where no status was sent, as web servers' logs do

Outcome = Receipt.Outcome


class Record:
    """What one completion comes to: its calls, what was delivered, its log line and its money. It ends once, with the
    first outcome that is told. Never a prompt, a reply or a key."""

    def __init__(self, caller: Caller, request: ChatRequest, way: Way, held: Held) -> None:
        self.request_id = held.request_id
        self.provider_name = ""
        self.model_id = held.model_id
        self.asked_as = request.model
        self.attempts = 0
        self.upstream_request_id: str | None = None
        self.first_event_at: float | None = None
        self.output_bytes = 0
        self._caller = caller
        self._request = request
        self._held = held
        self._way = way
        self._calls: list[Call] = []
        self._began_at = self._ended_at = time.perf_counter()
        self._is_ending = self._is_over = False
        self._waiting: list[asyncio.Future[None]] = []  # for it to be over
        self._learning: list[Awaitable[None]] = []  # which it is not over before
        _leases.add(self)

    async def turn_to(self, way: Way, *, is_priced: bool) -> Refusal | None:
        """The way that is tried from now on. What is held goes with it to another model, unless a budget of that model
        leaves too little or its price is not known, as `is_priced` says: then its refusal is returned, and nothing has
        changed."""
        if way.model_id != self.model_id:
            try:
                await group_commit.submit(Switch(self._caller, self._held, way.model_id, is_priced))
            except Refusal as refusal:
                return refusal
        self._way = way
        self.model_id, self.asked_as, self.provider_name = way.model_id, way.asked_as, way.provider.name
        self.attempts += 1
        return None

    def note_failure(self, error: UpstreamError, failure: failures.Failure) -> None:
        """One provider's failure; the next may still answer. The provider's own words may quote the prompt."""
        code = failure.refusal.code
        self._calls.append(Call(self._way.provider, code[:40]))
        logger.warning("provider failed", extra=self._what() | {"kind": type(error).__name__, "code": code})

    def note_left(self) -> None:
        """The caller left while a provider was asked, which may have begun to work on it."""
        self._calls.append(Call(self._way.provider, Outcome.STOPPED.value))

    def answered(self) -> None:
        """The first byte of an answer came. What that says of its provider is written down beside it."""
        way = self._way
        if way.provider.last_error or way.health.key.cause or way.health.offer.cause:
            self._learning.append(asyncio.create_task(_learn_of_answer(way)))

    def deliver(self, output_bytes: int) -> None:
        """Count a part of a stream that goes out. Soon after the first, a process that dies leaves something to
        charge."""
        if not self.output_bytes:
            _leases.renew_soon(self)
        self.output_bytes += output_bytes

    def delivered_nanousd(self) -> int:
        """What is due if nothing more comes."""
        if self.first_event_at is None:
            return 0
        return charging.cost(self._way.price, charging.delivered(self._request, self.output_bytes))

    async def end(
        self,
        outcome: Outcome,
        *,
        usage: object = None,
        refusal: Refusal | None = None,
        harm: Harm | None = None,
        is_delivered: bool = True,
    ) -> None:
        """Settle at what the provider counted, else at what was delivered; release where nothing was.

        Returns when that is committed. A database that is away keeps nobody waiting: it is tried again in the
        background, and at last left to the reaper.
        """
        if not self._is_ending:
            closing = self._closing(outcome, usage, refusal, is_delivered)
            self._is_ending = True
            _leases.discard(self)
            group_commit.hand_over(closing, partial(self._closed, closing, harm))
        if not self._is_over:
            over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(over)
            await over

    def _closing(self, outcome: Outcome, usage: object, refusal: Refusal | None, is_delivered: bool) -> Close:
        tokens, is_reported = self._due(outcome, usage) if is_delivered else (None, False)
        if tokens:
            self._calls.append(self._answered(outcome, tokens, is_reported=is_reported))
        self._ended_at = time.perf_counter()
        return Close(
            self._held,
            Hold.State.SETTLED if tokens else Hold.State.RELEASED,
            self._calls,
            Ending(
                outcome,
                status=_status(outcome, refusal, is_delivered),
                code=refusal.code if refusal else "",
                tokens_in=tokens.prompt if tokens else None,
                tokens_out=tokens.completion if tokens else None,
                price=self._way.price.as_json() if self._way.price else {},
                first_token_ms=int(self._ms(self.first_event_at)) if self.first_event_at else None,
                total_ms=int(self._ms(self._ended_at)),
                refusal=refusal_facts(refusal) if refusal else None,
            ),
        )

    def _due(self, outcome: Outcome, usage: object) -> tuple[Tokens, bool]:
        """The tokens to charge, and whether the provider counted them. Of a stream that was not read to its end more
        may have come since it counted."""
        counted, came = charging.reported(usage), charging.delivered(self._request, self.output_bytes)
        if counted is None:
            return came, False
        if outcome is Outcome.DONE or came.completion <= counted.completion:
            return counted, True
        return replace(counted, completion=came.completion), False

    def _answered(self, outcome: Outcome, tokens: Tokens, *, is_reported: bool) -> Call:
        return Call(
            self._way.provider,
            outcome.value,
            basis=Attempt.Basis.REPORTED if is_reported else Attempt.Basis.ESTIMATED,
            cost_nanousd=charging.cost(self._way.price, tokens),
            usage={
                "prompt_tokens": tokens.prompt,
                "completion_tokens": tokens.completion,
                "cached_tokens": tokens.cached,
            },
            upstream_request_id=self.upstream_request_id or "",
        )

    def _closed(self, closing: Close, harm: Harm | None, outcome: int | Exception) -> None:
        if isinstance(outcome, Unavailable):
            _keep_task(asyncio.create_task(_settle_later(closing)))
        elif isinstance(outcome, Exception):  # the caller has the answer; the reaper closes what is left open
            logger.error("settlement failed", exc_info=outcome, extra={"request_id": self.request_id})
        if harm:
            self._learning.append(routing.failed(self._way.health, harm))
        elif closing.state == Hold.State.SETTLED and (finished := routing.finished(self._way.health)):
            self._learning.append(finished)
        if self._learning:
            _keep_task(asyncio.create_task(self._over_when_learned()))
        else:
            self._over()
        asyncio.get_running_loop().call_soon(self._log, closing.ending)  # whoever waits for the answer has it first

    async def _over_when_learned(self) -> None:
        try:
            for learning in self._learning:
                await learning
        finally:
            self._over()

    def _over(self) -> None:
        self._is_over = True
        for over in self._waiting:
            if not over.done():
                over.set_result(None)

    def _log(self, ending: Ending | None) -> None:
        assert ending
        logger.info(
            "completion %s",
            ending.outcome.value,
            extra=self._what()
            | {
                "upstream_request_id": self.upstream_request_id,
                "ms": self._ms(self._ended_at),
                "first_event_ms": self._ms(self.first_event_at) if self.first_event_at else None,
                "tokens_in": ending.tokens_in,
                "tokens_out": ending.tokens_out,
            },
        )

    def _what(self) -> dict[str, object]:
        caller = self._caller
        return {
            "team": caller.team.public_id,
            "key": caller.access_key.public_id if caller.access_key else None,
            "model": self.model_id,
            "provider": self.provider_name,
            "stream": self._request.stream,
        }

    def _ms(self, moment: float) -> float:
        return round((moment - self._began_at) * 1000, 1)

    def renewal(self) -> Renew:
        return Renew(self._held, self.delivered_nanousd())


def _status(outcome: Outcome, refusal: Refusal | None, is_delivered: bool) -> int:
    if is_delivered:
        return 200
    return refusal.status if refusal else CLIENT_GONE


async def _learn_of_answer(way: Way) -> None:
    if learned := routing.answered(way.health):
        await learned
    if way.provider.last_error:
        with suppress(Unavailable):
            await in_database(vault.note_success, way.provider)


_background: set[asyncio.Task[None]] = set()


def _keep_task(task: asyncio.Task[None]) -> None:
    _background.add(task)
    task.add_done_callback(_background.discard)


async def _settle_later(closing: Close) -> None:
    give_up_at = time.monotonic() + SETTLE_WITHIN_S
    while time.monotonic() < give_up_at:
        await asyncio.sleep(SETTLE_AGAIN_S)
        with suppress(Unavailable):
            await group_commit.submit(closing)
            return
    logger.error("settlement given up", extra={"request_id": closing.hold.request_id})


class _Leases:
    """Renews the holds of the requests that run in this process, each with what it would have to pay by now."""

    def __init__(self) -> None:
        self._records: dict[Record, float] = {}  # and when each is due
        self._renewing: asyncio.Task[None] | None = None

    def add(self, record: Record) -> None:
        self._records[record] = time.monotonic() + RENEW_EVERY_S
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew_due())

    def discard(self, record: Record) -> None:
        self._records.pop(record, None)

    def renew(self, record: Record) -> None:
        """Write down now what a record would have to pay; nobody waits for it."""
        self._records[record] = time.monotonic() + RENEW_EVERY_S
        renewing = group_commit.submit(record.renewal)
        renewing.add_done_callback(lambda done: done.cancelled() or done.exception())  # the next one may succeed

    def renew_soon(self, record: Record) -> None:
        """The same in a moment, if the request is not over by then."""
        asyncio.get_running_loop().call_later(FIRST_RENEWAL_S, self._renew_open, record)

    def _renew_open(self, record: Record) -> None:
        if record in self._records:
            self.renew(record)

    async def _renew_due(self) -> None:
        while self._records:
            await asyncio.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            for record in [record for record, due in self._records.items() if due <= now]:
                self.renew(record)


_leases = _Leases()
