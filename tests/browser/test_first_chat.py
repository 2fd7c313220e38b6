"""The first minute of a new installation, in Chromium with the real built-in model."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.server import RunningServer

pytestmark = pytest.mark.embedded

# The model goes on with this for minutes, until its context is full.
LONG = "Write a detailed essay on the history of bread with forty chapters. Start with Chapter 1, go on to Chapter 40."

# Notes each different length of the thread's text as the page paints it.
WATCH_GROWTH = """
() => {
  window.lengths = new Set();
  const look = () => {
    window.lengths.add(document.getElementById("thread").innerText.length);
    requestAnimationFrame(look);
  };
  look();
}
"""


def found(page: Page, base_url: str) -> None:
    """Sign up as the first owner."""
    page.goto(base_url)
    page.get_by_label("Your name").fill("alice")
    page.get_by_label("E-mail").fill("alice@example.org")
    page.get_by_label("Password", exact=True).fill("a long enough password")
    page.get_by_label("Team name").fill("Northlight")
    page.get_by_role("button", name="Create owner account").click()
    page.wait_for_url(re.compile("/welcome/"))


def written(page: Page) -> int:
    return len(page.locator("article[data-role=assistant] .prose").last.inner_text())


def grown_past(page: Page, length: int) -> None:
    page.wait_for_function(
        "length => [...document.querySelectorAll('[data-role=assistant] .prose')].at(-1).innerText.length > length",
        arg=length,
        timeout=60_000,
    )


def test_the_first_owner_chats_reloads_and_stops(visitor: Visitor, server_with_model: RunningServer):
    page = visitor.page
    found(page, server_with_model.base_url)

    page.get_by_role("link", name="Skip to Playground").click()
    composer = page.get_by_label("Your message")
    expect(composer).to_be_focused()
    composer.fill(LONG)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/chat/conv_"))
    page.evaluate(WATCH_GROWTH)
    grown_past(page, 300)
    assert page.evaluate("window.lengths.size") > 10

    page.reload()
    after_reload = written(page)
    assert after_reload >= 250
    grown_past(page, after_reload + 300)
    expect(page.get_by_text("Writing")).to_be_visible()

    page.keyboard.press("Escape")
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
    kept = written(page)
    page.reload()
    assert abs(written(page) - kept) < 5
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_a_second_message_goes_under_the_first_reply(visitor: Visitor, server_with_model: RunningServer):
    page = visitor.page
    found(page, server_with_model.base_url)
    page.goto(f"{server_with_model.base_url}/chat/")
    expect(page.get_by_label("Your message")).to_be_focused()
    page.get_by_label("Your message").fill("Say hello.")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/chat/conv_"))
    expect(page.locator("[data-follow]")).to_have_count(0, timeout=60_000)

    page.get_by_label("Your message").fill("And goodbye.")
    page.get_by_role("button", name="Send").click()

    expect(page.locator("article")).to_have_count(4)
    expect(page.get_by_label("Your message")).to_have_value("")
    expect(page.locator("[data-follow]")).to_have_count(0, timeout=60_000)
    expect(page.get_by_text("in, ")).to_have_count(2)
