"""Group commit: operations on money that wait at the same time become one transaction on one database thread.

A commit waits for the disk, which costs more than all that is written before it; alone, each request would pay for two.
On SQLite a request goes on with its hold while the disk is still written; what it was charged is on the disk when it
hears of it (docs/decisions/0010). An operation that comes while nothing runs starts at once, those that come while a
group runs are the next group; nobody waits for others to come unless many do anyway. What an operation needs to read
first is read in the same trip to the database, before the transaction begins.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from accounts import ledger
from accounts.asgi import with_connection
from accounts.operations import Operation
from accounts.refusals import Refusal, database_away
from accounts.shared_reads import shared
from accounts.statements import commit_before_disk, on_disk

logger = logging.getLogger(__name__)

MOST_PER_GROUP = 256  # so that the first of a long queue do not wait for the last
# A group costs as much by itself as many operations do. Where so many came together, a moment's wait makes the next
# one larger, which leaves more time for all: what a request waits in a queue becomes less by it. How long a moment is
# depends on the machine, so it is a part of what the group took; unless that had to wait for a lock.
BUSY_GROUP = 8
GATHERING = 0.1
GATHER_WITHIN_S = 0.005
ON_DISK_WITHIN_S = 0.05  # what nobody waits for

# Always the same thread: SQLite forgets the pages it has read whenever another connection has written.
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="money")

type Read = Callable[[], Operation]


@dataclass(slots=True, eq=False)
class _Waiting:
    operation: Operation | Read
    context: contextvars.Context
    done: asyncio.Future[Any] | None = None  # of whoever may leave before the group begins
    then: Callable[[Any], object] | None = None  # told where nobody waits for the future any more

    @property
    def is_left(self) -> bool:
        return self.done is not None and self.done.done()

    def tell(self, outcome: Any) -> None:
        if self.done is None or self.done.done():
            if self.then:
                try:
                    self.context.run(self.then, outcome)
                except Exception:  # the others of the group must hear of theirs
                    logger.exception("what became of it was not heard")
        elif isinstance(outcome, Refusal):
            # Where it was found is of no interest, and from there the whole group can be reached, with all its bodies.
            self.done.set_exception(outcome.with_traceback(None))
        elif isinstance(outcome, Exception):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)

    def drop(self) -> None:
        """The event loop ends: what became of it nobody will know here. Its context may still be in use."""
        if self.done is not None:
            self.done.cancel()
        elif self.then:
            self.then(RuntimeError("The event loop has ended."))


class Batches:
    """The operations of one event loop. Make one for a process."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._runner: asyncio.Task[None] | None = None
        self._writing: asyncio.TimerHandle | None = None

    def submit(
        self, operation: Operation | Read, *, if_left: Callable[[Any], object] | None = None
    ) -> asyncio.Future[Any]:
        """Do an operation with the next group, or what `operation()` reads is to be done; it runs on that thread.

        The future gives what the ledger gave once it is committed, or raises what was refused or went wrong, with its
        own changes undone and nobody else's. Raises Unavailable when the database is away: then nothing of it is
        committed, or its confirmation was lost, so do what is repeatable. Whoever is no longer interested cancels the
        future; what was begun is done all the same, and `if_left` is told what came of it, an exception too.
        """
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._add(operation, done, if_left)
        return done

    def hand_over(self, operation: Operation | Read, then: Callable[[Any], object]) -> None:
        """Do it whoever leaves, and call `then` with what came of it: what the future above would give or raise.

        Called at once and not by the event loop, which would take a turn for each: it must not wait.
        """
        self._add(operation, None, then)

    def _add(
        self, operation: Operation | Read, done: asyncio.Future[Any] | None, then: Callable[[Any], object] | None
    ) -> None:
        # In the caller's own context, whose request id is written down with what is done.
        self._waiting.append(_Waiting(operation, contextvars.copy_context(), done, then))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run_groups())

    async def drained(self) -> None:
        """Wait until every operation is committed or has failed. For shutdown."""
        while self._runner is not None:
            await asyncio.wait((self._runner,))

    async def _run_groups(self) -> None:
        now = asyncio.get_running_loop().time
        try:
            while self._waiting:
                began_at = now()
                group, self._waiting = self._waiting[:MOST_PER_GROUP], self._waiting[MOST_PER_GROUP:]
                await self._run_group([each for each in group if not each.is_left])
                if len(group) >= BUSY_GROUP and self._waiting:
                    await asyncio.sleep(min((now() - began_at) * GATHERING, GATHER_WITHIN_S))
        finally:
            self._runner = None
            for each in self._waiting:  # only if the event loop ends
                each.drop()
            self._waiting = []

    def _write(self) -> None:
        self._writing = None
        _thread.submit(_is_on_disk)

    async def _run_group(self, group: list[_Waiting]) -> None:
        if not group:
            return
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()

        def told(outcomes: _Told, *, is_last: bool, is_on_disk: bool) -> None:
            if over.done():  # the event loop ends
                return
            for each, outcome in outcomes:
                each.tell(outcome)
            if is_last:
                over.set_result(None)
                if is_on_disk and self._writing is not None:  # and with this all that came before
                    self._writing.cancel()
                    self._writing = None
                elif not is_on_disk and self._writing is None:
                    self._writing = loop.call_later(ON_DISK_WITHIN_S, self._write)

        def tell(outcomes: _Told, *, is_last: bool, is_on_disk: bool) -> None:
            loop.call_soon_threadsafe(partial(told, outcomes, is_last=is_last, is_on_disk=is_on_disk))

        _thread.submit(_do, group, tell)
        try:
            await over
        except asyncio.CancelledError:
            for each in group:
                each.drop()
            raise


