"""The form of a new video: what it submits, what it says at which field, what it estimates, and remixes."""

import html
import re

import pytest

from accounts.models import Hold, Receipt, Wallet
from tests.clips import clip
from tests.conftest import signed_in
from videos import links
from videos.models import VideoTask
from videos.modes import SEEDANCE, SEEDANCE_FAST, STORYBOARD

State = VideoTask.State
FORM = {
    "mode": "t2v",
    "prompt": "A fox in the snow",
    "model": SEEDANCE,
    "resolution": "720p",
    "ratio": "16:9",
    "duration": "5",
    "seed": "",
    "generate_audio": "on",
    "takes": "1",
    "key": "once",
}
IMAGE, VIDEO = "https://example.org/a.png", "https://example.org/a.mp4"


@pytest.fixture
def browser(alice, funded, ark):
    return signed_in(alice)


def sent(browser, **changes):
    return browser.post("/videos/new/", {**FORM, **changes})


def text(page) -> str:
    return html.unescape(re.sub(r"\s+", " ", page.text))


def test_form_takes_a_video_on_and_leads_to_the_gallery(browser):
    answer = sent(browser)

    task = VideoTask.objects.get()
    assert answer.headers["location"] == "/videos/"
    assert (task.prompt, task.model_id, task.spec["ratio"], task.client) == (
        FORM["prompt"],
        SEEDANCE,
        "16:9",
        "browser",
    )
    assert Wallet.objects.get().held_nanousd == task.estimated_nanousd == 756_000_000


def test_form_that_is_sent_twice_makes_nothing_twice(browser):
    for _ in range(2):
        sent(browser, takes="3")

    assert VideoTask.objects.count() == Hold.objects.count() == 3


def test_changed_form_with_the_same_key_is_another_wish(browser):
    sent(browser)

    assert sent(browser, prompt="A hare").status_code == 302
    assert VideoTask.objects.count() == 2


