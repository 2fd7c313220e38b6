"""Pages run on threads that are kept, each with its database connection."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from emma18_site import page_threads
from emma18_site.page_threads import page_thread

type Seen = tuple[int, object]  # a thread, and its database connection


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    while page_threads._idle:
        page_threads._let_go(page_threads._idle.pop())


def ask() -> Seen:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return threading.get_ident(), connection.connection


@pytest.mark.django_db(transaction=True)
async def test_next_request_has_the_thread_and_the_connection_of_the_one_before():
    seen = []
    for _ in range(3):
        async with page_thread():
            seen.append(await sync_to_async(ask)())
            seen.append(await sync_to_async(ask)())

    assert len(set(seen)) == 1


@pytest.mark.django_db(transaction=True)
async def test_requests_at_once_have_a_thread_each_of_which_a_few_are_kept():
    many = page_threads.KEPT + 3
    gate = asyncio.Barrier(many)

    async def request() -> Seen:
        async with page_thread():
            seen = await sync_to_async(ask)()
            await gate.wait()
            return seen

    seen = await asyncio.gather(*(request() for _ in range(many)))

    threads = {thread for thread, _ in seen}
    assert len(threads) == many
    ended = [thread for thread in threading.enumerate() if thread.ident in threads - kept()]
    for thread in ended:
        thread.join(timeout=5)
    assert not any(thread.is_alive() for thread in ended)
    assert len(threads & kept()) == page_threads.KEPT


def kept() -> set[int]:
    """The threads that wait for a request."""
    return {thread.submit(threading.get_ident).result(timeout=5) for thread in page_threads._idle}
