"""The Usage page in a browser: filters swap it and stay in the address, the chart explains a day, rows unfold."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, Route, expect

from tests.browser.conftest import Visitor, wait_until
from tests.browser.test_look import faults
from tests.server import RunningServer, running_server

# Requests of two weeks, in every outcome.
_SCENE = """
from accounts import people
from accounts.models import Attempt, Receipt, Team, User
from accounts.refusals import PaymentRequired
from tests.receipts import finished, fund
team = Team.objects.get(name="Northlight")
alice, bob = (people.member(team, user=User.objects.get(name=name)) for name in ("alice", "bob"))
fund(alice)
for number in range(28):
    finished([alice, bob][number % 2], (number + 1) * 10**8, model_id=f"maker/model-{number % 6}", days_ago=number % 14)
finished(bob, refusal=PaymentRequired("Too dear. Ask alice for more.", limits=[]))
for outcome in (Receipt.Outcome.STOPPED, Receipt.Outcome.INTERRUPTED, Receipt.Outcome.FAILED, Receipt.Outcome.LAPSED):
    finished(alice, outcome=outcome, basis=Attempt.Basis.ESTIMATED)
print(Receipt.objects.latest("pk").request_id)
"""


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[RunningServer, str, str]]:
    """A server with usage, alice's password, and the id of a request."""
    with running_server() as server:
        people: list[dict[str, Any]] = server.seed()["people"]
        password = next(person["password"] for person in people if person["role"] == "owner")
        yield server, password, server.run_python(_SCENE).strip()


def sign_in(page: Page, server: RunningServer, password: str) -> None:
    page.goto(f"{server.base_url}/account/login/")
    page.get_by_label("E-mail").fill("alice@example.org")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/chat/")


@pytest.fixture
def usage(visitor: Visitor, scene: tuple[RunningServer, str, str]) -> Page:
    """alice on the Usage page."""
    server, password, _ = scene
    sign_in(visitor.page, server, password)
    visitor.page.goto(f"{server.base_url}/usage/?range=90d")
    return visitor.page


def test_what_is_chosen_is_shown_and_stays_in_the_address(usage: Page):
    by_model = usage.get_by_role("link", name="By model")
    by_model.click()
    expect(by_model).to_have_attribute("aria-current", "true")  # that it is there, which models in a table are before

    usage.get_by_label("Member", exact=True).select_option("bob")

    expect(by_model).to_contain_text("4")
    assert usage.url.endswith("/usage/?by=model&measure=spend&range=90d&member=2")
    usage.reload()
    expect(usage.get_by_label("Member", exact=True)).to_have_value("2")


@pytest.mark.parametrize("is_first_answered_first", [True, False])
def test_of_two_choices_in_haste_the_last_is_shown(usage: Page, is_first_answered_first: bool):
    held: list[Route] = []
    usage.route("**/usage/?*", lambda route: held.append(route))
    for name in ("Tokens", "By key"):
        with usage.expect_request("**/usage/?*"):
            usage.get_by_role("link", name=name).first.click()
    wait_until(usage, lambda: len(held) == 2)

    for route in held if is_first_answered_first else reversed(held):
        with contextlib.suppress(Error):  # the first is no longer asked for
            route.continue_()
        usage.wait_for_timeout(500)

    expect(usage.get_by_role("link", name="By key")).to_have_attribute("aria-current", "true")
    expect(usage.get_by_role("link", name="Spend", exact=True).first).to_have_attribute("aria-current", "true")


def test_step_back_is_the_page_before_and_whole(usage: Page):
    usage.get_by_role("link", name="Tokens", exact=True).click()
    expect(usage.get_by_role("link", name="Tokens", exact=True)).to_have_attribute("aria-current", "true")

    usage.go_back()

    expect(usage.get_by_role("link", name="Spend", exact=True).first).to_have_attribute("aria-current", "true")
    expect(usage.get_by_role("navigation", name="Rooms")).to_be_visible()


def test_chart_explains_a_day_to_pointer_and_keys(usage: Page):
    tip = usage.locator("[data-tip]")

    usage.locator(".chart-day[data-day]").last.hover()
    expect(tip).to_contain_text("alice")
    usage.mouse.move(0, 0)
    expect(tip).to_be_hidden()

    usage.locator("[data-plot]").focus()
    usage.keyboard.press("ArrowLeft")
    usage.keyboard.press("ArrowLeft")
    expect(tip).to_contain_text("bob")


def test_request_unfolds_into_its_receipt_and_folds_again(usage: Page):
    arrow = usage.get_by_label("Receipt of").first

    arrow.click()
    expect(usage.get_by_role("heading", name="Money")).to_be_visible()
    expect(arrow).to_have_attribute("aria-expanded", "true")
    arrow.click()

    expect(usage.get_by_role("heading", name="Money")).to_be_hidden()


def test_log_is_searched_and_filtered(usage: Page, scene: tuple[RunningServer, str, str]):
    usage.goto(f"{scene[0].base_url}/usage/requests/")

    usage.get_by_label("Outcome").select_option("refused")
    expect(usage.locator(".requests-table tbody tr")).to_have_count(1)
    assert usage.url.endswith("/usage/requests/?outcome=refused")

    with usage.expect_response("**/usage/requests/*"):
        usage.get_by_label("Outcome").select_option("")
    usage.get_by_label("Search requests").fill("nobody")
    usage.keyboard.press("Enter")
    expect(usage.get_by_text("Nothing matches “nobody”")).to_be_visible()


def test_page_full_of_usage_breaks_no_rule_of_accessibility(chromium: Browser, scene):
    server, password, request_id = scene
    context = chromium.new_context()
    page = context.new_page()
    sign_in(page, server, password)
    paths = ["/usage/", "/usage/?range=90d&by=model", "/usage/?model=absent", "/usage/requests/"]

    found = {path: faults(page, server.base_url + path) for path in [*paths, f"/usage/requests/{request_id}/"]}
    context.close()

    assert {path: rules for path, rules in found.items() if rules} == {}
