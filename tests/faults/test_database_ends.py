"""The database goes away for a while: a reply outlives it, and kept connections are made anew."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.person import Person
from tests.provider import running_provider
from tests.scenes import founded
from tests.server import RunningServer, running_server

pytestmark = pytest.mark.postgres


@contextmanager
def away(server: RunningServer) -> Iterator[None]:
    """PostgreSQL ends every connection to the server's database and takes no new one."""
    name = urlsplit(server.environment["EMMA18_DATABASE_URL"]).path[1:]
    with psycopg.connect(os.environ["EMMA18_DATABASE_URL"], autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        yield
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def test_a_reply_whose_end_comes_while_the_database_is_away_is_kept_whole():
    with running_provider() as provider, running_server() as server:
        founded(server, provider, provider.script("story", text="word " * 60 + "the end", delay_s=0.03))
        with Person(server.base_url, "alice@example.org") as alice:
            page = alice.post("/chat/start/", prompt="Tell me.", model="story")
            with closing(alice.follow(page)) as following:
                next(following)
            with away(server):
                provider.wait_until(lambda provider: provider.open_streams == 0, timeout_s=10)
                assert alice.get("/chat/").status_code == 503

            # The end is written at the next try, which may be before the page is read again or after.
            deadline = time.monotonic() + 20
            while "data-follow" in (kept := alice.get(str(page.url)).text) and time.monotonic() < deadline:
                time.sleep(0.1)

    assert re.findall(r'data-state="(\w+)"', kept) == ["done", "done"]
    assert kept.count("word ") >= 60 and "the end" in kept


def test_what_was_connected_before_the_database_came_back_is_not_asked_again():
    with running_provider() as provider, running_server() as server:
        founded(server, provider, provider.script("hello", text="Hello."))
        with Person(server.base_url, "alice@example.org") as alice:
            for path in ("/chat/", "/videos/", "/keys/"):
                assert alice.get(path).status_code == 200
            with away(server):
                assert alice.get("/chat/").status_code == 503

            assert [alice.get(path).status_code for path in ("/chat/", "/videos/", "/keys/")] == [200, 200, 200]
            page = alice.post("/chat/start/", prompt="Hi.", model="hello")
            with closing(alice.follow(page)) as following:
                assert "Hello." in "".join(data for _, _, data in following)
