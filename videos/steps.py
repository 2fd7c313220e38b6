"""One round with one provider: ask for what is under way, look for what was lost, send what is new.

Talks to the provider and brings what it says to `lifecycle.py`. Every task it was given is let go of at the end, by
whatever came of it; what this process does not live to let go of is free again when its lease runs out.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from asgiref.sync import sync_to_async
from django.utils import timezone

from accounts import vault
from accounts.models import Provider
from accounts.refusals import Refusal
from upstream.client import hops
from upstream.errors import Refused, TimedOut, Unreachable, UpstreamError
from upstream.video import MOST_LISTED, Task, VideoClient
from videos import failures, lanes, lifecycle, modes, offers, orders, pace, prices, uploads
from videos.failures import Verdict
from videos.models import TaskInput, VideoTask
from videos.reconciling import look, settle
from videos.sites import callback_url, client
from videos.specs import Spec

State = VideoTask.State

SENT_AT_ONCE = 4  # also the most whose outcome is unknown where a process dies
ASKED_AT_ONCE = 8  # fewer than the connections that are kept
NO_ROOM_S = 5
UNDER_WAY = (State.QUEUED, State.RUNNING)


async def in_database[R](work: Callable[..., R], *args: Any, **named: Any) -> R:
    """On the thread that the sweep was started from, with its connection."""
    return await sync_to_async(work, thread_sensitive=True)(*args, **named)


async def round_with(provider: Provider, tasks: Sequence[VideoTask]) -> None:
    try:
        here = await in_database(client, provider)
    except Refusal:  # the built-in renderer is not running, or the key cannot be opened: an admin sees that elsewhere
        await in_database(lifecycle.postpone, tasks, at=timezone.now() + timedelta(seconds=pace.FIRST_BACKOFF_S))
        return
    desk = Desk(provider, here)
    try:
        await asyncio.gather(
            desk.poll([task for task in tasks if task.state in UNDER_WAY]),
            desk.look_for([task for task in tasks if task.state == State.SUBMIT_UNKNOWN]),
            desk.send([task for task in tasks if task.state == State.SUBMITTING]),
        )
    finally:
        desk.close()


class Desk:
    """Where one provider is asked during a round. After a failure that is the provider's, nothing more is asked."""

    def __init__(self, provider: Provider, here: VideoClient) -> None:
        self.provider, self.here = provider, here
        self.is_ark = provider.kind == Provider.Kind.ARK
        self._is_closed = False
        # Threads of its own: a provider that is slow takes none from another.
        self._threads = ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="provider")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.here.close()

    async def ask[R](self, call: Callable[..., R], *args: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)

    # Asking

    async def poll(self, tasks: Sequence[VideoTask]) -> None:
        chunks = [list(chunk) for chunk in batched(tasks, MOST_LISTED)]
        await asyncio.gather(*map(self._poll_chunk, chunks))

    async def _poll_chunk(self, chunk: list[VideoTask]) -> None:
        if self._is_closed:
            await self._let_go(chunk)
            return
        ids = [task.upstream_id for task in chunk]
        try:
            found = await self.ask(self.here.list, ids)
        except UpstreamError as error:
            if not (isinstance(error, Refused) and error.status in (400, 404, 405, 501)):
                await self._close(error, chunk)
                return
            found = {}  # it cannot list: asked one by one
        await in_database(lanes.note_success, self.provider)
        seen = [(task, found[task.upstream_id]) for task in chunk if task.upstream_id in found]
        await in_database(lifecycle.record, seen)
        absent = [task for task in chunk if task.upstream_id not in found]
        await asyncio.gather(*map(self._get, absent))

    async def _get(self, task: VideoTask) -> None:
        if self._is_closed:
            await self._let_go([task])
            return
        try:
            report = await self.ask(self.here.get, task.upstream_id)
        except UpstreamError as error:
            if isinstance(error, Refused) and error.status == 404:
                await in_database(lifecycle.note_absent, task)
            elif isinstance(error, Refused) and error.status in (401, 402, 403, 429):
                await self._close(error, [task])
            else:
                at = pace.backoff(task.failures + 1, timezone.now())
                await in_database(lifecycle.postpone, [task], at=at, has_failed=True)
            return
        await in_database(lifecycle.record, [(task, report)])

    async def look_for(self, tasks: Sequence[VideoTask]) -> None:
        if not tasks:
            return
        try:
            listed = await self.ask(look, self.here, tasks)
            await in_database(settle, self.provider, tasks, listed)
        except UpstreamError as error:
            await self._close(error, tasks)

    async def _close(self, error: UpstreamError, tasks: Sequence[VideoTask]) -> None:
        self._is_closed = True
        at = await in_database(lanes.note_failure, self.provider, error)
        await in_database(lifecycle.postpone, tasks, at=at)

    async def _let_go(self, tasks: Sequence[VideoTask]) -> None:
        await in_database(lifecycle.postpone, tasks, at=timezone.now())  # the lane says how long they wait

    # Sending

    async def send(self, tasks: Sequence[VideoTask]) -> None:
        room = await in_database(lanes.room, self.provider) if tasks else None
        if room is not None and room < len(tasks):
            at = timezone.now() + timedelta(seconds=NO_ROOM_S)
            await in_database(lifecycle.postpone, tasks[room:], at=at)
            tasks = tasks[:room]
        for batch in batched(tasks, SENT_AT_ONCE):
            if self._is_closed:
                await self._let_go(batch)
                continue
            ready = await in_database(self._ready, batch)
            answers = await asyncio.gather(*(self._create(task, body) for task, body in ready))
            for (task, _), answer in zip(ready, answers, strict=True):
                await in_database(self._note, task, answer)

    def _ready(self, batch: Sequence[VideoTask]) -> list[tuple[VideoTask, dict[str, Any]]]:
        """Those that may be sent now, noted as being sent, with their bodies."""
        now = timezone.now()
        fit = []
        for task in batch:
            if task.sent_at is not None and self.is_ark:  # whoever was sending it died
                lifecycle.note_unknown(task, was_refused=False)
            elif now > task.created_at + timedelta(seconds=task.expires_after_s):
                self._end_late(task)
            else:
                fit.append(task)
        inputs: dict[int, dict[int, str]] = {}
        for each in TaskInput.objects.filter(task__in=[task for task in fit if task.spec["references"]]):
            inputs.setdefault(each.task_id, {})[each.number] = each.content
        for task in fit:
            if any(each["url"].startswith(uploads.SCHEME) for each in task.spec["references"]):
                inputs[task.pk] = inputs.get(task.pk, {}) | uploads.addresses(task, self.provider)
        return [
            (
                task,
                orders.body(task, self.provider.kind, inputs=inputs.get(task.pk, {}), callback_url=callback_url(task)),
            )
            for task in lifecycle.send_now(fit)
        ]

    def _end_late(self, task: VideoTask) -> None:
        if task.sent_at is None:
            sentence = f"{task.provider_name} could not be reached until the task ran out."
            report = Task(id="", status="expired", error_code="expired", error_words=sentence)
            lifecycle.record([(task, report)])
        else:  # an earlier try may have been taken
            lifecycle.note_unknown(task, was_refused=False)

    async def _create(self, task: VideoTask, body: dict[str, Any]) -> str | UpstreamError:
        try:
            return await self.ask(self._create_now, task, body)
        except UpstreamError as error:
            return error

    def _create_now(self, task: VideoTask, body: dict[str, Any]) -> str:
        hops.set(task.hops)  # of this thread, which makes one call at a time
        return self.here.create(body, idempotency_key=task.public_id)

    def _note(self, task: VideoTask, answer: str | UpstreamError) -> None:
        match answer:
            case str():
                lifecycle.note_accepted(task, answer)
            case Refused() if answer.status == 429:
                self._is_closed = True
                at = lanes.note_failure(self.provider, answer)
                self._try_another(task, Verdict(429, "provider_rate_limited", str(answer)), otherwise_at=at)
            case Refused() if answer.status < 500 and answer.status != 408:
                verdict = failures.judge(answer, provider=task.provider_name, model=task.model_id)
                if verdict.is_for_admins:
                    vault.note_failure(self.provider, verdict.sentence)
                self._refuse(task, verdict)
            case Unreachable():
                self._not_sent(task, answer)
            case TimedOut() if not answer.may_have_billed:
                self._not_sent(task, answer)
            case _ if self.is_ark:
                was_refused = isinstance(answer, Refused) and answer.code is not None
                lifecycle.note_unknown(task, was_refused=was_refused)
            case _:  # the same key may be sent again: it makes no second task
                at = pace.backoff(task.failures + 1, timezone.now())
                lifecycle.postpone([task], at=at, has_failed=True)

    def _not_sent(self, task: VideoTask, error: UpstreamError) -> None:
        self._is_closed = True
        at = lanes.note_failure(self.provider, error)
        self._try_another(task, Verdict(502, "provider_unavailable", str(error)), otherwise_at=at)

    def _try_another(self, task: VideoTask, verdict: Verdict, *, otherwise_at: datetime) -> None:
        way = _first_covered(task, self._untried(task))
        if way is not None:
            lifecycle.note_refused(task, verdict, next_way=way)
        else:
            lifecycle.resend(task, at=otherwise_at)

    def _refuse(self, task: VideoTask, verdict: Verdict) -> None:
        untried = self._untried(task) if verdict.may_try_next else []
        way = _first_covered(task, untried)
        if untried and way is None:
            name = untried[0].provider.name
            dearer = f"{name} was not asked: it may cost more than is held. Submit it again to hold enough."
            verdict = replace(verdict, sentence=f"{verdict.sentence} {dearer}")
        lifecycle.note_refused(task, verdict, next_way=way)

    def _untried(self, task: VideoTask) -> list[offers.Way]:
        tried = {each["provider"] for each in task.refusals} | {self.provider.pk}
        return [way for way in offers.ways(task.team, task.model_id) if way.provider.pk not in tried]


def _first_covered(task: VideoTask, ways: Sequence[offers.Way]) -> offers.Way | None:
    """The first that cannot cost more than is held: one that was connected or resumed since may."""
    spec = Spec.from_json(task.spec)
    tokens = modes.most_tokens(spec)
    return next((way for way in ways if prices.price(way, spec).of(tokens) <= task.estimated_nanousd), None)
