"""A key is made in the browser, a program calls with it, and the page that shows the key tells what came of it."""

from collections.abc import Iterator

import openai
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Visitor
from tests.browser.test_look import faults
from tests.provider import REPLY, Provider, running_provider
from tests.scenes import founded
from tests.server import RunningServer, running_server

_FUNDED = """
from accounts import people
from accounts.models import Team, User
from tests.receipts import fund
fund(people.member(Team.objects.get(name="Northlight"), user=User.objects.get(name="alice")))
"""


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[RunningServer, Provider]]:
    with running_provider() as provider, running_server() as server:
        founded(server, provider, "plain/other")
        server.run_python(_FUNDED)
        yield server, provider


def sign_in(page: Page, server: RunningServer) -> None:
    page.goto(f"{server.base_url}/account/login/?next=/keys/")
    page.get_by_label("E-mail").fill("alice@example.org")
    page.get_by_label("Password", exact=True).fill("a long enough password")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/keys/")


def make_key(page: Page, name: str) -> str:
    page.get_by_role("link", name="Create key").click()
    page.locator("#key_name").fill(name)
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("Waiting for your first request")).to_be_visible()
    return page.locator("#fresh-key").inner_text()


def call(server: RunningServer, key: str, model: str) -> str | None:
    with openai.OpenAI(base_url=f"{server.base_url}/api/v1", api_key=key, max_retries=0) as client:
        messages = [{"role": "user", "content": "Hello"}]
        return client.chat.completions.create(model=model, messages=messages).choices[0].message.content  # type: ignore[arg-type]


def test_a_new_keys_page_tells_of_its_first_request_without_a_reload(visitor: Visitor, scene):
    server, provider = scene
    page = visitor.page
    sign_in(page, server)
    key = make_key(page, "halden-batch")

    assert call(server, key, "plain/small") == REPLY

    version = ".".join(openai.__version__.split(".")[:2])
    told = page.locator("#first-request")
    expect(told).to_contain_text(f"Received 200 from openai-python {version}, cost $")
    assert told.get_attribute("hx-trigger") is None
    page.reload()
    expect(page.get_by_role("row", name=f"halden-batch {key[:5]}")).to_contain_text("Active")
    assert key not in page.content()


def test_limits_are_typed_a_refused_call_is_told_and_the_key_is_rotated(visitor: Visitor, scene):
    server, _ = scene
    page = visitor.page
    sign_in(page, server)
    page.get_by_role("link", name="Create key").click()
    page.locator("#key_name").fill("ci-nightly")
    page.locator("summary", has_text="Limits").click()
    page.get_by_text("Only these").click()
    page.get_by_label("plain/other").check()
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("Key made, 1 model")).to_be_visible()
    key = page.locator("#fresh-key").inner_text()

    with pytest.raises(openai.PermissionDeniedError, match="ci-nightly may call plain/other only"):
        call(server, key, "plain/small")
    expect(page.locator("#first-request")).to_contain_text("Received 403 from openai-python")

    page.get_by_role("button", name="Actions for ci-nightly").click()
    page.get_by_role("link", name="Rotate").click()
    page.get_by_role("button", name="Rotate key").click()
    expect(page.get_by_text("The new key “ci-nightly” is ready")).to_be_visible()
    assert call(server, key, "plain/other") == call(server, page.locator("#fresh-key").inner_text(), "plain/other")
    expect(page.locator("#first-request")).to_contain_text("Received 200 from openai-python")


def test_the_list_is_searched_as_one_types(visitor: Visitor, scene):
    server, _ = scene
    page = visitor.page
    sign_in(page, server)
    for name in ("laptop", "storyboards"):
        make_key(page, name)
    page.goto(f"{server.base_url}/keys/")

    page.get_by_label("Search keys").press_sequentially("story")

    expect(page.get_by_role("row", name="laptop")).to_have_count(0)
    expect(page.get_by_role("row", name="storyboards")).to_be_visible()
    expect(page.get_by_label("Search keys")).to_be_focused()


def test_keys_break_no_rule_of_accessibility(chromium: Browser, scene):
    server, _ = scene
    context = chromium.new_context()
    page = context.new_page()
    sign_in(page, server)
    make_key(page, "ci-weekly")
    page.get_by_role("button", name="Actions for ci-weekly").click()
    rotate = page.get_by_role("link", name="Rotate").get_attribute("href")
    change = page.get_by_role("link", name="Edit limits").get_attribute("href")

    found = [faults(page, server.base_url + path) for path in ("/keys/", "/keys/?new", str(rotate), str(change))]
    context.close()

    assert found == [[], [], [], []]
