"""Group commit: calls on the ledger that wait at the same time become one transaction on one database thread.

A commit waits for the disk, which costs more than all that is written before it; alone, each request would pay for two.
A call that comes while nothing runs starts at once, those that come while a group runs are the next group: nobody waits
for others to come. Knows nothing of what the calls do, only whose money they change.
"""

import asyncio
import contextvars
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from accounts.asgi import in_database
from accounts.statements import lock_money

MOST_PER_GROUP = 256  # so that the first of a long queue do not wait for the last


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    team_id: int
    work: Callable[[], Any]
    done: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a call raised. Never raised in the thread, where it would undo the rest of the group."""

    error: Exception


class Batches:
    """The calls of one event loop. Make one for a process."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._runner: asyncio.Task[None] | None = None

    async def run[**P, R](self, team_id: int, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function that changes a team's money in the next group's transaction; returns once it is committed.

        What the function raises is raised here, with its own changes undone and nobody else's. Raises Unavailable when
        the database is away: then nothing of it is committed, or its confirmation was lost, so do what is repeatable.
        Who is cancelled before the group began is not called; after that the call is made all the same.
        """
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        # In the caller's own context, whose request id is written down with what is done.
        work = partial(contextvars.copy_context().run, partial(function, *args, **kwargs))
        self._waiting.append(_Waiting(team_id, work, done))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run_groups())
        return await done

    async def drained(self) -> None:
        """Wait until every call that was made is committed or has failed. For shutdown."""
        while self._runner is not None:
            await asyncio.wait((self._runner,))

    async def _run_groups(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MOST_PER_GROUP], self._waiting[MOST_PER_GROUP:]
                await self._run_group([call for call in group if not call.done.done()])
        finally:
            self._runner = None
            for call in self._waiting:  # only if the event loop ends
                call.done.cancel()
            self._waiting = []

    async def _run_group(self, group: list[_Waiting]) -> None:
        outcomes: list[Any]
        try:
            outcomes = await in_database(_commit, [(call.team_id, call.work) for call in group])
        except Exception as error:  # one of the doors for errors: each of those who wait is told
            outcomes = [_Failed(error)] * len(group)
        for call, outcome in zip(group, outcomes, strict=True):
            if call.done.done():
                continue  # whoever waited has gone
            if isinstance(outcome, _Failed):
                call.done.set_exception(outcome.error)
            else:
                call.done.set_result(outcome)


def _commit(calls: list[tuple[int, Callable[[], Any]]]) -> list[Any]:
    """What each call returned, or _Failed, in their order."""
    if not calls:
        return []
    with transaction.atomic():
        lock_money(team_id for team_id, _ in calls)
        return [_outcome(work) for _, work in calls]


def _outcome(work: Callable[[], Any]) -> Any:
    try:
        with transaction.atomic():
            return work()
    except (OperationalError, InterfaceError):  # the database itself: there is nothing to go on with
        raise
    except Exception as error:
        return _Failed(error)


group_commit = Batches()
