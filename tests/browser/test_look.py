"""Every page in both colour schemes, wide and narrow: readable for everybody, and never wider than the screen."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.server import RunningServer, running_server

# One conversation with a reply in every state it can end in, and one key.
_SCENE = """
from accounts import keys
from accounts.callers import Caller
from accounts.models import Membership
from chat import conversations
from chat.conversations import State, Written
owner = Membership.objects.select_related("user", "team").filter(role="owner", user__email={email!r}).get()
alice = Caller(user=owner.user, team=owner.team, role=Membership.Role.OWNER)
keys.issue(alice, name="ci-nightly")
model = alice.team.models.first().model_id
turn = None
for state in (State.DONE, State.STOPPED, State.FAILED, State.INTERRUPTED):
    prompt = "Tell me. " + "w" * 300
    turn = (conversations.add(alice, turn.conversation.public_id, prompt=prompt, model_id=model) if turn
            else conversations.start(alice, prompt=prompt, model_id=model))
    turn = conversations.claim(turn.public_id, request_id="req_" + state)
    conversations.finish(turn, Written({reply!r}, []), state=state, error="It went wrong." * (state == State.FAILED))
print(turn.conversation.public_id)
"""
_REPLY = """## A heading

A paragraph with `code`, **weight** and a [link](https://example.org/).

| Policy | Wait | Calls | Lost | Kept | Cost | Owner | Reviewed |
|---|--:|--:|--:|--:|--:|---|---|
| Full jitter, capped | 18.6 s | 3.1 | 0.1% | 99.9% | $0.0042 | alice | yesterday |

```python
def total(rows: list[int]) -> int:
    return sum(row for row in rows if row > 0)  # a comment that is long enough to have to scroll on every phone
```
"""
SIGNED_OUT = ["/account/login/", "/account/signup/", "/account/password/reset/", "/nothing-here/"]
SIGNED_IN = [
    *("/welcome/", "/chat/", "/models/", "/models/moonshotai/kimi-k2.6", "/models/compare/", "/keys/"),
    *("/providers/", "/providers/#connect", "/account/password/change/"),
]
OF_COLOUR = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
# A width, a scheme and what axe is asked. In the dark nothing else can be wrong that was right in the light, and in
# between nothing but the width that was right on both sides.
LOOKS: list[tuple[int, Literal["light", "dark"], dict[str, object] | None]] = [
    *((1440, "light", {}), (820, "light", None), (360, "light", {})),
    *((1440, "dark", OF_COLOUR), (360, "dark", OF_COLOUR)),
]


@dataclass
class Scene:
    server: RunningServer
    email: str
    password: str
    conversation: str

    def sign_in(self, page: Page) -> None:
        page.goto(f"{self.server.base_url}/account/login/")
        page.get_by_label("E-mail").fill(self.email)
        page.get_by_label("Password", exact=True).fill(self.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/chat/")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with running_server() as server:
        people: list[dict[str, Any]] = server.seed()["people"]
        owner = next(person for person in people if person["role"] == "owner")
        code = _SCENE.format(email=owner["email"], reply=_REPLY)
        conversation = server.run_python(code).strip().splitlines()[-1]
        yield Scene(server, owner["email"], owner["password"], f"/chat/{conversation}/")


def faults(page: Page, url: str) -> list[str]:
    """What axe finds wrong with a page, wide and narrow, light and dark, and where it is wider than the screen."""
    page.goto(url)
    found, axe = [], Axe()
    for width, scheme, asked in LOOKS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # or colours would be on their way
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{width}: wider than the screen")
        broken = [] if asked is None else axe.run(page, options=asked).response["violations"]
        found += [f"{width} {scheme}: {rule['id']}: {rule['nodes'][0]['html'][:120]}" for rule in broken]
    return found


def test_no_page_breaks_a_rule_of_accessibility(chromium: Browser, scene: Scene):
    context = chromium.new_context()
    page = context.new_page()
    base_url = scene.server.base_url

    found = {path: faults(page, base_url + path) for path in SIGNED_OUT}
    scene.sign_in(page)
    found |= {path: faults(page, base_url + path) for path in [*SIGNED_IN, scene.conversation]}
    context.close()

    assert {path: rules for path, rules in found.items() if rules} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_open_list_of_models_breaks_no_rule_either(chromium: Browser, scene: Scene, scheme: Any, width: int):
    context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    scene.sign_in(page)
    found = []
    for text in ("", "kimi", "nothing of the kind"):
        page.get_by_role("combobox", name="Model", exact=True).fill(text)
        with page.expect_response("**/chat/models/*"):
            page.keyboard.press("Space")
        expect(page.get_by_role("listbox", name="Models")).to_be_visible()
        found += [f"{rule['id']}: {rule['nodes'][0]['html'][:120]}" for rule in Axe().run(page).response["violations"]]
    context.close()

    assert found == []


def test_the_chosen_colours_are_kept(chromium: Browser, scene: Scene):
    context = chromium.new_context(color_scheme="light")
    page = context.new_page()
    scene.sign_in(page)
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.get_by_role("button", name="account menu").click()
    with page.expect_response("**/scheme/"):
        page.get_by_role("button", name="Dark").click()
    page.reload()

    assert page.locator("html").get_attribute("data-scheme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 360])
def test_a_phone_reaches_every_room_without_scrolling_sideways(chromium: Browser, scene: Scene, width, scheme):
    context = chromium.new_context(viewport={"width": width, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    scene.sign_in(page)
    page.goto(f"{scene.server.base_url}/team/")

    bar = page.locator(".rail")
    assert bar.evaluate(
        "(bar) => [bar, ...bar.querySelectorAll('.rooms')].every((e) => e.scrollWidth <= e.clientWidth)"
    )
    shown = [room for room in bar.locator(".room").all() if room.is_visible()]
    assert [room.inner_text().split()[0] for room in shown] == ["Playground", "Models", "Videos", "Usage"]
    page.get_by_role("button", name="More").click()
    more = page.get_by_role("navigation", name="More rooms")
    assert more.get_by_role("link").all_inner_texts() == ["Keys & Balance", "Team", "Providers"]
    assert [violation["id"] for violation in Axe().run(page).response["violations"]] == []
    more.get_by_role("link", name="Providers").click()
    page.wait_for_url("**/providers/")
    context.close()
