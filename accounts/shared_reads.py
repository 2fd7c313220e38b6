"""What the requests of one group ask alike is read once, and not again by the next while nobody has written. Knows no
table.

A busy program sends many requests with one key for one model, and to read the same rows for each of them was a quarter
of a request's CPU. Whatever waits in a group came before the group's first read, so none of them is told anything older
than itself. Rows are the same as long as the database says so, but what is made of them may depend on the time too: so
it is made anew every second.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from accounts.statements import state_of_database

KEPT_S = 1.0


class _Group(threading.local):
    found: dict[Hashable, Any] | None = None
    kept: dict[Hashable, Any]
    kept_until = 0.0
    state: object = None  # of the database when the first of it was read


_group = _Group()


@contextmanager
def shared() -> Iterator[None]:
    """What this thread reads meanwhile is for one group, and for the next where nothing has changed by then. What the
    thread itself writes must not be what it reads here."""
    state, now = state_of_database(), time.monotonic()
    if state is None or state != _group.state or now > _group.kept_until:
        _group.kept, _group.kept_until, _group.state = {}, now + KEPT_S, state
    _group.found = _group.kept
    try:
        yield
    finally:
        _group.found = None


def once_a_group[**P, R](read: Callable[P, R]) -> Callable[P, R]:
    """Give what `read` gave for the same arguments in the same group, or in one before it that it was kept from. What
    it raised is asked again."""

    @wraps(read)
    def once(*args: P.args, **kwargs: P.kwargs) -> R:
        found = _group.found
        if found is None:
            return read(*args, **kwargs)
        asked = (read, args, *kwargs.items())
        if asked not in found:
            found[asked] = read(*args, **kwargs)
        given: R = found[asked]
        return given

    return once
