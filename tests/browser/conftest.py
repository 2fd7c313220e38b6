"""A real Chromium against a real server, and what it complained about."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.server import RunningServer, running_server

ARGUMENTS = [
    "--no-sandbox",  # a container's root has no other way
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",  # no calls home from a test
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")

expect.set_options(timeout=15_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks these tests and puts them last: Playwright's event loop runs on in its process, where no other can."""
    for item in items:
        if "tests/browser/" in item.nodeid:
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: "tests/browser/" in item.nodeid)


def wait_until(page: Page, true: Callable[[], bool]) -> None:
    """For what a handler of a route notes: it hears of a request a moment after the page made it."""
    for _ in range(300):
        if true():
            return
        page.wait_for_timeout(50)
    raise AssertionError("It has not become true within 15 s.")


def choose_model(page: Page, model_id: str) -> None:
    """As a person does in the composer: type, and take what is found."""
    page.get_by_role("combobox", name="Model", exact=True).fill(model_id)
    page.get_by_role("listbox", name="Models").locator(f'[data-value="{model_id}"]').click()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    executable = os.environ.get("EMMA18_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.fail("Chromium was not found. Install it, or name it in EMMA18_CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Visitor:
    """A person at a browser of their own. `complaints` are console errors, page errors and CSP violations."""

    page: Page
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> Page:
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on(
            "console",
            lambda message: self.complaints.append(f"console: {message.text}") if message.type == "error" else None,
        )
        return page


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    """At 1440 x 900, signed out. Nothing may have been complained about in the end."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    someone = Visitor(page=context.new_page(), context=context)
    someone.watch(someone.page)
    yield someone
    context.close()
    assert someone.complaints == []


@pytest.fixture
def server_with_model() -> Iterator[RunningServer]:
    with running_server() as running:
        running.start_embedded()
        yield running
