"""Tags and collections: what is put under them and taken back, found and counted by them, and who may."""

import pytest
from django.utils import timezone

from tests.clips import clip, keep_all, unsaved
from tests.conftest import signed_in
from tests.videos.test_gallery import HTMX, titles
from videos import filing, gallery
from videos.models import Collection, Tagging, VideoTask

State = VideoTask.State


def tag(browser, *tasks, tags="hero", **more):
    return browser.post("/videos/tag/", {"id": [task.public_id for task in tasks], "tags": tags, **more}, follow=True)


def move(browser, *tasks, **more):
    return browser.post("/videos/move/", {"id": [task.public_id for task in tasks], **more}, follow=True)


def undo(browser, page):
    kept = page.context["undo"]
    return browser.post("/videos/undo/", {"what": kept["what"], "was": kept["was"]}, follow=True)


def tags(task) -> list[str]:
    return filing.tags_of([task]).get(task.pk, [])


def test_several_are_tagged_and_undo_takes_off_only_what_was_put_on(bob):
    first, second = clip(bob), clip(bob)
    browser = signed_in(bob)
    tag(browser, first, tags="Hero")

    page = tag(browser, first, second, tags=" hero,  night  shot,")

    assert "2 videos tagged Hero, night shot." in page.text
    assert tags(first) == tags(second) == ["Hero", "night shot"]
    undo(browser, page)
    assert (tags(first), tags(second)) == (["Hero"], [])
    told = [(event.what, event.facts["tag"], event.by) for event in second.events.order_by("pk")]
    assert told[0] == ("tagged", "Hero", bob.user) and told[-1][0] == "untagged"


def test_tags_are_taken_off_and_put_on_again(bob):
    first, second = clip(bob), clip(bob)
    browser = signed_in(bob)
    tag(browser, first)

    page = tag(browser, first, second, how="remove")

    assert "hero taken off 1 video." in page.text and tags(first) == []
    undo(browser, page)
    assert (tags(first), tags(second)) == (["hero"], [])


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (" , ", "Write a tag, or several with commas between them."),
        ("x" * 41, "A tag is at most 40 characters"),
        ("a\u200bb", "A tag is at most 40 characters"),
        (",".join(map(str, range(11))), "Give at most 10 tags at once."),
    ],
)
def test_what_is_no_tag_is_said_at_its_field_and_the_selection_stays(bob, typed, sentence):
    picked, other = clip(bob), clip(bob, prompt="Other")

    page = tag(signed_in(bob), picked, tags=typed, next="/videos/?view=list")

    field = page.text[page.text.index('id="selection-tags"') :]
    assert page.status_code == 422 and sentence in field[: field.index("</details>")]
    assert page.text.count("checked\n           aria-label") == 1 and Tagging.objects.count() == 0
    assert f'value="{picked.public_id}"' in page.text and other.prompt in page.text


def test_on_its_own_page_the_sentence_stands_at_the_field_there(bob):
    task = clip(bob, prompt="Alone")

    page = tag(signed_in(bob), task, tags="x" * 41, next=f"/videos/{task.public_id}/")

    assert page.status_code == 422 and 'id="tags-error"' in page.text and "Alone" in page.text


def test_own_page_shows_tags_and_collection_and_changes_them_there(bob, vera):
    task, browser = clip(bob), signed_in(bob)
    collection = filing.collect(bob, "Spring film")
    here = f"/videos/{task.public_id}/"

    tag(browser, task, next=here)
    page = move(browser, task, collection=collection.public_id, next=here)

    assert page.redirect_chain == [(here, 302)] and 'aria-label="Take hero off"' in page.text
    assert f'href="/videos/?collection={collection.public_id}"' in page.text and page.context.get("undo") is None
    seen = signed_in(vera).get(here).text
    assert 'href="/videos/?tag=hero"' in seen and "Take hero off" not in seen and "Spring film" in seen


def test_several_are_moved_and_undo_puts_each_back_where_it_was(bob):
    first, second = clip(bob), clip(bob)
    old, browser = filing.collect(bob, "Old"), signed_in(bob)
    filing.move([first], old, by=bob.user)

    page = move(browser, first, second, collection="new", name="Spring  film")

    assert "2 videos moved to “Spring film”." in page.text
    assert {task.collection.name for task in VideoTask.objects.all()} == {"Spring film"}
    undo(browser, page)
    assert list(VideoTask.objects.order_by("pk").values_list("collection__name", flat=True)) == ["Old", None]


