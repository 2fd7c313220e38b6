"""A storyboard's film in a real Chromium."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.upstream.storyboard import running_renderer

PLAYED = """async () => {
    const video = document.querySelector("video");
    video.muted = true;
    const ended = new Promise((resolve) => video.addEventListener("ended", resolve));
    await video.play();
    await ended;
    return [video.videoWidth, video.videoHeight, video.duration];
}"""


@pytest.mark.embedded
def test_film_plays_from_its_link_to_its_end(chromium: Browser, tmp_path: Path) -> None:
    with running_renderer(tmp_path) as renderer:
        task = renderer.makes(prompt="A boat on the sea at sunset, slow pan right", ratio="21:9")
        page = chromium.new_page()
        page.goto(task["content"]["video_url"])

        assert page.evaluate(PLAYED) == [992, 432, 1]
        page.close()
