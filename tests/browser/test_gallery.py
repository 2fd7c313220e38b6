"""The gallery and the form of a new video in a browser: live cards, leafing through, selecting, no rule broken."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests import films
from tests.browser.conftest import Visitor
from tests.browser.test_look import faults
from tests.browser.test_usage import sign_in
from tests.server import RunningServer, running_server

_SCENE = """
from accounts import people
from accounts.models import Team, User
from tests.clips import State, clip
from videos import filing
from videos.models import VideoTask
from videos.modes import STORYBOARD
team = Team.objects.get(name="Northlight")
alice, bob = (people.member(team, user=User.objects.get(name=name)) for name in ("alice", "bob"))
ratios = ("16:9", "9:16", "21:9", "1:1", "3:4", "4:3")
for number in range(60):
    clip([alice, bob][number % 2], prompt=f"Shot {number} of a valley at dawn", ratio=ratios[number % 6],
         rating=number % 6 or None, model_id=STORYBOARD if number % 4 else "doubao-seedance-2-0-260128")
first, second = VideoTask.objects.order_by("pk")[:2]
filing.tag(team, [first, second], ["hero", "night"], by=bob.user)
filing.move([first], filing.collect(bob, "Spring film"), by=bob.user)
for state in (State.FAILED, State.CANCELLED, State.QUEUED):
    print(clip(bob, state, prompt=f"Fox {state}").public_id)
"""
_ELSEWHERE = """
from accounts import people
from accounts.models import Team, User
from tests.clips import clip
bob = people.member(Team.objects.get(name="Northlight"), user=User.objects.get(name="bob"))
clip(bob, prompt="Asked for elsewhere", request_id="req_elsewhere", callback_token="elsewhere")
"""
# What background workers do when the renderer tells of a task.
_DRIVE = """
from upstream.video import Task
from videos import lifecycle
from videos.models import VideoTask
task = VideoTask.objects.get(prompt={prompt!r})
report = Task(id="sb_1", status={word!r}, progress={progress}, video_url="http://127.0.0.1:9/film.mp4")
if task.state == "submitting":
    lifecycle.note_accepted(lifecycle.send_now([task])[0], report.id)
    task.refresh_from_db()
lifecycle.record([(task, report)])
"""
_DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63606060f80f00010401"
    "005fe5c34b0000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[RunningServer, str, list[str]]]:
    """A server with videos, alice's password, and the ids of one that failed, was cancelled, waits."""
    with running_server() as server:
        people: list[dict[str, Any]] = server.seed()["people"]
        password = next(person["password"] for person in people if person["role"] == "owner")
        yield server, password, server.run_python(_SCENE).split()


def _picture(route: Route) -> None:
    """These rows have no files."""
    route.fulfill(body=_DOT, content_type="image/png")


@pytest.fixture
def gallery(visitor: Visitor, scene: tuple[RunningServer, str, list[str]]) -> Page:
    """alice in the gallery."""
    visitor.page.route("**/m/**", _picture)
    sign_in(visitor.page, scene[0], scene[1])
    visitor.page.goto(f"{scene[0].base_url}/videos/")
    return visitor.page


def test_storyboard_is_asked_for_and_its_card_goes_to_done_by_itself(gallery: Page, scene):
    running = gallery.locator("#rail-running")
    before = int(running.evaluate("(count) => count.firstChild.data"))
    gallery.get_by_role("link", name="New video").click()
    prompt = "A red boat on a calm sea, slow pan right"
    gallery.get_by_label("Prompt", exact=True).fill(prompt)
    gallery.get_by_role("button", name="Create video").click()
    card = gallery.locator(".clip", has_text=prompt)
    expect(card).to_contain_text("Queued")
    expect(running).to_contain_text(f"{before + 1}")

    for word, progress, shown in (("running", 40, "Running 40 %"), ("succeeded", None, "Copying the file")):
        scene[0].run_python(_DRIVE.format(prompt=prompt, word=word, progress=progress))
        expect(card).to_contain_text(shown)

    expect(card).to_contain_text("free")
    expect(running).to_contain_text(f"{before}")


def test_free_storyboard_comes_to_stand_beside_the_form(gallery: Page, scene):
    gallery.goto(f"{scene[0].base_url}/videos/new/")
    gallery.get_by_label("Prompt", exact=True).fill("A hare in the grass")

    gallery.get_by_role("button", name="Free storyboard").click()

    expect(gallery.get_by_role("heading", name="Storyboard free, drawn on this server")).to_be_visible()
    expect(gallery.locator(".create-draft .clip")).to_contain_text("Queued")
    expect(gallery.get_by_label("Prompt", exact=True)).to_have_value("A hare in the grass")


