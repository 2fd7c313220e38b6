"""Replies in Chromium: hostile ones stay inert, and people without JavaScript and with other windows see them too."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Visitor, choose_model
from tests.chat.test_markdown import HOSTILE
from tests.conftest import PASSWORD
from tests.provider import Provider, running_provider
from tests.scenes import founded
from tests.server import RunningServer, running_server

ENDLESS = "endless " * 2000


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        running.script("hostile", text="\n\n".join(HOSTILE) + "\n\nThe end.")
        running.script("wall", text="x" * 1_000_000)
        running.script("story", text="Once upon a time.\n\n# Heading\n\nThe end.", delay_s=0.1)
        running.script("endless", text=ENDLESS, delay_s=0.02)
        yield running


@pytest.fixture(scope="module")
def server(provider: Provider) -> Iterator[RunningServer]:
    with running_server() as running:
        founded(running, provider, "hostile", "wall", "story", "endless")
        yield running


def sign_in(page: Page, server: RunningServer, email: str = "alice@example.org") -> None:
    page.goto(f"{server.base_url}/account/login/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile("/chat/"))


def ask(page: Page, model: str) -> None:
    choose_model(page, model)
    send(page)


def send(page: Page) -> None:
    page.get_by_label("Your message").fill("Tell me.")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url(re.compile("/chat/conv_"))


def test_hostile_output_is_inert_while_it_streams_and_after(visitor: Visitor, server: RunningServer):
    page = visitor.page
    sign_in(page, server)
    ask(page, "hostile")
    expect(page.get_by_text("The end.")).to_be_visible()
    expect(page.locator("[data-follow]")).to_have_count(0)

    for _ in range(2):
        assert page.evaluate("() => window.__xss") is None
        assert page.locator(".prose :is(img, script, iframe, svg:not(.icon), style, form, [onerror])").count() == 0
        assert page.locator(".prose a:not([rel~=nofollow])").count() == 0
        page.reload()


def test_a_megabyte_without_a_break_is_shown_and_the_page_stays_alive(visitor: Visitor, server: RunningServer):
    page = visitor.page
    sign_in(page, server)
    ask(page, "wall")
    expect(page.locator("[data-follow]")).to_have_count(0, timeout=60_000)

    assert page.locator(".prose .plain").evaluate("wall => wall.textContent.length") == 1_000_000
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_label("Your message").fill("Still here.")


def test_without_javascript_the_reply_is_there_after_the_page_reloads_itself(chromium: Browser, server: RunningServer):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, server)
    page.get_by_role("combobox", name="Model", exact=True).select_option("story")
    send(page)

    expect(page.get_by_role("heading", name="Heading")).to_be_visible()
    expect(page.get_by_text("The end.")).to_be_visible()
    context.close()


@pytest.mark.parametrize("lost", ["csrftoken", "sessionid"])
def test_a_message_that_was_not_taken_is_there_after_a_reload(visitor: Visitor, server: RunningServer, lost: str):
    page = visitor.page
    sign_in(page, server)
    ask(page, "story")
    expect(page.get_by_text("The end.")).to_be_visible()
    conversation, message = page.url, page.get_by_label("Your message")
    message.fill("A long message.")
    visitor.context.clear_cookies(name=lost)

    page.get_by_role("button", name="Send").click()
    if lost == "csrftoken":
        expect(page.get_by_text("This page was open for too long.")).to_be_visible()
        assert "403" in visitor.complaints.pop()
        page.reload()
    else:
        page.get_by_label("E-mail").fill("alice@example.org")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(conversation)
    expect(message).to_have_value("A long message.")

    page.get_by_role("button", name="Send").click()
    expect(message).to_have_value("")
    page.reload()
    expect(message).to_have_value("")
    page.goto(f"{server.base_url}/chat/")
    expect(message).to_have_value("")


BOB = f"""
from accounts import people
from accounts.models import Membership, User
bob = User.objects.create_user(email="bob@example.org", password={PASSWORD!r}, name="bob")
people.add_member(Membership.objects.get(user__email="alice@example.org").team, user=bob, role=Membership.Role.MEMBER)
"""


def test_a_message_that_was_not_taken_is_nobody_elses(visitor: Visitor, server: RunningServer):
    server.run_python(BOB)
    page, message = visitor.page, visitor.page.get_by_label("Your message")
    sign_in(page, server)
    page.goto(f"{server.base_url}/chat/")
    message.fill("For nobody else.")
    visitor.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url(re.compile("/account/login/"))

    sign_in(page, server, "bob@example.org")
    page.goto(f"{server.base_url}/chat/")
    expect(message).to_have_value("")

    visitor.context.clear_cookies(name="sessionid")
    sign_in(page, server)
    page.goto(f"{server.base_url}/chat/")
    expect(message).to_have_value("For nobody else.")


def test_another_window_sees_the_reply_grow_and_stops_it(visitor: Visitor, server: RunningServer):
    page = visitor.page
    sign_in(page, server)
    ask(page, "endless")
    expect(page.get_by_text("endless endless")).to_be_visible()

    other = visitor.watch(visitor.context.new_page())
    other.goto(page.url)
    expect(other.get_by_text("endless endless")).to_be_visible()
    other.get_by_role("button", name="Stop").click()

    for window in (page, other):
        expect(window.get_by_text("Stopped", exact=True)).to_be_visible()


def test_a_reader_who_scrolled_up_is_left_in_peace_and_can_jump_back(visitor: Visitor, server: RunningServer):
    page = visitor.page
    page.set_viewport_size({"width": 700, "height": 420})
    sign_in(page, server)
    ask(page, "endless")
    thread = page.locator("#thread")
    page.wait_for_function("() => document.getElementById('thread').scrollTop > 200")

    thread.evaluate("thread => thread.scrollTop = 0")
    jump = page.get_by_role("button", name="Jump to live")
    expect(jump).to_be_visible()
    assert thread.evaluate("thread => thread.scrollTop") == 0
    jump.click()
    expect(jump).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()


def test_conversations_are_renamed_and_deleted_by_keyboard_and_button(visitor: Visitor, server: RunningServer):
    page = visitor.page
    sign_in(page, server)
    ask(page, "story")
    expect(page.locator("[data-follow]")).to_have_count(0)

    page.get_by_role("button", name="Rename or delete").click()
    page.get_by_label("Title").fill("A short story")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="A short story")).to_be_visible()
    page.get_by_role("button", name="Rename or delete").click()
    page.get_by_role("button", name="Delete conversation").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile("/chat/$"))
    expect(page.get_by_role("link", name="A short story")).to_have_count(0)
