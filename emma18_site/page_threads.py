"""The threads that Django's views run on.

Django makes one for each request, and with it a database connection, which takes longer to open than most pages take
to make. Here they wait for the next request, with what they have open.
"""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from asgiref.sync import ThreadSensitiveContext
from django.db import connections

KEPT = 8  # each has a connection, of which PostgreSQL gives away a hundred

_idle: list[ThreadPoolExecutor] = []  # touched by the event loop alone; the last one used comes first


@asynccontextmanager
async def page_thread() -> AsyncIterator[None]:
    """Run a request's views on one thread that no other request has meanwhile."""
    thread = _idle.pop() if _idle else ThreadPoolExecutor(max_workers=1, thread_name_prefix="page")
    try:
        async with ThreadSensitiveContext(executor=thread):
            yield
    finally:
        if len(_idle) < KEPT:
            _idle.append(thread)
        else:
            _let_go(thread)


def _let_go(thread: ThreadPoolExecutor) -> None:
    thread.submit(connections.close_all)
    thread.shutdown(wait=False)