def test_undo_into_a_collection_that_was_deleted_meanwhile_says_so(bob):
    task, browser = clip(bob), signed_in(bob)
    old = filing.collect(bob, "Old")
    filing.move([task], old, by=bob.user)
    page = move(browser, task, collection="none")
    filing.remove(old)

    assert "no such collection in this team" in undo(browser, page).text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Give it a name"),
        ("x" * 61, "A name is at most 60 characters."),
        ("SPRING film", "There is a collection “SPRING film” already."),
    ],
)
def test_name_that_cannot_be_is_said_at_its_field(bob, name, sentence):
    task, browser = clip(bob), signed_in(bob)
    filing.collect(bob, "Spring film")
    other = filing.collect(bob, "Other")

    moved = move(browser, task, collection="new", name=name)
    added = browser.post("/videos/collections/add/", {"name": name})
    renamed = browser.post(f"/videos/collections/{other.public_id}/rename/", {"name": name})

    assert [page.status_code for page in (moved, added, renamed)] == [422] * 3
    assert 'id="selection-name-error"' in moved.text and 'id="name-error"' in added.text
    assert f'id="name-{other.public_id}-error"' in renamed.text
    assert all(sentence in page.text for page in (moved, added, renamed)) and Collection.objects.count() == 2


def test_gallery_is_narrowed_by_tag_and_collection_with_figures(bob):
    first, second, third = (clip(bob, prompt=word) for word in ("First", "Second", "Third"))
    failed = clip(bob, State.FAILED, prompt="Failed")
    filing.tag(bob.team, [first, second, failed], ["hero"], by=bob.user)
    filing.tag(bob.team, [second], ["night"], by=bob.user)
    filing.move([second, third], film := filing.collect(bob, "Film"), by=bob.user)
    browser = signed_in(bob)

    def found(query: str) -> list[str]:
        return titles(browser.get(f"/videos/?{query}"))

    assert found("tag=hero") == ["Failed", "Second", "First"]
    assert found("tag=hero&tag=night&state=succeeded") == ["Second", "First"]
    assert found(f"collection={film.public_id}") == ["Third", "Second"]
    assert found(f"collection=none&collection={film.public_id}&tag=hero") == ["Failed", "Second", "First"]
    assert found("collection=none&state=succeeded") == ["First"]
    assert found("tag=zebra") == [] and len(found("collection=nonsense")) == 4

    wanted = gallery.wanted_from({"tag": ["hero"], "state": ["succeeded"]})
    assert gallery.found(bob.team, wanted) == gallery.Found(2, 4)
    assert figures(bob, wanted, "tag") == {"hero": 2, "night": 1}
    assert figures(bob, wanted, "state") == {"Succeeded": 2, "Failed": 1}
    assert figures(bob, wanted, "collection") == {"Film": 1, "In none": 1}


def figures(caller, wanted, facet: str) -> dict[str, int]:
    return {each.label: each.count for each in gallery.choices(caller.team, wanted, facet)}


def test_deleted_videos_are_in_no_figure_of_a_tag(bob):
    kept, gone = clip(bob), clip(bob)
    filing.tag(bob.team, [kept, gone], ["hero"], by=bob.user)
    VideoTask.objects.filter(pk=gone.pk).update(deleted_at=timezone.now())

    assert figures(bob, gallery.Wanted(), "tag") == {"hero": 1}


def test_words_in_many_prompts_are_counted_to_their_end_only_by_a_menu(bob, monkeypatch):
    monkeypatch.setattr(gallery, "FEW_MATCHES", 1)
    tasks = [clip(bob, prompt="A fox"), clip(bob, prompt="Another fox")]
    clip(bob, prompt="A hare")
    filing.tag(bob.team, tasks, ["hero"], by=bob.user)
    filing.move(tasks, filing.collect(bob, "Film"), by=bob.user)

    page = signed_in(bob).get("/videos/?q=fox&tag=hero")

    assert len(titles(page)) == 2
    assert page.context["how_many"] == "1+ of 3"
    assert figures(bob, gallery.Wanted(text="fox"), "tag") == {"hero": 2}
    assert figures(bob, gallery.Wanted(text="fox"), "collection") == {"Film": 2}


def test_facets_that_nobody_made_anything_for_are_not_shown(bob):
    clip(bob)

    page = signed_in(bob).get("/videos/").text

    assert 'id="facet-rating"' in page and 'id="facet-tag"' not in page and 'id="facet-collection"' not in page


