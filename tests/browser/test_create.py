"""A video is asked for from uploaded files in the browser, drawn by the real renderer, and plays."""

import zipfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests import films
from tests.browser.conftest import Visitor
from tests.browser.test_keys import sign_in
from tests.provider import running_provider
from tests.scenes import founded
from tests.server import RunningServer, running_server
from tests.upstream.storyboard import running_renderer
from tests.videos.workers import working

pytestmark = pytest.mark.embedded

WAITS_MS = 90_000
PLAYS = """async (video) => {
    video.muted = true;
    await video.play();
    while (video.currentTime === 0) await new Promise(requestAnimationFrame);
    return [video.videoWidth, video.videoHeight, Math.round(video.duration)];
}"""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_provider() as provider, running_server() as running:
        founded(running, provider, "plain/other")
        with running_renderer(running.data_dir), working(running):
            yield running


def make(page: Page, server: RunningServer, mode: str, add: str, file: tuple[str, str, bytes]) -> Page:
    """The shortest and smallest of a mode from one uploaded file, watched to its end on its own page."""
    name, kind, content = file
    page.goto(f"{server.base_url}/videos/new/")
    page.get_by_label(mode).check(force=True)
    page.get_by_role("textbox", name="Prompt").fill(f"From {name}, slow pan")
    page.get_by_label(add).set_input_files([{"name": name, "mimeType": kind, "buffer": content}])
    expect(page.locator("[data-upload-kept]")).to_have_count(1)
    page.get_by_label("480p").check(force=True)
    page.locator("#id_duration").fill("1")
    page.get_by_role("button", name="Create video").click()
    page.get_by_role("link", name=f"From {name}").click()
    expect(page.locator("#film")).to_be_visible(timeout=WAITS_MS)
    return page


@pytest.mark.parametrize(
    ("mode", "add", "file"),
    [
        ("Image to video", "Add images", ("dawn.png", "image/png", films.picture())),
        ("Video to video", "Add a video", ("walk.mp4", "video/mp4", films.film(2, (960, 540)))),
    ],
)
def test_a_video_made_from_an_uploaded_file_plays(visitor: Visitor, server, mode, add, file):
    sign_in(visitor.page, server)

    page = make(visitor.page, server, mode, add, file)

    width, height, seconds = page.locator("#film").evaluate(PLAYS)
    assert (width * height > 400_000, seconds) == (True, 1)
    assert page.locator("#film").evaluate("(video) => video.readyState") >= 2
    expect(page.get_by_text("A storyboard, not a generated video")).to_be_visible()
    page.goto(f"{server.base_url}/videos/")
    page.get_by_label(f"Select From {file[0]}").check(force=True)
    with page.expect_download() as begun:
        page.get_by_role("button", name="Download").click()
    with zipfile.ZipFile(begun.value.path()) as archive:
        assert archive.testzip() is None
        assert [name.rpartition(".")[2] for name in archive.namelist()] == ["mp4", "json"]
