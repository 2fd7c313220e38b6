"""Three providers for one model, which fail in all ways and come back; and a second model to go on to."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import health
from tests.contract.shape import assert_refused
from tests.provider import SMALL_MODEL, Provider, running_provider
from tests.server import RunningServer, installation

NAMES = ("First", "Second", "北京 third")
MODELS = ("by-three", "by-first", "dear")
COOLS_S = 7

SCENE = """
from django.db import transaction
from accounts import keys, ledger
from accounts.callers import Caller
from accounts.models import Membership
from catalog import sync
from emma18_site import onboarding
alice, team = onboarding.found_installation(
    name="alice", email="alice@example.org", password="a long enough password", team_name="Northlight")
with transaction.atomic():
    ledger.top_up(team, by=alice, key="scene", amount_nanousd=1000 * 10**9)
for name, base_url, key in {providers!r}:
    sync.connect(team, kind="openai-compatible", name=name, base_url=base_url, api_key=key)
print(keys.issue(Caller(user=alice, team=team, role=Membership.Role.OWNER), name="laptop")[1])
"""
BUDGET = """
from django.db import transaction
from accounts import budgets
from accounts.models import Budget, Team
subject = budgets.Subject(model_id="dear")
with transaction.atomic():
    budgets.limit(Team.objects.get(), by=None, subject=subject, window=Budget.Window.DAY, hard_nanousd=0)
"""
DEPRECATE = """
from accounts.callers import Caller
from accounts.models import Membership
from catalog import curation
owner = Membership.objects.select_related("user", "team").get(role="owner")
curation.deprecate(
    Caller(owner.user, owner.team, Membership.Role.OWNER), "by-first",
    is_deprecated={is_deprecated}, replaced_by={replaced_by!r})