def test_viewers_see_them_and_change_nothing(bob, vera):
    task = clip(bob)
    filing.tag(bob.team, [task], ["hero"], by=bob.user)
    collection = filing.collect(bob, "Film")
    browser = signed_in(vera)

    refused = [
        tag(browser, task, how="remove"),
        move(browser, task, collection=collection.public_id),
        browser.post("/videos/undo/", {"what": "tagged", "was": f"{task.public_id}~hero"}),
        browser.post("/videos/collections/add/", {"name": "Mine"}),
        browser.post(f"/videos/collections/{collection.public_id}/delete/"),
    ]

    assert [answer.status_code for answer in refused] == [403] * 5 and tags(task) == ["hero"]
    assert titles(browser.get("/videos/?tag=hero")) == [task.prompt]
    page = browser.get("/videos/collections/").text
    assert "Film" in page and "Rename" not in page and "New collection" not in page


def test_what_is_another_teams_is_neither_filed_nor_filed_under(bob, charlie):
    task, theirs = clip(bob), clip(charlie)
    collection = filing.collect(bob, "Film")
    browser = signed_in(charlie)

    tag(browser, task)
    moved = move(browser, theirs, collection=collection.public_id)
    browser.post("/videos/undo/", {"what": "moved", "was": f"{theirs.public_id}~{collection.public_id}"})

    assert tags(task) == [] and moved.status_code == 422
    assert VideoTask.objects.get(pk=theirs.pk).collection is None
    assert titles(browser.get(f"/videos/?collection={collection.public_id}")) == []


def test_collections_page_says_what_is_in_each_and_what_it_cost(bob):
    filing.move([clip(bob), clip(bob), clip(bob, State.FAILED)], film := filing.collect(bob, "Film"), by=bob.user)
    browser = signed_in(bob)
    browser.post("/videos/collections/add/", {"name": "Empty"})

    page = browser.get("/videos/collections/").text

    assert "3 videos ·" in page and "$1.51" in page and "0 videos ·" in page and "/poster.jpg?exp=" in page
    assert browser.get(f"/videos/?collection={film.public_id}").text.count("<article") == 3


def test_empty_collection_says_how_it_is_filled(bob, vera):
    clip(bob)
    here = f"/videos/?collection={filing.collect(bob, 'Film').public_id}"

    assert "Select videos in the gallery and move them to this collection." in signed_in(bob).get(here).text
    assert "Members move videos into collections." in signed_in(vera).get(here).text
    assert "No video fits" in signed_in(bob).get(f"{here}&state=failed").text


def test_deleted_collection_leaves_its_videos(bob):
    task, browser = clip(bob), signed_in(bob)
    filing.move([task], film := filing.collect(bob, "Film"), by=bob.user)
    browser.post(f"/videos/collections/{film.public_id}/rename/", {"name": "FILM"})

    page = browser.post(f"/videos/collections/{film.public_id}/delete/", follow=True)

    assert "“FILM” is deleted. Its videos are in the gallery as before." in page.text
    assert titles(browser.get("/videos/")) == [task.prompt] and not Collection.objects.exists()


def test_stars_given_to_several_are_taken_back(bob):
    rated, other = clip(bob, rating=2), clip(bob)
    browser = signed_in(bob)
    ids = [rated.public_id, other.public_id]

    page = browser.post("/videos/rate/", {"id": ids, "stars": "5"}, follow=True)

    assert "2 videos: 5 stars now." in page.text
    undo(browser, page)
    assert list(VideoTask.objects.order_by("pk").values_list("rating", flat=True)) == [2, None]


def test_filing_many_costs_the_queries_of_filing_two(bob, django_assert_max_num_queries):
    keep_all(unsaved(bob) for _ in range(400))
    ids, browser = list(VideoTask.objects.values_list("public_id", flat=True)), signed_in(bob)

    with django_assert_max_num_queries(20):
        page = browser.post("/videos/tag/", {"id": ids, "tags": "hero, night, alps"})
    with django_assert_max_num_queries(20):
        browser.post("/videos/move/", {"id": ids, "collection": "new", "name": "Film"})

    assert page.status_code == 302 and Tagging.objects.count() == 1200
    assert VideoTask.objects.filter(collection__name="Film").count() == 400


def test_list_shows_the_tags_of_each(bob):
    filing.tag(bob.team, [clip(bob)], ["hero"], by=bob.user)

    page = signed_in(bob).get("/videos/?view=list", headers=HTMX).text

    assert '<span class="tag">hero</span>' in page
