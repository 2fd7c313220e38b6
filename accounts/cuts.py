"""Cutting short what a task does: when its caller leaves, when a body stalls, when the server stops. Knows no route."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, Self

from accounts.refusals import Unavailable

type _Message = MutableMapping[str, Any]
type _Receive = Callable[[], Awaitable[_Message]]

TICK_S = 0.05


class ClientGone(Exception):
    """The caller left before the answer was complete."""


class Cut:
    """What its task does within, until somebody calls `now()`: then the task is cancelled, and what `instead` makes is
    raised in place of that. So does `asyncio.timeout`, at several times the cost."""

    def __init__(self, instead: Callable[[], Exception]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._instead = instead
        self._task = task
        self._is_cut = False

    def __enter__(self) -> Self:
        self._cancelling = self._task.cancelling()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Somebody else may have cancelled the task as well: that goes on.
        is_ours_alone = self._is_cut and self._task.uncancel() <= self._cancelling
        if is_ours_alone and kind is asyncio.CancelledError:
            raise self._instead() from None

    def now(self) -> None:
        if not self._is_cut:
            self._is_cut = True
            self._task.cancel()


class Alarms:
    """Calls that are made when their time has come, a tick late at most. Nearly all are cancelled before: a timer of
    the event loop's own for each would cost as much as to read a request."""

    def __init__(self) -> None:
        self._calls: dict[Callable[[], object], float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None  # where the next tick is to come

    def set(self, call: Callable[[], object], *, at: float) -> None:
        """`at` by the running loop's time."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None and self._loop.is_closed():
                self._calls.clear()
            self._loop = loop
            loop.call_later(TICK_S, self._tick)
        self._calls[call] = at

    def cancel(self, call: Callable[[], object]) -> None:
        self._calls.pop(call, None)

    def _tick(self) -> None:
        loop, self._loop = asyncio.get_running_loop(), None
        now = loop.time()
        for call in [call for call, at in self._calls.items() if at <= now]:
            del self._calls[call]
            call()
        if self._calls:
            self._loop = loop
            loop.call_later(TICK_S, self._tick)


alarms = Alarms()


async def while_connected[R](receive: _Receive, work: Coroutine[Any, Any, R], *, watched_after_s: float = 0) -> R:
    """Run `work`, whose request has been read. When the caller leaves it is cancelled at once, but not before that
    time; raises ClientGone.

    Like a timeout it runs in the caller's own task, since one of its own costs as much as the rest of the wait.
    """
    with Cut(ClientGone) as cut:
        watch = _Watch(receive, cut, watched_after_s)
        try:
            return await work
        finally:
            watch.end()


class _Watch:
    """Cuts short when the caller leaves. To watch for that costs a tenth of a plain request, so whose answer may come
    whole in a moment is watched only after it."""

    def __init__(self, receive: _Receive, cut: Cut, after_s: float) -> None:
        self._receive = receive
        self._cut = cut
        self._waiting: asyncio.Future[_Message] | None = None
        if after_s:
            alarms.set(self._begin, at=asyncio.get_running_loop().time() + after_s)
        else:
            self._begin()

    def end(self) -> None:
        alarms.cancel(self._begin)
        if self._waiting is not None:
            self._waiting.remove_done_callback(self._look)  # who leaves now is nobody's concern any more
            self._waiting.cancel()

    def _begin(self) -> None:
        self._waiting = asyncio.ensure_future(self._receive())
        self._waiting.add_done_callback(self._look)

    def _look(self, received: asyncio.Future[_Message]) -> None:
        if received.cancelled():
            return
        if received.exception() is None and received.result()["type"] != "http.disconnect":
            self._begin()
            return
        self._cut.now()


_streams: set[Cut] = set()


class until_shutdown(Cut):  # noqa: N801  # a verb as other context managers are
    """Run a stream's body. When `end_streams` cuts it short it raises Unavailable, for the caller to be told."""

    def __init__(self) -> None:
        super().__init__(_restarting)

    def __enter__(self) -> Self:
        _streams.add(self)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        _streams.discard(self)
        super().__exit__(*error)


def _restarting() -> Unavailable:
    return Unavailable("The server is restarting. Send the request again in a moment.", headers={"Retry-After": "2"})


def open_streams() -> int:
    return len(_streams)


def end_streams() -> None:
    """The server stops: break off every stream that is still open, each in its own words."""
    for stream in list(_streams):
        stream.now()
