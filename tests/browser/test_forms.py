"""Forms in Chromium: what they do to help before anything is sent."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.test_replies import sign_in
from tests.provider import Provider, running_provider
from tests.scenes import founded
from tests.server import RunningServer, running_server


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def server(provider: Provider) -> Iterator[RunningServer]:
    with running_server() as running:
        founded(running, provider, "story")
        yield running


def test_another_kind_of_provider_does_not_start_with_the_address_of_emma18(visitor: Visitor, server: RunningServer):
    page = visitor.page
    sign_in(page, server)
    page.goto(f"{server.base_url}/providers/#connect")
    address = page.get_by_label("Base URL")
    expect(address).to_have_value("https://emma18.com/api/v1")
    expect(page.locator(".field:has([name=api_key])").get_by_text("optional")).to_be_hidden()

    page.locator("#connect").get_by_text("OpenAI-compatible", exact=True).click()
    expect(address).to_have_value("")
    page.locator("#connect").get_by_text("EMMA18", exact=True).click()
    expect(address).to_have_value("https://emma18.com/api/v1")
