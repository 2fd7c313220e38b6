"""The Models page in a browser: typing finds, facets and boxes stay in the address, more rows come by scrolling."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Visitor, wait_until
from tests.browser.test_usage import sign_in
from tests.server import RunningServer, running_server

_SCENE = """
from accounts import people, vault
from accounts.models import Team, User
from catalog import sync
from tests.receipts import fund
from upstream.models import ListedModel
team = Team.objects.get(name="Northlight")
fund(people.member(team, user=User.objects.get(name="alice")))
lab = vault.store(team, kind="openai-compatible", name="Lab", base_url="https://lab.example.org", api_key="")
sync.apply(lab, [ListedModel(name, name, "", None, None, None) for name in ("kimi-k2.6", "kimi-k3", "GLM5.1")])
"""


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[RunningServer, str]]:
    """A server whose team has a provider, and alice's password."""
    with running_server() as server:
        people: list[dict[str, Any]] = server.seed()["people"]
        server.run_python(_SCENE)
        yield server, next(person["password"] for person in people if person["role"] == "owner")


def opened(visitor: Visitor, scene: tuple[RunningServer, str], path: str = "/models/") -> Page:
    server, password = scene
    sign_in(visitor.page, server, password)
    visitor.page.goto(server.base_url + path)
    return visitor.page


def test_slash_and_typing_find_a_model_and_its_page(visitor, scene):
    page = opened(visitor, scene)

    page.keyboard.press("/")
    page.keyboard.type("kimi k2.6")

    expect(page.locator(".models-table tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=kimi\+k2\.6"))
    expect(page.get_by_label("Search models, providers, abilities")).to_be_focused()
    page.get_by_role("link", name="moonshotai/kimi-k2.6").click()
    expect(page.get_by_role("heading", name="Kimi K2.6")).to_be_visible()


def test_what_is_typed_while_the_page_still_loads_is_searched(visitor, scene):
    page = opened(visitor, scene, "/chat/")
    held: list[Route] = []
    page.route("**/htmx-*.js", lambda route: held.append(route))
    page.goto(f"{scene[0].base_url}/models/", wait_until="commit")
    page.get_by_label("Search models, providers, abilities").fill("kimi k2.6")

    wait_until(page, lambda: bool(held))
    held[0].continue_()

    expect(page.locator(".models-table tbody tr")).to_have_count(1)


def test_facet_stays_chosen_in_the_address_and_after_a_reload(visitor, scene):
    page = opened(visitor, scene)

    page.get_by_role("checkbox", name="Lab 3").check()

    expect(page.get_by_role("status").filter(has_text="3 of")).to_be_visible()
    page.reload()
    expect(page.get_by_role("checkbox", name="Lab 3")).to_be_checked()
    expect(page.locator(".models-table tbody tr")).to_have_count(3)


def test_ticked_models_are_compared_also_when_a_search_leaves_one_out(visitor, scene):
    page = opened(visitor, scene)

    page.get_by_label("Compare moonshotai/kimi-k2.6").check()
    expect(page.get_by_text("1 of 4 selected")).to_be_visible()
    page.get_by_label("Search models, providers, abilities").fill("glm-5.1")
    expect(page.locator(".models-table tbody tr")).to_have_count(1)
    page.get_by_label("Compare z-ai/glm-5.1").check()
    page.get_by_role("link", name="Compare 2").click()

    expect(page.get_by_role("columnheader")).to_have_text(["z-ai/glm-5.1", "moonshotai/kimi-k2.6"])


def test_heading_turns_the_order_round(visitor, scene):
    page = opened(visitor, scene, "/models/?provider=Lab&sort=model")

    page.get_by_role("link", name="Model", exact=True).click()

    expect(page.locator(".models-table tbody th").first).to_have_text("z-ai/glm-5.1")
    expect(page).to_have_url(re.compile("sort=-model"))


def test_more_rows_come_as_one_scrolls(visitor, scene):
    page = opened(visitor, scene)
    rows = page.locator(".models-table tbody tr:not(.models-more)")
    expect(rows).to_have_count(60)

    page.locator(".models-more").scroll_into_view_if_needed()

    expect(rows).to_have_count(180)


def test_try_it_opens_the_playground_with_the_model(visitor, scene):
    page = opened(visitor, scene, "/models/moonshotai/kimi-k2.6")

    page.get_by_role("link", name="Try it").click()

    expect(page.locator("select[name=model]")).to_have_value("moonshotai/kimi-k2.6")
    expect(page.get_by_role("combobox", name="Model", exact=True)).to_have_value(re.compile("Kimi K2.6"))


def test_the_model_of_the_composer_is_searched_and_chosen_with_the_keyboard(visitor, scene):
    page = opened(visitor, scene, "/chat/")
    field, found = page.get_by_role("combobox", name="Model", exact=True), page.get_by_role("listbox", name="Models")

    field.fill("kimi k3")
    expect(found.get_by_role("option", selected=True)).to_contain_text("Kimi K3")
    field.press("Enter")
    expect(found).to_be_hidden()
    expect(page.locator("select[name=model]")).to_have_value("moonshotai/kimi-k3")

    field.press("ArrowDown")
    expect(field).to_have_attribute("aria-expanded", "true")
    field.press("ArrowUp")
    field.press("Escape")
    expect(field).to_have_value(re.compile("Kimi K3"))
    expect(page.locator("select[name=model]")).to_have_value("moonshotai/kimi-k3")
