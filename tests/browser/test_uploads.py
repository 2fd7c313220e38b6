"""Reference files are sent from a form in the browser, with progress, and become part of it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests import films
from tests.browser.conftest import Visitor
from tests.browser.test_keys import sign_in
from tests.provider import running_provider
from tests.scenes import founded
from tests.server import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_provider() as provider, running_server() as running:
        founded(running, provider, "plain/other")
        yield running


@pytest.fixture
def page(visitor: Visitor, server: RunningServer) -> Page:
    """The form of a new video that is made from images."""
    sign_in(visitor.page, server)
    visitor.page.goto(f"{server.base_url}/videos/new/")
    visitor.page.get_by_label("Image to video").check(force=True)
    return visitor.page


def choose(page: Page, *files: tuple[str, bytes]) -> None:
    page.get_by_label("Add images").set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in files]
    )


def addresses(page: Page) -> list[str]:
    return page.evaluate("[...new FormData(document.getElementById('create')).getAll('reference')]")  # type: ignore[no-any-return]


def look(page: Page, name: str) -> None:
    if folder := os.environ.get("EMMA18_TEST_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_files_that_are_chosen_become_part_of_the_form_and_may_be_left_out(page: Page):
    choose(page, ("dawn.png", films.picture()), ("dusk.png", films.picture((400, 700))))

    expect(page.locator("[data-upload-kept]")).to_have_count(2)
    expect(page.get_by_text("640 × 360")).to_be_visible()
    assert page.locator("[data-upload-kept] img").first.evaluate(
        "async (image) => (await image.decode(), image.naturalWidth)"
    )
    assert all(address.startswith("upload://up_") for address in addresses(page))
    assert page.evaluate("new FormData(document.getElementById('create')).getAll('role')") == [
        "first_frame",
        "last_frame",
    ]
    look(page, "upload-kept")
    page.get_by_role("button", name="Leave out dawn.png").click()
    assert len(addresses(page)) == 1


def test_what_is_no_picture_says_why_beside_its_name(page: Page, visitor: Visitor, tmp_path: Path):
    (tmp_path / "clip.png").write_text("<html></html>")
    (tmp_path / "huge.png").touch()
    os.truncate(tmp_path / "huge.png", (30 << 20) + 1)

    page.get_by_label("Add images").set_input_files([tmp_path / "clip.png", tmp_path / "huge.png"])

    expect(page.get_by_text("This is not a JPEG, PNG")).to_be_visible()
    expect(page.get_by_text("The file is larger than 30 MB.")).to_be_visible()
    look(page, "upload-refused")
    assert addresses(page) == []
    visitor.complaints[:] = [said for said in visitor.complaints if "422" not in said]


def test_a_file_whose_sending_broke_is_sent_again(page: Page, visitor: Visitor):
    page.route("**/videos/uploads/**", lambda route: route.abort(), times=1)
    choose(page, ("dawn.png", films.picture()))
    expect(page.get_by_text("The connection broke")).to_be_visible()
    look(page, "upload-broken")

    page.get_by_role("button", name="Send again").click()

    expect(page.locator("[data-upload-kept]")).to_have_count(1)
    visitor.complaints[:] = [said for said in visitor.complaints if "ERR_FAILED" not in said]
