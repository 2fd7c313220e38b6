"""Following a reply over real HTTP while a real provider writes it."""

import re
from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import httpx
import pytest

from tests.person import Person, events
from tests.provider import Provider, running_provider
from tests.scenes import founded
from tests.server import RunningServer, running_server

STORY = "Once upon a time.\n\n# A heading\n\n```python\nprint(1)\n```\n\n" + "and so on " * 30 + "\n\nThe end 🎬."


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        running.script("story", text=STORY, delay_s=0.03)
        running.script("endless", text="word " * 2000, delay_s=0.02)
        running.script("breaks", text=STORY, fault="cut-mid-stream", after=6, delay_s=0.02)
        running.script("refuses", fault="refuse-401")
        running.script("miscounts", text="Fine.", counts={"prompt_tokens": -3, "completion_tokens": 1 << 40})
        running.script("never-ends", text=("x" * 700_000 + " ") * 4)
        yield running


@pytest.fixture(scope="module")
def server(provider: Provider) -> Iterator[RunningServer]:
    with running_server() as running:
        founded(running, provider, "story", "endless", "breaks", "refuses", "miscounts", "never-ends")
        yield running


@pytest.fixture(scope="module")
def alice(server: RunningServer) -> Iterator[Person]:
    with Person(server.base_url, "alice@example.org") as person:
        yield person


def played(page_events: list[tuple[str, str, str]]) -> str:
    """The text a page holds after these events."""
    return "".join(data for name, _, data in page_events if name == "text")


def ended(alice: Person, page) -> str:
    """The page once its reply is finished, which may be before it was first shown."""
    if "data-follow" in page.text:
        assert list(alice.follow(page))[-1][0] == "end"
    return alice.get(str(page.url)).text


def test_a_reply_is_followed_word_by_word_to_its_end(alice):
    seen = list(alice.follow(alice.post("/chat/start/", prompt="Tell me.", model="story")))

    assert played(seen) == STORY
    assert sum(name == "text" for name, _, _ in seen) > 10
    assert ["<h1>A heading</h1>" in data for name, _, data in seen if name == "block"].count(True) == 1
    assert seen[-1][0] == "end" and "The end 🎬." in seen[-1][2]


def test_a_page_that_reconnects_misses_nothing_and_sees_nothing_twice(alice, server):
    page = alice.post("/chat/start/", prompt="Tell me.", model="story")
    with closing(alice.follow(page)) as following:
        first = list(islice(following, 8))
    url = re.search(r'data-follow="([^"]+)"', page.text)[1]

    with alice.client.stream("GET", url, headers={"Last-Event-ID": first[-1][1]}) as stream:
        rest = list(events(stream.iter_lines()))

    assert played(first) + played(rest) == STORY


def test_the_reply_goes_on_without_anybody_watching(alice):
    page = alice.post("/chat/start/", prompt="Tell me.", model="story")

    with closing(alice.follow(page)) as following:
        assert next(following)[0] == "text"
    reloaded = alice.get(str(page.url))
    rest = list(alice.follow(reloaded))

    assert rest[-1][0] == "end" and "The end" in rest[-1][2]
    assert "The end" in alice.get(str(page.url)).text


def test_stop_ends_the_reply_and_the_provider_at_once(alice, provider):
    page = alice.post("/chat/start/", prompt="Go on.", model="endless")
    cancelled = provider.cancelled
    following = alice.follow(page)
    assert next(following)[0] == "text"

    stopped = alice.post(re.search(r'action="([^"]+/stop/)"', page.text)[1])

    provider.wait_until(lambda provider: provider.cancelled > cancelled)
    assert list(following)[-1][0] == "end"
    assert "Stopped" in alice.get(str(stopped.url)).text


def test_a_reply_that_breaks_keeps_its_text_and_says_who_failed(alice):
    page = alice.post("/chat/start/", prompt="Tell me.", model="breaks")
    html = ended(alice, page)

    assert "Once upon" in html and "Failed" in html
    assert "Loopback" in html and "Retry" in html


def test_a_refusal_before_the_first_word_is_a_sentence_in_the_thread(alice):
    page = alice.post("/chat/start/", prompt="Tell me.", model="refuses")
    html = ended(alice, page)

    assert "Failed" in html and "Loopback" in html and "Traceback" not in html


def test_figures_that_cannot_be_are_left_out_and_the_reply_is_kept(alice):
    page = alice.post("/chat/start/", prompt="Tell me.", model="miscounts")
    html = ended(alice, page)

    assert 'data-state="done"' in html and "Fine." in html
    assert " in, " not in html


def test_a_reply_beyond_any_measure_is_ended_and_its_beginning_kept(alice, provider):
    page = alice.post("/chat/start/", prompt="Tell me.", model="never-ends")
    html = ended(alice, page)

    assert "The reply was ended at 2,000,000 characters" in html and "Retry" in html
    assert "x" * 700_000 in html and len(html) < 3_000_000
    provider.wait_until(lambda provider: provider.open_streams == 0)


def test_the_longest_prompt_is_taken_in_any_script(alice, provider):
    page = alice.post("/chat/start/", prompt="界🎬" * 100_000, model="story")

    assert page.status_code == 200
    assert list(alice.follow(page))[-1][0] == "end"
    assert provider.requests[-1].json["messages"][-1]["content"] == "界🎬" * 100_000


def test_nobody_else_follows(alice, server):
    page = alice.post("/chat/start/", prompt="Tell me.", model="story")
    url = re.search(r'data-follow="([^"]+)"', page.text)[1]

    with Person(server.base_url, "charlie@example.org") as charlie:
        assert charlie.get(url).status_code == 404
    assert httpx.get(server.base_url + url).status_code == 401
    assert httpx.post(server.base_url + url).status_code == 405
    nul = {"cookie": 'sessionid="0123456789\\000"'}
    assert httpx.get(server.base_url + url, headers=nul).status_code in (400, 401)


def test_without_javascript_the_page_reloads_itself_until_the_end(alice):
    page = alice.post("/chat/start/", prompt="Tell me.", model="story")

    assert '<meta http-equiv="refresh"' in page.text
    list(alice.follow(page))
    finished = alice.get(str(page.url)).text
    assert '<meta http-equiv="refresh"' not in finished and "<h1>A heading</h1>" in finished


def test_a_reply_is_followed_and_stopped_from_another_process(alice, server):
    page = alice.post("/chat/start/", prompt="Go on.", model="endless")

    with server.beside() as other, Person(other.base_url, "alice@example.org") as elsewhere:
        there = elsewhere.get(page.url.path)
        with closing(elsewhere.follow(there)) as following:
            seen = list(islice(following, 5))
            elsewhere.post(re.search(r'action="([^"]+/stop/)"', there.text)[1])
            seen += list(following)

    assert "word word" in played(seen)
    assert seen[-1][0] == "end" and "Stopped" in seen[-1][2]
