"""The database goes away for a while, in the middle of a reply: the reply outlives it."""

import os
import re
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

            assert list(alice.follow(alice.get(str(page.url))))[-1][0] == "end"
            kept = alice.get(str(page.url)).text

    assert re.findall(r'data-state="(\w+)"', kept) == ["done", "done"]
    assert kept.count("word ") >= 60 and "the end" in kept
