"""The gallery: what is shown and found, in constant queries and few bytes; live cards; deleting with undo; stars."""

import gzip
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Heartbeat
from tests.clips import clip, keep_all, unsaved
from tests.conftest import signed_in
from upstream.video import Task
from videos import gallery, lifecycle
from videos.lifecycle.outcomes import ABSENT
from videos.models import VideoTask
from videos.modes import SEEDANCE_FAST, STORYBOARD

State = VideoTask.State
HTMX = {"hx-request": "true", "hx-request-type": "partial"}


def titles(page) -> list[str]:
    return re.findall(r'<h2 class="clip-title" title="([^"]*)"', page.text)


def test_newest_come_first_with_their_state_and_cost(bob):
    clip(bob, prompt="First")
    clip(bob, State.FAILED, prompt="Second")
    clip(bob, State.RUNNING, prompt="Third", progress=64)

    page = signed_in(bob).get("/videos/")

    assert titles(page) == ["Third", "Second", "First"]
    assert "Running 64 %" in page.text and "$0.7560 held" in page.text
    assert "The provider refused reference 1: it shows a face." in page.text and "not charged" in page.text


def test_empty_gallery_says_what_it_is_for(alice, vera):
    assert "Make the first video" in signed_in(alice).get("/videos/").text
    assert "Make the first video" not in signed_in(vera).get("/videos/").text


def test_videos_of_other_teams_are_not_there(bob, charlie):
    task = clip(bob, prompt="Ours")

    assert titles(signed_in(charlie).get("/videos/")) == []
    assert signed_in(charlie).get(f"/videos/{task.public_id}/").status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=failed", ["Failed fox"]),
        ("state=failed&state=running", ["Running fox", "Failed fox"]),
        ("review=approved", ["Good fox"]),
        (f"model={SEEDANCE_FAST}", ["Running fox"]),
        ("mode=i2v", ["Good fox"]),
        ("rating=5", ["Good fox"]),
        ("rating=0&rating=5&state=succeeded", ["Old hare", "Good fox"]),
        ("date=7d", ["Running fox", "Good fox", "Failed fox"]),
        ("q=HARE", ["Old hare"]),
        ("sort=oldest&state=succeeded", ["Good fox", "Old hare"]),
        ("sort=rated&state=succeeded", ["Good fox", "Old hare"]),
        ("state=nonsense&person=x&date=y&sort=z&after=1.x", ["Old hare", "Running fox", "Good fox", "Failed fox"]),
        ("q=100%25", []),
    ],
)
def test_facets_search_and_order_are_in_the_address(bob, query, found):
    clip(bob, State.FAILED, prompt="Failed fox")
    clip(bob, prompt="Good fox", review_status="approved", rating=5, mode="i2v")
    clip(bob, State.RUNNING, prompt="Running fox", model_id=SEEDANCE_FAST)
    clip(bob, prompt="Old hare", created_at=timezone.now() - timedelta(days=40))

    assert titles(signed_in(bob).get(f"/videos/?{query}")) == found


@pytest.mark.parametrize("typed", ["ältere straße", "ÄLTERE STRASSE", "Ａ̈ltere Straße", "γάτα ΐ"])
def test_search_does_not_mind_how_letters_are_written(bob, typed):
    clip(bob, prompt="An Ältere Straße in the rain, Γάτα Ϊ́")
    clip(bob, prompt="A fox")

    page = signed_in(bob).get("/videos/", {"q": typed})

    assert titles(page) == ["An Ältere Straße in the rain, Γάτα Ϊ́"]


def test_person_is_a_facet_with_the_figures_of_what_choosing_shows(alice, bob):
    for number in range(3):
        clip(alice if number else bob, [State.SUCCEEDED, State.FAILED, State.FAILED][number])

    wanted = gallery.wanted_from({"person": [str(alice.user.pk)], "state": ["failed"]})

    assert gallery.found(bob.team, wanted) == gallery.Found(2, 3)
    assert {(each.label, each.count) for each in gallery.choices(bob.team, wanted, "person")} == {("alice", 2)}
    assert {(each.label, each.count) for each in gallery.choices(bob.team, wanted, "state")} == {("Failed", 2)}


