"""Servers that others wrote, connected on the Providers page and called through both doors.

llama.cpp always runs. The others are installed first, which takes minutes and a network, so they run where a folder
for them is named: `EMMA18_TEST_INTEROP=~/.cache/emma18-interop python3 manage.py test tests/browser/test_interop.py`.
"""

import os
import re
from pathlib import Path

import httpx
import openai
import pytest
from playwright.sync_api import Page, expect

from tests.browser import others
from tests.browser.conftest import Visitor, choose_model
from tests.browser.others import Other
from tests.browser.test_first_chat import found
from tests.server import RunningServer

pytestmark = pytest.mark.embedded

INTO = os.environ.get("EMMA18_TEST_INTEROP", "")
needs_install = pytest.mark.skipif(not INTO, reason="EMMA18_TEST_INTEROP names no folder to install it into.")
SERVERS = [
    pytest.param(others.llama_cpp, id="llama.cpp"),
    pytest.param(others.fakellm, id=f"fakellm {others.FAKELLM}", marks=needs_install),
    pytest.param(others.aimock, id=f"aimock {others.AIMOCK}", marks=needs_install),
    pytest.param(others.litellm, id=f"LiteLLM {others.LITELLM}", marks=needs_install),
]
ISSUE_KEY = """
from accounts import keys
from accounts.callers import Caller
from accounts.models import Membership
row = Membership.objects.select_related("user", "team").get()
print(keys.issue(Caller(user=row.user, team=row.team, role=row.role), name="laptop")[1])
"""
HELLO = [{"role": "user", "content": "hello there"}]


@pytest.mark.parametrize("run", SERVERS)
def test_a_server_that_others_wrote_is_connected_synced_and_chatted_with(
    visitor: Visitor, server: RunningServer, tmp_path: Path, run
):
    with run(Path(INTO).expanduser().resolve(), tmp_path) as other:
        found(visitor.page, server.base_url)
        connect(visitor, server, other)
        chat_through_the_api(server, other)
        chat_through_the_playground(visitor.page, server, other)
    assert other.key not in server.log or not other.key


def connect(visitor: Visitor, server: RunningServer, other: Other) -> None:
    page = visitor.page
    page.goto(f"{server.base_url}/providers/#connect")
    page.locator("label", has_text="OpenAI-compatible").click()
    page.get_by_label("Name").fill("Stranger")
    page.get_by_label("Base URL").fill(other.base_url)
    page.get_by_label("Key optional").fill(other.key)
    if other.models_by_hand:
        page.get_by_role("button", name="Test connection").click()
        expect(page.get_by_text("Or enter the models by hand.")).to_be_visible()
        assert "422" in visitor.complaints.pop()  # the console's word for a refusal
        page.get_by_text("The server has no list of its models").click()
        page.get_by_label("Models").fill(other.models_by_hand)
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text(re.compile(r"\d+ models? found"))).to_be_visible()
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_text("Stranger is connected.")).to_be_visible()


def chat_through_the_api(server: RunningServer, other: Other) -> None:
    key = server.run_python(ISSUE_KEY).strip()
    with openai.OpenAI(api_key=key, base_url=f"{server.base_url}/api/v1", max_retries=0, timeout=60) as client:
        assert other.model in [model.id for model in client.models.list()]
        asked = {"model": other.model, "messages": HELLO, "max_tokens": 30}

        raw = client.chat.completions.with_raw_response.create(**asked)
        reply = raw.parse()
        assert says(reply.choices[0].message.content, other)
        assert reply.usage.completion_tokens > 0

        with client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}) as stream:
            chunks = list(stream)
    pieces = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert len(pieces) > 3 and says("".join(pieces), other)
    assert [chunk.usage.completion_tokens > 0 for chunk in chunks if chunk.usage] == [True] * other.counts_streams
    receipt = httpx.get(
        f"{server.base_url}/api/v1/generations/{raw.headers['x-request-id']}",
        headers={"authorization": f"Bearer {key}"},
    ).json()
    assert receipt["attempts"][-1]["provider"] == "Stranger"


def chat_through_the_playground(page: Page, server: RunningServer, other: Other) -> None:
    page.goto(f"{server.base_url}/chat/")
    choose_model(page, other.model)
    page.get_by_label("Your message").fill("hello there")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/chat/conv_"))
    expect(page.locator("[data-follow]")).to_have_count(0, timeout=60_000)
    assert says(page.locator("article[data-role=assistant] .prose").inner_text(), other)
    expect(page.get_by_text("Interrupted")).to_have_count(0)


def says(text: str | None, other: Other) -> bool:
    return text == other.reply if other.reply else bool(text)
