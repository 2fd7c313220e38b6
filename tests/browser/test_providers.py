"""A provider's whole life on its page in a real browser: picked, tested, connected, synced, paused, resumed, moved."""

from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.test_usage import sign_in
from tests.provider import running_provider
from tests.server import running_server


def test_provider_is_connected_synced_paused_resumed_and_moved(visitor: Visitor):
    with running_server() as server, running_provider() as provider:
        people = server.seed()["people"]
        page = visitor.page
        sign_in(page, server, next(person["password"] for person in people if person["role"] == "owner"))

        page.goto(f"{server.base_url}/providers/")
        page.get_by_role("link", name="Connect provider").click()
        page.get_by_role("link", name="LiteLLM").click()
        expect(page.get_by_label("Name")).to_have_value("LiteLLM")
        page.get_by_label("Base URL").fill(provider.base_url)
        page.locator("#id_api_key").fill(provider.key)
        page.get_by_role("button", name="Test connection").click()
        expect(page.get_by_text("2 models found")).to_be_visible()
        page.get_by_role("button", name="Connect", exact=True).click()
        expect(page.get_by_text("LiteLLM is connected.")).to_be_visible()

        provider.models = [*provider.models[1:], {"id": "plain/huge"}]
        card = page.locator(".provider", has_text="LiteLLM")
        card.get_by_role("button", name="Sync").click()
        expect(page.get_by_role("heading", name="Catalog of LiteLLM changed")).to_be_visible()
        page.get_by_role("button", name="Apply 2 changes").click()
        expect(page.get_by_text("LiteLLM serves 2 models.")).to_be_visible()

        card.get_by_role("button", name="Pause", exact=True).click()
        expect(page.get_by_role("dialog")).to_contain_text("plain/huge")
        page.get_by_role("button", name="Pause provider").click()
        expect(card.get_by_text("Paused by")).to_be_visible()
        card.get_by_role("button", name="Resume").click()
        expect(card.get_by_text("Healthy")).to_be_visible()
        assert visitor.complaints == []


_THREE = """
from accounts import vault
from accounts.models import Team
for name in ("First", "Second", "Third"):
    vault.store(Team.objects.get(name="Northlight"), kind="openai-compatible", name=name,
        base_url="https://p.example.org/v1", api_key="")
"""


def test_providers_are_put_in_order_by_the_mouse_and_by_the_arrow_keys(visitor: Visitor):
    with running_server() as server:
        people = server.seed()["people"]
        server.run_python(_THREE)
        page = visitor.page
        sign_in(page, server, next(person["password"] for person in people if person["role"] == "owner"))
        page.goto(f"{server.base_url}/providers/")
        names = page.locator(".provider[data-place] .provider-head h2")
        expect(names).to_have_text(["First", "Second", "Third"])

        third = page.locator(".provider", has_text="Third")
        third.locator(".provider-grip").drag_to(page.locator(".provider", has_text="First").locator(".provider-head"))
        expect(names).to_have_text(["Third", "First", "Second"])

        page.get_by_role("button", name="Try Third later").focus()
        page.keyboard.press("ArrowDown")
        expect(names).to_have_text(["First", "Third", "Second"])
        expect(page.get_by_role("button", name="Try Third later")).to_be_focused()
        page.keyboard.press("ArrowDown")
        expect(names).to_have_text(["First", "Second", "Third"])
        expect(page.get_by_role("button", name="Try Third earlier")).to_be_focused()  # the other one leads nowhere
        page.keyboard.press("ArrowUp")
        expect(names).to_have_text(["First", "Third", "Second"])

        page.reload()
        expect(names).to_have_text(["First", "Third", "Second"])
        assert visitor.complaints == []