"""
SYNC = """
from accounts.models import Provider
from catalog import sync
first = Provider.objects.get(name="First")
sync.apply(first, sync.difference(first).listed)
"""


@dataclass
class Three:
    server: RunningServer
    providers: list[Provider]
    http: httpx.Client

    def script(self, model: str, *faults: str) -> None:
        """How the first, the second and the third behave from now on; those that are not named are well."""
        for provider, name, fault in zip(self.providers, NAMES, [*faults, "", "", ""], strict=False):
            provider.script(model, fault=fault, text=f"I am {name}.", retry_after=str(COOLS_S), after=2)
            provider.requests.clear()

    def ask(self, model: str = "by-three", *, http: httpx.Client | None = None, **more: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], **more}
        return (http or self.http).post("/chat/completions", json=body)

    @property
    def asked(self) -> list[str]:
        """Who was asked since the last script."""
        return [
            name for name, provider in zip(NAMES, self.providers, strict=True)
            for request in provider.requests if request.path == "/v1/chat/completions"
        ]  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Three]:
    with ExitStack() as stack:
        providers = [stack.enter_context(running_provider()) for _ in NAMES]
        for provider, offered in zip(providers, (MODELS, MODELS[:1], MODELS[:1]), strict=True):
            provider.models = [{**SMALL_MODEL, "id": model, "name": model} for model in offered]
        providers[1].models.append({**SMALL_MODEL, "id": "by-second", "name": "by-second"})
        server = stack.enter_context(installation())
        server.module = ("tests.contract.impatient_web",)
        server.start()
        stack.callback(server.stop)
        connected = [(name, each.base_url, each.key) for name, each in zip(NAMES, providers, strict=True)]
        key = server.run_python(SCENE.format(providers=connected)).strip()
        headers = {"authorization": f"Bearer {key}"}
        http = httpx.Client(base_url=f"{server.base_url}/api/v1", headers=headers, timeout=60)
        yield Three(server, providers, stack.enter_context(http))
        assert "The ledger holds" in server.manage("ledgercheck")


@pytest.fixture
def three(running) -> Three:
    """All are well, and no answer is counted: what the server has counted itself it tells with the next failure."""
    health.forget(running.server)
    for model in (*MODELS, "by-second"):
        running.script(model, *["refuse-500"] * len(NAMES))
        running.ask(model)
        running.script(model)
    health.forget(running.server)
    return running


@pytest.mark.parametrize("stream", [False, True])
def test_a_deprecated_model_says_so_and_what_to_call_in_its_place(three, stream):
    assert "deprecation" not in three.ask("by-first", stream=stream).headers
    began = int(time.time())
    three.server.run_python(DEPRECATE.format(is_deprecated=True, replaced_by="by-second"))
    try:
        headers = three.ask("by-first", stream=stream, models=["by-second"]).headers
    finally:
        three.server.run_python(DEPRECATE.format(is_deprecated=False, replaced_by=""))

    assert began <= int(headers["deprecation"].removeprefix("@")) <= time.time()
    assert headers["x-emma18-replaced-by"] == "by-second"
    assert "x-emma18-replaced-by" not in three.ask("by-second", stream=stream, models=["by-first"]).headers


def test_the_answer_says_who_gave_it_at_which_attempt(three):
    three.script("by-three", "refuse-500", "refuse-429")

    for stream in (False, True):
        health.forget(three.server)
        response = three.ask(stream=stream)

        assert response.status_code == 200
        assert unquote(response.headers["x-emma18-provider"]) == "北京 third"
        assert response.headers["x-emma18-attempts"] == "3"


def test_when_all_fail_the_caller_learns_who_and_why(three):
    three.script("by-three", "refuse-500", "refuse-401", "refuse-429")

    response = three.ask()

    error = assert_refused(response, 429, "rate_limited")["error"]
    assert [(each["provider"], each["code"], each["asked"]) for each in error["attempts"]] == [
        ("First", "provider_unavailable", True),
        ("Second", "provider_permission_denied", True),
        ("北京 third", "rate_limited", True),
    ]
    assert response.headers["x-emma18-attempts"] == "3"
    receipt = three.http.get(f"/generations/{response.headers['x-request-id']}").json()
    assert [each["provider"] for each in receipt["error"]["attempts"]] == list(NAMES)


def test_who_fails_three_times_is_not_asked_while_another_answers(three):
    three.script("by-first", "cut-mid-stream")
    for _ in range(3):
        three.ask("by-first", stream=True)
    assert health.causes(three.server) == {"by-first by First": "failing"}
    three.script("by-first")

    answer = three.ask("by-first", models=["by-second"])

    assert answer.json()["model"] == "by-second"
    assert three.asked == ["Second"]


def test_one_request_finds_out_after_the_pause_whether_it_answers_again(three):
    three.script("by-three", "refuse-500")
    three.script("by-first", "refuse-500")
    for _ in range(3):
        three.ask("by-first")
    health.let_pass(three.server, 16)
    three.script("by-first")

    assert three.ask("by-first", models=["by-second"]).headers["x-emma18-provider"] == "First"
    assert health.causes(three.server) == {}


def test_a_refused_key_stops_all_its_offers_until_it_is_tested(three):
    three.script("by-first", "refuse-401")
    three.ask("by-first")
    three.script("by-three")
    assert three.ask().headers["x-emma18-provider"] == "Second"

    three.server.run_python(SYNC)

    assert three.ask().headers["x-emma18-provider"] == "First"
    assert health.causes(three.server) == {}


def test_a_model_that_is_gone_is_off_until_the_next_sync(three):
    three.script("by-three", "refuse-404")
    three.ask()
    three.script("by-three")
    assert three.ask().headers["x-emma18-provider"] == "Second"

    three.server.run_python(SYNC)

    assert three.ask().headers["x-emma18-provider"] == "First"


def test_a_provider_that_names_a_time_is_not_asked_before(three):
    three.script("by-first", "refuse-429")
    three.ask("by-first")
    three.script("by-first")

    early = three.ask("by-first")

    error = assert_refused(early, 429, "rate_limited")["error"]
    assert (three.asked, error["attempts"][0]["asked"]) == ([], False)
    assert 1 <= int(early.headers["retry-after"]) <= COOLS_S
    health.let_pass(three.server, COOLS_S)
    assert three.ask("by-first").status_code == 200


def test_what_is_left_alone_is_still_asked_when_nothing_else_is_left(three):
    three.script("by-three", "refuse-500", "refuse-401", "refuse-404")
    for _ in range(3):
        three.ask()
    assert len(health.causes(three.server)) == 3
    three.script("by-three", "refuse-500", "refuse-401")

    assert unquote(three.ask().headers["x-emma18-provider"]) == "北京 third"


def test_another_process_knows_at_once(three):
    three.script("by-three", "refuse-403")
    with three.server.beside() as other:
        three.ask()
        three.script("by-three")
        address = f"{other.base_url}/api/v1"
        with httpx.Client(base_url=address, headers=three.http.headers, timeout=60) as http:
            assert three.ask(http=http).headers["x-emma18-provider"] == "Second"
            health.let_pass(three.server, 61)
            assert three.ask(http=http).headers["x-emma18-provider"] == "First"
    assert health.causes(three.server) == {}


# Models to go on to


def test_the_next_model_of_the_list_answers_and_is_named_in_answer_and_receipt(three):
    three.script("by-first", "refuse-500")

    for stream in (False, True):
        response = three.ask("by-first", models=["by-second", "by-first"], stream=stream)

        first = response.text.partition("\n")[0].removeprefix("data: ") if stream else response.text
        assert json.loads(first)["model"] == "by-second"
        receipt = three.http.get(f"/generations/{response.headers['x-request-id']}").json()
        assert (receipt["model"], receipt["provider"]) == ("by-second", "Second")
    assert all("models" not in request.json for request in three.providers[1].requests if request.json)


def test_a_list_alone_names_the_models_in_order(three):
    body = {"models": ["by-second", "by-first"], "messages": [{"role": "user", "content": "Hello!"}]}

    assert three.http.post("/chat/completions", json=body).json()["model"] == "by-second"


@pytest.mark.parametrize("models", ["by-first", {}, [""], [1], [f"model-{number}" for number in range(9)]])
def test_a_list_that_cannot_be_meant_is_refused(three, models):
    assert assert_refused(three.ask("by-first", models=models), 400)["error"]["param"] == "models"


def test_an_unknown_model_of_the_list_is_refused_by_name(three):
    body = assert_refused(three.ask("by-first", models=["by-seconds"]), 404, "model_not_found")

    assert "'by-seconds'" in body["detail"] and "by-second?" in body["detail"]
    assert body["error"]["param"] == "models"


def test_a_budget_of_the_next_model_still_holds(three):
    three.server.run_python(BUDGET)
    three.script("by-first", "refuse-500")

    response = three.ask("by-first", models=["dear"])

    error = assert_refused(response, 502)["error"]
    assert [(each["code"], each["asked"]) for each in error["attempts"]] == [
        ("provider_unavailable", True),
        ("insufficient_credits", False),
    ]


# Whatever fails in which order

STREAM_ONLY = ("cut-mid-stream", "hang-before-first-event")
FAULTS = st.sampled_from(
    ["", "", "", "refuse-500", "refuse-429", "refuse-401", "refuse-402", "refuse-404", "garbage"]
    + ["cut-before-first-byte", "redirect", "cut-mid-stream"]
)
STEPS = st.tuples(st.tuples(FAULTS, FAULTS, FAULTS), st.booleans(), st.sampled_from([0, 0, 8, 70]))


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(script=st.lists(STEPS, min_size=3, max_size=7))
def test_no_request_that_a_healthy_offer_could_serve_fails(running, script):
    health.forget(running.server)
    cooling = dict.fromkeys(NAMES, 0.0)
    for faults, stream, passed_s in script:
        health.let_pass(running.server, passed_s)
        cooling = {name: left_s - passed_s for name, left_s in cooling.items()}
        running.script("by-three", *faults)
        fault_of = dict(zip(NAMES, faults, strict=True))
        if not stream:
            fault_of = {name: "" if fault in STREAM_ONLY else fault for name, fault in fault_of.items()}

        response = running.ask(stream=stream)

        could = {name for name in NAMES if not fault_of[name] and cooling[name] <= 0}
        answers = {name for name in running.asked if fault_of[name] in ("", *STREAM_ONLY)}
        assert len(answers) <= 1, "nothing falls back after the first byte"
        if response.status_code == 200:
            last = unquote(response.headers["x-emma18-provider"])
            assert {last} == answers and len(running.asked) == int(response.headers["x-emma18-attempts"])
            assert ("provider_interrupted" in response.text) == (fault_of[last] == "cut-mid-stream")
        else:
            assert not could and {each["provider"] for each in response.json()["error"]["attempts"]} == set(NAMES)
        cooling |= {name: COOLS_S for name in running.asked if fault_of[name] == "refuse-429"}


def test_a_hang_goes_on_to_the_next_and_is_found_out_by_one_request_at_a_time(three):
    three.script("by-first", "hang-before-first-event")
    for _ in range(3):
        assert_refused(three.ask("by-first", stream=True), 504, "provider_timeout")
    assert health.causes(three.server) == {"by-first by First": "timeout"}

    answer = three.ask("by-first", models=["by-second"], stream=True)
    three.script("by-first")

    assert answer.headers["x-emma18-provider"] == "Second"
    assert three.ask("by-first", stream=True).status_code == 200
    assert health.causes(three.server) == {}
