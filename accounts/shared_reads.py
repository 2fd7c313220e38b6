"""What the requests of one group ask alike is read once. Knows no table.

A busy program sends many requests with one key for one model, and to read the same rows for each of them was a quarter
of a request's CPU. Whatever waits in a group came before the group's first read, so none of them is told anything older
than itself.
"""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any


class _Group(threading.local):
    found: dict[Hashable, Any] | None = None


_group = _Group()


@contextmanager
def shared() -> Iterator[None]:
    """What this thread reads meanwhile is for one group."""
    _group.found = {}
    try:
        yield
    finally:
        _group.found = None


def once_a_group[**P, R](read: Callable[P, R]) -> Callable[P, R]:
    """Give what `read` gave for the same arguments in the same group. What it raised is asked again."""

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