def test_nobody_learns_the_names_of_another_teams_people(bob, charlie):
    clip(bob)
    clip(charlie)
    browser, address = signed_in(bob), f"?person={charlie.user.pk}&person={bob.user.pk}"

    page, menu = browser.get(f"/videos/{address}").text, browser.get(f"/videos/menu/person/{address}").text

    assert "charlie" not in page and "charlie" not in menu
    assert "Somebody, bob" in page and "Somebody" in menu


def test_menu_of_a_facet_is_read_once_it_is_opened_and_kept_where_it_was(alice, bob):
    clip(bob, State.FAILED)
    clip(alice)
    browser = signed_in(bob)
    page = browser.get("/videos/?state=failed&mode=t2v").text
    assert 'hx-get="/videos/menu/state/"' in page and "facet-state-1" not in page
    assert 'type="hidden" name="state" value="failed"' in page  # so that another filter leaves it chosen

    menu = browser.get("/videos/menu/state/?state=failed&mode=t2v&menu=mode").text
    again = browser.get("/videos/?state=failed&menu=state", headers=HTMX)

    assert re.findall(r"<span>(\w+)</span><data[^>]*>(\d+)", menu) == [("Succeeded", "1"), ("Failed", "1")]
    assert 'name="menu" value="state"' in menu and menu.count("checked") == 1
    assert "facet-state-1" in again.text and "facet-mode-1" not in again.text
    assert again.headers["hx-push-url"] == "/videos/?state=failed"


def test_without_javascript_a_link_shows_what_a_facet_offers(bob):
    clip(bob)
    browser = signed_in(bob)
    [link] = re.findall(r'<noscript><a href="([^"]+menu=review)"', browser.get("/videos/?sort=oldest").text)

    page = browser.get(link.replace("&amp;", "&")).text

    assert re.search(r'id="facet-review"[^>]*\sopen', page) and re.search(r'name="review"\s+value="needs_review"', page)


@pytest.mark.parametrize("made_up", ["nonsense", "text", "sort", "..", "%00"])
def test_menu_of_no_facet_is_not_there(bob, made_up):
    assert signed_in(bob).get(f"/videos/menu/{made_up}/").status_code == 404


@pytest.mark.parametrize("sort", ["newest", "oldest", "rated", "dear"])
def test_every_video_is_on_exactly_one_page(bob, sort):
    keep_all(unsaved(bob, rating=number % 6 or None, charged_nanousd=number % 7) for number in range(120))
    browser, seen, address = signed_in(bob), [], f"/videos/?sort={sort}"

    while address:
        page = browser.get(address, headers=HTMX if seen else {})
        seen += re.findall(r'id="clip-(vt_\w+)"', page.text)
        more = re.search(r'hx-get="(/videos/\?[^"]*after=[^"]*)"', page.text)
        address = more[1].replace("&amp;", "&") if more else ""

    assert len(seen) == len(set(seen)) == 120


def test_a_page_costs_the_same_queries_however_many(bob, django_assert_num_queries):
    browser = signed_in(bob)
    clip(bob)
    with django_assert_num_queries(14):
        browser.get("/videos/")
    keep_all(unsaved(bob) for _ in range(200))

    with django_assert_num_queries(14):
        # session, user, membership; page, people, takes, tags of its videos, rows that no card was made of; how many;
        # all tags and collections; worker; running and credit of the frame
        assert len(titles(browser.get("/videos/"))) == gallery.PAGE
    with django_assert_num_queries(13):
        browser.get("/videos/")


def test_first_page_of_many_is_small(bob):
    prompts = (f"{number} {'A long take through the valley at dawn. ' * 4}" for number in range(200))
    keep_all(unsaved(bob, prompt=prompt) for prompt in prompts)

    page = signed_in(bob).get("/videos/")

    assert len(titles(page)) == gallery.PAGE
    assert len(gzip.compress(page.content)) < 60_000


