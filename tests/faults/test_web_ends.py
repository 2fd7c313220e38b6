"""The web process ends in the middle of a reply: nothing that was written is lost, and nobody waits for ever."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing

import openai
import pytest

from tests.person import Person
from tests.provider import Provider, running_provider
from tests.scenes import founded
from tests.server import RunningServer, running_server

LONG = "word " * 3000


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        running.script("endless", text=LONG, delay_s=0.02)
        yield running


@pytest.fixture
def server(provider: Provider) -> Iterator[RunningServer]:
    with running_server() as running:
        founded(running, provider, "endless")
        yield running


def read_some(alice: Person, page, *, characters: int) -> None:
    """Follow the reply until that much of it was seen."""
    seen = 0
    with closing(alice.follow(page)) as following:
        for name, _, data in following:
            seen += len(data) if name == "text" else 0
            if seen >= characters:
                return


def shown_text(page) -> str:
    prose = re.search(r'<div class="prose".*?</div>', page.text, re.DOTALL)[0]
    return " ".join(re.sub(r"<[^>]+>", " ", prose).split())


def test_after_a_kill_the_turn_shows_its_text_so_far_interrupted_with_retry(server):
    with Person(server.base_url, "alice@example.org") as alice:
        page = alice.post("/chat/start/", prompt="Go on.", model="endless")
        read_some(alice, page, characters=200)

        server.kill()
        server.start()

        end = list(alice.follow(alice.get(str(page.url))))[-1]
        reloaded = alice.get(str(page.url))
        assert end[0] == "end" and "Interrupted" in end[2] and "Retry" in end[2]
        # What was seen 250 ms before the kill is kept; the follower may have been that much ahead of the row.
        assert len(shown_text(reloaded)) >= 120
        assert "Retry" in reloaded.text

        again = alice.post(re.search(r'action="([^"]+/retry/)"', reloaded.text)[1])
        read_some(alice, again, characters=20)


def test_a_server_told_to_stop_ends_its_replies_and_goes_within_ten_seconds(server, provider):
    with Person(server.base_url, "alice@example.org") as alice:
        page = alice.post("/chat/start/", prompt="Go on.", model="endless")
        with closing(alice.follow(page)) as following:
            next(following)
            began = time.monotonic()
            server.stop()
            stopped_s = time.monotonic() - began

        provider.wait_until(lambda provider: provider.open_streams == 0)
        server.start()
        reloaded = alice.get(str(page.url))

    assert stopped_s < 10
    assert "Interrupted" in reloaded.text and "was restarted" in reloaded.text


def test_an_api_stream_is_told_that_the_server_stops(server):
    key = server.run_python(
        "from accounts import keys, people; from accounts.models import Membership\n"
        "alice = Membership.objects.get(user__email='alice@example.org')\n"
        "print(keys.issue(people.member(alice.team, user=alice.user), name='sdk')[1])"
    ).strip()
    client = openai.OpenAI(base_url=f"{server.base_url}/api/v1", api_key=key, max_retries=0)
    messages = [{"role": "user", "content": "Go on."}]

    with client, client.chat.completions.create(model="endless", messages=messages, stream=True) as chunks:
        assert next(chunks).choices[0].delta.role == "assistant"
        os.killpg(server.process.pid, signal.SIGTERM)
        with pytest.raises(openai.APIError, match="The server is restarting"):
            list(chunks)