def test_estimate_follows_the_form_and_names_what_is_missing(gallery: Page, scene):
    gallery.goto(f"{scene[0].base_url}/videos/new/")

    gallery.get_by_label("Takes").fill("3")
    expect(gallery.locator("#create-button")).to_contain_text("Create 3 takes")
    seed = gallery.get_by_role("textbox", name="Seed")
    seed.fill("lucky")

    expect(gallery.locator("#estimate").get_by_role("link", name="Seed")).to_be_visible()
    expect(seed).to_be_focused()


_PASTE = """([type, name, bytes]) => {
    const clipboardData = new DataTransfer();
    clipboardData.items.add(new File([new Uint8Array(bytes)], name, { type }));
    const pasted = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
    document.activeElement.dispatchEvent(pasted);
}"""


def test_pasted_picture_becomes_the_first_frame(gallery: Page, scene):
    gallery.goto(f"{scene[0].base_url}/videos/new/")
    gallery.get_by_label("Prompt", exact=True).focus()

    gallery.evaluate(_PASTE, ["image/png", "dawn.png", list(films.picture())])

    kept = gallery.locator("[data-upload-kept]")
    expect(kept).to_contain_text("dawn.png")
    expect(gallery.get_by_label("Image to video")).to_be_checked()
    expect(kept.locator("select[name=role]")).to_have_value("first_frame")


def test_clip_is_leafed_through_by_pointer_and_keys(gallery: Page):
    frame = gallery.locator("[data-sprite]").first
    frame.hover(position={"x": 20, "y": 60})
    expect(frame.locator(".clip-time")).to_have_text("0:00")
    gallery.mouse.move(0, 0)
    expect(frame.locator(".clip-sprite")).to_have_count(0)

    frame.locator(".clip-link").focus()
    for _ in range(9):
        gallery.keyboard.press("ArrowRight")

    expect(frame).to_have_attribute("data-tile", "8")
    expect(frame.locator(".clip-time")).to_have_text("0:02")


def test_facets_swap_the_page_and_stay_open_in_it(gallery: Page):
    gallery.locator("#facet-state summary").click()
    menu = gallery.locator("#facet-state")
    menu.get_by_role("checkbox", name="Failed").check()
    expect(gallery.locator(".clip")).to_have_count(1)

    menu.get_by_role("checkbox", name="Cancelled").check()

    expect(gallery.locator(".clip")).to_have_count(2)
    assert re.search(r"/videos/\?state=failed&state=cancelled$", gallery.url)
    gallery.keyboard.press("Escape")
    expect(menu.get_by_role("checkbox", name="Cancelled")).to_be_hidden()


def test_facet_that_nobody_opened_keeps_what_is_chosen_of_it(gallery: Page):
    gallery.goto(f"{gallery.url}?state=failed&state=cancelled")

    gallery.locator("#facet-mode summary").click()
    gallery.locator("#facet-mode").get_by_role("checkbox", name="Text to video").check()

    expect(gallery).to_have_url(re.compile(r"/videos/\?state=failed&state=cancelled&mode=t2v$"))
    expect(gallery.locator(".clip")).to_have_count(2)
    gallery.get_by_role("link", name="Any state").click()
    expect(gallery).to_have_url(re.compile(r"/videos/\?mode=t2v$"))
    expect(gallery.locator(".clip")).to_have_count(30)


def test_menu_that_could_not_be_read_is_read_when_it_is_opened_again(gallery: Page, visitor: Visitor):
    gallery.route("**/videos/menu/**", lambda route: route.abort(), times=1)
    menu = gallery.locator("#facet-state")
    menu.locator("summary").click()
    expect(gallery.get_by_text("The server could not be reached.")).to_be_visible()
    assert len(visitor.complaints) == 2 and all("fetch" in each or "FAILED" in each for each in visitor.complaints)
    visitor.complaints.clear()

    menu.locator("summary").click()
    menu.locator("summary").click()

    expect(menu.get_by_role("checkbox", name="Failed")).to_be_visible()


@pytest.mark.parametrize("width", [900, 1240])
def test_menus_of_facets_open_inside_the_window(gallery: Page, width: int):
    gallery.set_viewport_size({"width": width, "height": 800})

    for facet in gallery.locator(".gallery-facets details").all():
        facet.locator("summary").click()
        expect(facet.get_by_role("checkbox").first).to_be_visible()
        box = facet.locator(".menu").bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= width


def test_more_cards_come_as_one_scrolls(gallery: Page):
    expect(gallery.locator(".clip")).to_have_count(30)

    gallery.locator(".clips-more").scroll_into_view_if_needed()

    expect(gallery.locator(".clip").nth(59)).to_be_attached()


def test_videos_asked_for_elsewhere_are_told_of_and_come_when_wanted(gallery: Page, scene):
    first, told = gallery.locator(".clip").first, gallery.get_by_role("link", name="1 new video")
    expect(first).not_to_contain_text("Asked for elsewhere")

    scene[0].run_python(_ELSEWHERE)
    told.click()

    expect(first).to_contain_text("Asked for elsewhere")
    expect(told).to_be_hidden()
    expect(first.locator(".clip-link")).to_be_focused()
    expect(gallery).to_have_url(f"{scene[0].base_url}/videos/")