type _Told = list[tuple[_Waiting, Any]]


def _do(group: list[_Waiting], tell: Callable[..., object]) -> None:
    """Do a group, and tell what each gave or raised: of money that moved when that is on the disk."""
    outcomes: list[Any]
    try:
        outcomes = with_connection(partial(_outcomes, group))
    except Exception as error:  # one of the doors for errors: each of those who wait is told
        outcomes = [error] * len(group)
    soon: _Told = []
    moved: _Told = []
    for told in zip(group, outcomes, strict=True):
        # A hold moves none: of one that a loss of power takes nothing was charged, and nothing would have been.
        (moved if isinstance(told[1], int) else soon).append(told)
    if soon:
        tell(soon, is_last=not moved, is_on_disk=False)
    if moved:
        is_on_disk = _is_on_disk()
        if not is_on_disk:
            moved = [(each, database_away()) for each, _ in moved]
        tell(moved, is_last=True, is_on_disk=is_on_disk)


def _is_on_disk() -> bool:
    """Whether all that was committed is, once that was waited for."""
    try:
        on_disk()
    except OSError:
        logger.exception("database away")
        return False
    return True


def _outcomes(group: list[_Waiting]) -> list[Any]:
    commit_before_disk()
    outcomes: list[Any] = [each.operation for each in group]
    reading = [index for index, operation in enumerate(outcomes) if callable(operation)]
    if reading:
        with shared():
            for index in reading:
                outcomes[index] = group[index].context.run(_read, outcomes[index])
    ready = [index for index, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)]
    for index, outcome in zip(ready, _commit([outcomes[index] for index in ready]), strict=True):
        outcomes[index] = outcome
    return outcomes


def _read(read: Read) -> Operation | Exception:
    try:
        return read()
    except (OperationalError, InterfaceError):  # the database itself: there is nothing to go on with
        raise
    except Exception as error:  # that of one request: the others of the group get their answers
        return error


def _commit(operations: list[Operation]) -> list[Any]:
    if not operations:
        return []
    try:
        with transaction.atomic():
            return ledger.apply(operations)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # whose it is shows when each is done alone
        if len(operations) == 1:
            return [error]
        logger.exception("group undone, each is done alone")
        return [_commit([operation])[0] for operation in operations]


group_commit = Batches()
