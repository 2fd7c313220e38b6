"""A member runs out of money in the middle of a conversation, asks for more, and goes on: two people, two browsers."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import choose_model
from tests.provider import SMALL_MODEL, Provider, running_provider
from tests.server import RunningServer, running_server

PASSWORD = "a long enough password"
_SCENE = f"""
from django.db import transaction
from accounts import budgets, ledger, people
from accounts.models import Budget, Membership, User
from catalog import sync
from emma18_site import onboarding
alice, team = onboarding.found_installation(
    name="alice", email="alice@example.org", password={PASSWORD!r}, team_name="Northlight")
bob = User.objects.create_user(email="bob@example.org", password={PASSWORD!r}, name="bob")
people.add_member(team, user=bob, role=Membership.Role.MEMBER)
sync.connect(team, kind="openai-compatible", name="Loopback", base_url={{base_url!r}}, api_key={{key!r}})
with transaction.atomic():
    ledger.top_up(team, by=alice, key="scene", amount_nanousd=100 * 10**9)
    budgets.limit(team, by=alice, subject=budgets.Subject(member=bob), window=Budget.Window.MONTH,
                  hard_nanousd=10**9)
"""


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        # A dollar a thousand tokens: the first reply takes most of bob's dollar.
        running.models.append({**SMALL_MODEL, "id": "dear", "pricing": {"prompt": "0.0001", "completion": "0.001"}})
        running.script("dear", counts={"prompt_tokens": 100, "completion_tokens": 900, "total_tokens": 1000})
        yield running


@pytest.fixture
def server(provider: Provider) -> Iterator[RunningServer]:
    with running_server() as running:
        running.run_python(_SCENE.format(base_url=provider.base_url, key=provider.key))
        yield running


@contextmanager
def signed_in(chromium: Browser, server: RunningServer, name: str) -> Iterator[Page]:
    with closing(chromium.new_context(viewport={"width": 1440, "height": 900})) as context:
        page = context.new_page()
        page.goto(f"{server.base_url}/account/login/")
        page.get_by_label("E-mail").fill(f"{name}@example.org")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/chat/")
        yield page


def send(page: Page, prompt: str) -> None:
    page.get_by_label("Your message").fill(prompt)
    page.keyboard.press("Enter")


def test_who_runs_out_mid_conversation_asks_and_goes_on_without_a_reload(chromium, server):
    with signed_in(chromium, server, "bob") as bob, signed_in(chromium, server, "alice") as alice:
        choose_model(bob, "dear")
        send(bob, "Hello")
        expect(bob.locator('.turn[data-role="assistant"][data-state="done"]')).to_have_count(1)
        send(bob, "And again?")
        expect(bob.get_by_text(re.compile("bob's budget a month has .* left"))).to_be_visible()

        bob.get_by_role("link", name="Ask for more").click()
        expect(bob.get_by_role("heading", name=re.compile(r"bob's budget is \$.* short"))).to_be_visible()
        bob.get_by_label("Amount").fill("5")
        bob.get_by_label("Why").fill("The transcripts are long.")
        bob.get_by_role("button", name="Send to alice").click()
        expect(bob.get_by_role("heading", name="You asked for more")).to_be_visible()
        bob.goto(server.base_url + "/chat/")
        bob.locator("a.conversation").first.click()
        expect(bob.get_by_text("Waiting for alice: $5.00 more")).to_be_visible()
        bob.evaluate("window.stays = true")

        alice.goto(f"{server.base_url}/team/")
        expect(alice.get_by_text("The transcripts are long.")).to_be_visible()
        alice.get_by_role("button", name="Approve").click()
        expect(alice.get_by_text("bob has $5.00 more and is told so.")).to_be_visible()

        expect(bob.get_by_text("alice gave you $5.00")).to_be_visible()
        send(bob, "And now?")
        expect(bob.locator('.turn[data-role="assistant"][data-state="done"]')).to_have_count(2)
        expect(bob.get_by_text("alice gave you $5.00")).to_be_hidden()
        assert bob.evaluate("window.stays") is True