def test_first_video_comes_into_an_empty_page_by_itself(gallery: Page, scene):
    gallery.goto(f"{scene[0].base_url}/videos/?q=waited+for")
    expect(gallery.get_by_role("heading", name="No video fits")).to_be_visible()

    scene[0].run_python(_ELSEWHERE.replace("elsewhere", "waited for"))

    expect(gallery.locator(".clip")).to_contain_text("Asked for waited for", timeout=25_000)
    gallery.go_back()
    expect(gallery).to_have_url(f"{scene[0].base_url}/videos/")


def test_poll_that_is_not_answered_says_nothing_and_comes_again(gallery: Page, visitor: Visitor):
    gallery.route("**/videos/live/**", lambda route: route.fulfill(status=503, body="away"))
    for _ in range(2):
        gallery.wait_for_event("response", lambda answer: "/videos/live/" in answer.url)

    expect(gallery.locator(".toast")).to_have_count(0)
    assert all("503" in complaint for complaint in visitor.complaints)
    visitor.complaints.clear()


def test_several_are_selected_deleted_and_brought_back(gallery: Page):
    gallery.get_by_label("Search prompts").fill("Shot 1")
    expect(gallery.locator(".clip")).to_have_count(11)
    boxes = gallery.locator(".clip-pick")
    boxes.nth(1).check()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(gallery.get_by_text("3 selected")).to_be_visible()

    gallery.get_by_role("button", name="Delete").click()
    expect(gallery.locator(".clip")).to_have_count(8)
    gallery.get_by_role("button", name="Undo").click()

    expect(gallery.locator(".clip")).to_have_count(11)


def test_selected_are_tagged_by_the_return_key_and_then_moved(gallery: Page):
    gallery.get_by_label("Search prompts").fill("Shot 2")
    expect(gallery.locator(".clip")).to_have_count(11)
    gallery.locator(".clip-pick").nth(2).check()
    menu = gallery.locator("#selection-tag")
    menu.locator("summary").click()
    menu.get_by_role("textbox").fill("dawn")

    menu.get_by_role("textbox").press("Enter")

    expect(gallery.get_by_text("1 video tagged dawn.")).to_be_visible()
    gallery.locator(".clip-pick").nth(2).check()
    gallery.locator("#selection-move summary").click()
    gallery.get_by_label("New collection").fill("Valley film")
    gallery.get_by_label("New collection").press("Enter")
    expect(gallery.get_by_text("1 video moved to “Valley film”.")).to_be_visible()


def test_what_is_refused_on_a_video_s_own_page_is_in_sight(gallery: Page, visitor: Visitor):
    gallery.set_viewport_size({"width": 390, "height": 800})
    gallery.locator(".clip a").first.click()
    gallery.get_by_label("Add tags").fill("x" * 41)

    gallery.get_by_label("Add tags").press("Enter")

    expect(gallery.get_by_label("Add tags")).to_be_focused()
    said, bar = gallery.locator("#tags-error").bounding_box(), gallery.locator(".rail").bounding_box()
    assert said and bar and said["y"] > 0 and said["y"] + said["height"] <= bar["y"]
    assert "422" in visitor.complaints.pop()


def test_address_of_a_form_opens_to_a_sentence(gallery: Page, visitor: Visitor):
    gallery.goto(gallery.url + "tag/")

    expect(gallery.get_by_role("heading", name="There is nothing to open here")).to_be_visible()
    assert "405" in visitor.complaints.pop()


def test_rows_are_as_wide_as_the_page_and_crop_nothing(gallery: Page):
    frames = gallery.locator(".clip-frame").evaluate_all(
        "all => all.map(f => [f.getBoundingClientRect(), Number(f.closest('.clip').dataset.aspect)])"
        ".map(([box, aspect]) => [box.top, box.height, box.width / box.height / aspect])"
    )

    assert all(0.98 < stretch < 1.02 for _, _, stretch in frames)
    first_row = [height for top, height, _ in frames if top == frames[0][0]]
    assert len(first_row) > 2 and max(first_row) - min(first_row) < 1


def test_pages_of_videos_break_no_rule_of_accessibility(chromium: Browser, scene):
    server, password, ids = scene
    context = chromium.new_context()
    context.route("**/m/**", _picture)
    page = context.new_page()
    sign_in(page, server, password)
    paths = ["/videos/", "/videos/?view=list", "/videos/?view=small", "/videos/?q=zebra", "/videos/?state=failed"]
    paths += ["/videos/?tag=hero&view=list", "/videos/collections/"]
    paths += ["/videos/new/", f"/videos/new/?remix={ids[0]}", *(f"/videos/{each}/" for each in ids)]

    found = {path: faults(page, server.base_url + path) for path in paths}
    context.close()

    assert {path: rules for path, rules in found.items() if rules} == {}