def test_poll_brings_only_the_cards_that_changed_and_then_stops(bob):
    running, other = clip(bob, State.RUNNING), clip(bob, State.RUNNING)
    browser = signed_in(bob)
    seen = re.findall(r'name="seen" value="([^"]+)"', browser.get("/videos/").text)
    assert browser.get("/videos/live/", {"seen": seen}).status_code == 204

    VideoTask.objects.filter(pk=running.pk).update(progress=70)
    changed = browser.get("/videos/live/", {"seen": seen})
    VideoTask.objects.update(state=State.CANCELLED, completed_at=timezone.now(), next_step_at=None)
    ended = browser.get("/videos/live/", {"seen": seen})

    assert f'id="clip-{running.public_id}"' in changed.text and f'id="clip-{other.public_id}"' not in changed.text
    assert "every 3s" in changed.text and "every 3s" not in ended.text


def test_card_stops_asking_for_an_admin_once_its_provider_knows_the_clip_again(bob):
    task = clip(bob, State.RUNNING)
    lifecycle.flag(task, ABSENT)
    browser = signed_in(bob)
    assert "Needs an admin" in browser.get("/videos/").text

    task.refresh_from_db()
    lifecycle.record([(task, Task(id="sb_1", status="running"))])

    assert "Needs an admin" not in browser.get("/videos/").text


def test_page_on_which_nothing_runs_polls_seldom_and_only_where_new_ones_come_first(bob):
    clip(bob)
    browser = signed_in(bob)

    assert re.findall("every [0-9]+s", browser.get("/videos/").text) == ["every 15s"]
    assert "every" not in browser.get("/videos/?sort=rated").text


def test_poll_tells_how_many_have_come_that_are_wanted(alice, bob, charlie):
    clip(bob, prompt="A fox")
    browser = signed_in(bob)
    asked = {"q": "fox", "newest": re.findall(r'name="newest" value="(\d+)"', browser.get("/videos/?q=fox").text)}
    assert browser.get("/videos/live/", asked).status_code == 204

    clip(alice, prompt="Another fox")
    clip(alice, prompt="A hare")
    clip(charlie, prompt="A fox of others")
    told = browser.get("/videos/live/", asked)

    assert "1 new video" in told.text and 'href="/videos/?q=fox"' in told.text
    assert browser.get("/videos/live/", asked | {"told": "1"}).status_code == 204
    with_card = browser.get("/videos/live/", asked | {"told": "1", "seen": "vt_gone~x"})
    assert "vt_gone" in with_card.text and "new video" not in with_card.text
    assert titles(browser.get("/videos/?q=fox")) == ["Another fox", "A fox"]


def test_poll_of_an_empty_gallery_tells_of_the_first_video(bob):
    browser = signed_in(bob)
    [newest] = re.findall(r'name="newest" value="(\d+)"', browser.get("/videos/").text)

    clip(bob, State.RUNNING)

    asked = {"newest": newest, "sort": "newest", "date": ""}
    told = browser.get("/videos/live/", asked).text
    assert "1 new video" in told and 'href="/videos/"' in told and "load, click" in told
    assert "load, click" not in browser.get("/videos/live/", asked | {"undo": "1"}).text


@pytest.mark.parametrize("newest", ["", "x", "-1", "9" * 40, "١"])
def test_poll_with_a_made_up_newest_tells_of_none(bob, newest):
    clip(bob)

    assert signed_in(bob).get("/videos/live/", {"newest": newest}).status_code == 204


def test_deleting_is_undone_from_the_next_page(bob):
    kept, running = clip(bob), clip(bob, State.RUNNING)
    browser = signed_in(bob)

    page = browser.post("/videos/delete/", {"id": [kept.public_id, running.public_id]}, follow=True)
    assert "1 video deleted" in page.text and "1 still under way cannot be deleted" in page.text
    assert gallery.of(bob.team).count() == 1
    browser.post("/videos/undo/", {"what": "deleted", "was": page.context["undo"]["was"]})

    assert gallery.of(bob.team).count() == 2
    assert "deleted" not in browser.get("/videos/").text


