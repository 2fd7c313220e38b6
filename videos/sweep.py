"""The sweep: finds the tasks that are due, takes them by lease, and has a round with each provider they are at.

Tasks are claimed by whoever comes first; any number of sweeps may run at once, on any number of machines. A provider
that is slow keeps no other waiting. What a signal was lost for is found here, since a task is due until it has ended.
"""

import asyncio
import logging
import time
from collections.abc import Collection
from datetime import timedelta

from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import Provider
from videos import lanes, lifecycle, pace, steps, webhooks
from videos.models import VideoTask
from videos.steps import in_database

# A provider, and whether tasks are sent there: sending many takes a while, in which the others are asked for as ever.
type Errand = tuple[int, bool]

logger = logging.getLogger(__name__)

State = VideoTask.State

TICK_S = 2.0
CLAIMED_AT_ONCE = 500
LEASE = timedelta(seconds=15)  # who is slower is overtaken, which harms nobody
NEWS = (0, False)  # stands for the webhooks among the rounds
NO_PROVIDER = "Its provider was removed from the team while it ran. Look there what became of it."


def run(*, until: float | None = None) -> int:
    """Until that moment of time.monotonic(), or without one until nothing is due. Returns how many steps were done."""
    return async_to_sync(_run)(until)


def advance(task_id: int) -> int:
    """One step of one task, if it is due and free."""
    return async_to_sync(_once)(task_id)


async def _once(task_id: int) -> int:
    claimed = await in_database(claim, only=task_id)
    await asyncio.gather(*(_round(provider, tasks) for (provider, _), tasks in claimed))
    return sum(len(tasks) for _, tasks in claimed)


async def _run(until: float | None) -> int:
    rounds: dict[Errand, asyncio.Task[None]] = {}
    count = 0
    try:
        while True:
            began = time.monotonic()
            is_over = until is not None and began >= until
            found = 0
            if not is_over:
                claimed = await in_database(claim, busy=rounds.keys())
                for (provider, is_sending), tasks in claimed:
                    rounds[provider.pk, is_sending] = asyncio.create_task(_round(provider, tasks))
                    found += len(tasks)
                if NEWS not in rounds and (owed := await in_database(webhooks.claim)):
                    rounds[NEWS] = asyncio.create_task(webhooks.deliver(owed))
                    found += len(owed)
                count += found
            if not rounds and (is_over or (until is None and not found)):
                return count
            await _pause(rounds, began, is_hurried=until is None or found >= CLAIMED_AT_ONCE or is_over)
            rounds = {errand: work for errand, work in rounds.items() if not work.done()}
    finally:
        for work in rounds.values():
            work.cancel()


async def _pause(rounds: dict[Errand, asyncio.Task[None]], began: float, *, is_hurried: bool) -> None:
    """Until the next tick; where there is more to do than fits in one, only until a round is over."""
    rest = began + TICK_S - time.monotonic()
    if is_hurried and rounds:
        await asyncio.wait(rounds.values(), timeout=max(rest, 0.05), return_when=asyncio.FIRST_COMPLETED)
    elif rest > 0 and not is_hurried:
        await asyncio.sleep(rest)


async def _round(provider: Provider, tasks: list[VideoTask]) -> None:
    try:
        await steps.round_with(provider, tasks)
    except Exception:  # what breaks with one provider must not keep the others from their rounds
        logger.exception("round broke off", extra={"provider": provider.public_id})  # their leases run out


@transaction.atomic
def claim(
    *, busy: Collection[Errand] = (), only: int | None = None
) -> list[tuple[tuple[Provider, bool], list[VideoTask]]]:
    """Due tasks by errand, taken by lease: the longest due first, none of a provider that is not to be asked now."""
    now = timezone.now()
    due = VideoTask.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now), next_step_at__lte=now)
    due = due.exclude(provider_id__in=lanes.closed(now)).defer("prompt", "prompt_folded", "metadata", "spec")
    due = due.exclude(state=State.SUBMITTING, provider_id__in=[pk for pk, is_sending in busy if is_sending])
    due = due.exclude(~Q(state=State.SUBMITTING), provider_id__in=[pk for pk, is_sending in busy if not is_sending])
    if only is not None:
        due = due.filter(pk=only)
    if connection.features.has_select_for_update_skip_locked:
        due = due.select_for_update(skip_locked=True)
    tasks = list(due.order_by("next_step_at")[:CLAIMED_AT_ONCE])
    VideoTask.objects.filter(pk__in=[task.pk for task in tasks]).update(lease_until=now + LEASE)
    providers = Provider.objects.select_related("team").in_bulk(
        {task.provider_id for task in tasks if task.provider_id}
    )
    errands: dict[Errand, list[VideoTask]] = {}
    for task in tasks:
        task.provider = providers.get(task.provider_id or 0)
        if task.provider is None:
            lifecycle.flag(task, NO_PROVIDER)
            lifecycle.postpone([task], at=now + timedelta(seconds=pace.ATTENTION_S))
        else:
            errands.setdefault((task.provider.pk, task.state == State.SUBMITTING), []).append(task)
    return [((providers[pk], is_sending), group) for (pk, is_sending), group in errands.items()]