def test_takes_of_several_models_are_one_shot(browser):
    sent(browser, model=[SEEDANCE, SEEDANCE_FAST], takes="2")

    tasks = list(VideoTask.objects.order_by("pk"))
    assert [task.take for task in tasks] == [1, 2, 3, 4]
    assert {task.shot for task in tasks} == {tasks[0].public_id}
    assert [task.model_id for task in tasks] == [SEEDANCE, SEEDANCE, SEEDANCE_FAST, SEEDANCE_FAST]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prompt": " "}, "Say what is to be seen."),
        ({"prompt": "x" * 10_001}, "at most 10000 characters"),
        ({"model": []}, "Choose at least one model."),
        ({"model": "nonsense"}, "nonsense is not one of the available choices"),
        ({"duration": "16"}, "Duration of Seedance 2.0 must be a whole number of seconds from 4 to 15"),
        ({"duration": "five"}, "Enter a whole number of seconds."),
        ({"seed": "4294967296"}, "Seed must be a whole number from -1 to 4,294,967,295."),
        ({"seed": "lucky"}, "Seed must be a whole number"),
        ({"takes": "9"}, "Make 1 to 8 takes at once."),
        ({"model": SEEDANCE_FAST, "resolution": "4k"}, "Resolution of Seedance 2.0 Fast must be one of 480p, 720p."),
        ({"mode": "i2v"}, "Add an image: this way starts from one."),
        ({"mode": "v2v"}, "Add a video: this way follows one."),
        ({"mode": "i2v", "url": VIDEO, "reference": IMAGE, "role": "first_frame"}, "belongs to “Video to video”"),
        ({"mode": "i2v", "url": "ftp://example.org/a.png"}, "This must be an http(s) or data: address"),
        ({"mode": "i2v", "url": "http://10.0.0.1/a.png"}, "leads to a private network"),
        ({"mode": "i2v", "reference": [IMAGE] * 10, "role": ["reference_image"] * 10}, "10 image references are more"),
        (
            {"mode": "i2v", "reference": [IMAGE, IMAGE], "role": ["first_frame", "reference_image"]},
            "A first or last frame cannot be mixed with other references.",
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_is_kept(browser, changes, sentence):
    page = sent(browser, **changes)

    assert page.status_code == 422
    assert sentence in text(page)
    assert not VideoTask.objects.exists()
    assert changes.get("prompt", "A fox in the snow").strip()[:40] in page.text


def test_references_keep_their_roles(browser):
    sent(browser, mode="i2v", reference=[IMAGE, IMAGE], role=["first_frame", "last_frame"])

    assert [each["role"] for each in VideoTask.objects.get().spec["references"]] == ["first_frame", "last_frame"]


def test_text_to_video_leaves_references_of_other_tabs_aside(browser):
    sent(browser, reference=IMAGE, role="first_frame")

    assert VideoTask.objects.get().spec["references"] == []


@pytest.mark.parametrize(
    ("typed", "mode", "role"),
    [(IMAGE, "i2v", "First frame"), (VIDEO, "v2v", "Reference video"), (IMAGE, "v2v", "Reference image")],
)
def test_references_are_added_and_left_out_without_a_script(browser, typed, mode, role):
    added = sent(browser, mode=mode, url=typed, update="1")
    assert added.status_code == 200
    assert f"selected>{role}" in added.text and "A fox in the snow" in added.text

    left_out = sent(browser, mode=mode, reference=typed, role="reference_image", drop="0")

    assert ' name="reference"' not in left_out.text


def test_clip_of_the_gallery_becomes_a_reference_with_a_link(browser, alice):
    used = clip(alice)
    page = browser.get(f"/videos/new/?use={used.public_id}&as=last_frame.png")
    value = f"{used.public_id}/{links.LAST_FRAME}"
    assert f'value="{value}"' in page.text and "Last frame of A drone" in page.text

    sent(browser, mode="i2v", reference=value, role="first_frame")

    url = VideoTask.objects.latest("pk").spec["references"][0]["url"]
    assert url.startswith(f"http://testserver/m/{value}?exp=")


def test_clip_of_another_team_is_no_reference(browser, charlie):
    value = f"{clip(charlie).public_id}/{links.VIDEO}"

    page = sent(browser, mode="v2v", reference=value, role="reference_video")

    assert page.status_code == 422 and "This must be an http(s) or data: address" in text(page)


def test_remix_fills_the_form_and_leaves_the_seed_to_chance(browser, alice):
    task = clip(alice, prompt="A boat, slow pan", ratio="21:9", model_id=SEEDANCE_FAST)

    remix, kept = (browser.get(f"/videos/new/?remix={task.public_id}{more}") for more in ("", "&seed=keep"))

    assert "A boat, slow pan" in remix.text
    assert re.search(rf'value="{SEEDANCE_FAST}"\s+checked', remix.text) and re.search(
        r'value="21:9"\s+checked', remix.text
    )
    assert "78674" not in remix.text and 'value="78674"' in kept.text


def test_storyboard_is_drawn_first_and_the_form_waits_beside_it(browser):
    answer = sent(browser, draft="1", model=[SEEDANCE, SEEDANCE_FAST], takes="2")

    drawn = VideoTask.objects.get()
    page = browser.get(answer.headers["location"])
    assert (drawn.model_id, drawn.estimated_nanousd) == (STORYBOARD, 0)
    assert f'id="clip-{drawn.public_id}"' in page.text and "A fox in the snow" in page.text
    assert re.search(rf'value="{SEEDANCE_FAST}"\s+checked', page.text) and "Create 4 takes" in text(page)


def test_estimate_says_how_the_price_is_made_and_what_is_missing(browser):
    told = text(browser.post("/videos/new/estimate/", {**FORM, "prompt": "", "takes": "3"}))

    assert "5 s × 1280 × 720 × 24 fps" in told and "108,000 tokens" in told
    assert "$7.00 a million" in told and "Create 3 takes <span>$2.27" in told and "leaves $997.73" in told
    assert '1 thing to fix before you can create: <a href="#id_prompt">Prompt</a>' in told
    assert not VideoTask.objects.exists()


def test_page_shows_the_price_of_what_it_proposes(browser):
    assert "Create video <span>$0.7560" in text(browser.get("/videos/new/"))


def test_without_a_provider_it_offers_the_storyboard_and_says_what_to_connect(alice):
    page = signed_in(alice).get("/videos/new/")

    assert re.search(rf'value="{STORYBOARD}"\s+checked', page.text)
    assert "No provider of your team offers it." in page.text

    refused = signed_in(alice).post("/videos/new/", FORM)
    assert refused.status_code == 403 and "Volcengine Ark" in refused.text


def test_what_money_refuses_is_explained_and_the_rest_is_sent_by_the_same_form(browser, alice):
    dear = {"resolution": "4k", "duration": "15", "takes": "8", "model": [SEEDANCE]}
    while (page := sent(browser, **dear, key=str(VideoTask.objects.count()))).status_code == 302:
        pass

    refused = Receipt.objects.filter(outcome="refused").latest("pk")
    count = VideoTask.objects.count()
    assert page.status_code == 402 and f'href="/why/{refused.request_id}/"' in page.text
    assert browser.get(f"/why/{refused.request_id}/").status_code == 200
    sent(browser, **dear, key=str(count - count % 8))
    assert VideoTask.objects.count() == count


def test_viewers_do_not_create(vera):
    assert signed_in(vera).get("/videos/new/").status_code == 403
    assert "New video" not in signed_in(vera).get("/videos/").text