def test_nobody_deletes_or_rates_what_is_anothers(bob, charlie):
    task = clip(bob)

    signed_in(charlie).post("/videos/delete/", {"id": task.public_id})
    signed_in(charlie).post("/videos/rate/", {"id": task.public_id, "stars": "5"})

    task.refresh_from_db()
    assert task.deleted_at is None and task.rating is None


def test_stars_are_given_and_taken_away(bob):
    task = clip(bob)
    browser = signed_in(bob)

    browser.post("/videos/rate/", {"id": task.public_id, "stars": "4"})
    assert '4<span class="visually-hidden"> of 5 stars' in browser.get("/videos/").text
    browser.post("/videos/rate/", {"id": task.public_id, "stars": "0"})

    task.refresh_from_db()
    assert task.rating is None
    assert [event.facts["stars"] for event in task.events.filter(what="rated")] == [4, 0]


@pytest.mark.parametrize("there", ["https://evil.example.net/", "//evil.example.net/", "/videos/../account/", ""])
def test_after_an_action_one_comes_back_to_no_other_site(bob, there):
    answer = signed_in(bob).post("/videos/rate/", {"next": there})

    assert answer.headers["location"].startswith("/videos/")


def test_worker_that_is_gone_is_told(bob):
    Heartbeat.objects.create(cluster="default", seen_at=timezone.now() - timedelta(hours=1))

    assert "Background worker last seen 1 h ago" in signed_in(bob).get("/videos/").text


def test_failed_one_is_made_once_more_and_only_once(bob, funded, ark):
    task = clip(bob, State.FAILED, prompt="Once more")
    browser = signed_in(bob)

    for _ in range(2):
        browser.post(f"/videos/{task.public_id}/retry/")

    again = VideoTask.objects.exclude(pk=task.pk).get()
    assert (again.prompt, again.remix_of, again.state) == ("Once more", task, State.SUBMITTING)


def test_queued_one_is_cancelled_and_its_hold_let_go(bob, funded, ark, program):
    public_id = program.create().json()["id"]

    page = signed_in(bob).post(f"/videos/{public_id}/cancel/", follow=True)

    assert "Cancelled before it began. Not charged." in page.text
    assert VideoTask.objects.get().state == State.CANCELLED


def test_own_page_tells_recipe_cost_and_receipt(bob):
    task = clip(bob, prompt="It's a fox", usage_tokens=108_000)

    page = signed_in(bob).get(f"/videos/{task.public_id}/")

    assert "<code>78674</code>" in page.text and "1280 × 720, 16:9" in page.text and "$0.7560" in page.text
    assert f'href="/usage/requests/{task.request_id}/"' in page.text
    assert "It&#x27;\\&#x27;&#x27;s a fox" in page.text  # quoted for a shell
    assert f'src="/m/{task.public_id}/video.mp4?exp=' in page.text


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (State.QUEUED, "Waiting for Ark to begin"),
        (State.RUNNING, "Ark is making it"),
        (State.FAILED, "it shows a face"),
        (State.CANCELLED, "Cancelled before it began"),
    ],
)
def test_own_page_says_how_it_stands_and_follows_it(bob, state, sentence):
    task = clip(bob, state)

    page = signed_in(bob).get(f"/videos/{task.public_id}/", headers=HTMX)

    assert sentence in page.text and "<html" not in page.text
    assert ("every 3s" in page.text) == task.is_open


def test_storyboard_says_that_it_is_one(bob):
    task = clip(bob, model_id=STORYBOARD)

    assert "A storyboard, not a generated video" in signed_in(bob).get(f"/videos/{task.public_id}/").text
    assert "free" in signed_in(bob).get("/videos/").text


def test_rail_tells_how_many_are_under_way(bob):
    clip(bob, State.RUNNING)
    lifecycle.delete(clip(bob), by=bob.user)

    assert 'title="1 under way"' in signed_in(bob).get("/chat/").text
