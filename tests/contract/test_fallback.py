"""Two providers offer the same model; the first fails. Only before the first byte is the second asked."""

import json

import pytest

from tests import health
from tests.contract.shape import assert_refused

CHAT = "/chat/completions"
BODY = {"model": "two-ways", "messages": [{"role": "user", "content": "Hello!"}]}
TELL_ERRORS = """
import json
from accounts.models import Provider
print(json.dumps(dict(Provider.objects.values_list("name", "last_error"))))
"""


@pytest.fixture
def fails(provider, spare):
    """Make the first provider fail, and the second too or not."""

    def fail(fault: str, *, spares_fault: str = "", **more) -> None:
        provider.script("two-ways", fault=fault, **more)
        spare.script("two-ways", fault=spares_fault, text="I am the spare.")

    yield fail
    fail("")


def asked(provider) -> int:
    return sum(request.path == "/v1/chat/completions" for request in provider.requests)


def errors_for_admins(api) -> dict[str, str]:
    errors: dict[str, str] = json.loads(api.server.run_python(TELL_ERRORS))
    return errors


def test_the_first_offer_answers_alone(http, fails, spare):
    fails("")
    before = asked(spare)

    assert http.post(CHAT, json=BODY).status_code == 200
    assert asked(spare) == before


@pytest.mark.parametrize(
    "fault",
    ["refuse-401", "refuse-402", "refuse-403", "refuse-404", "refuse-408", "refuse-429", "refuse-500", "redirect"]
    + ["cut-before-first-byte", "garbage", "html"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_next_offer_is_tried(http, fails, fault, stream):
    fails(fault)

    response = http.post(CHAT, json={**BODY, "stream": stream})

    assert response.status_code == 200
    assert "spare" in response.text


@pytest.mark.parametrize("fault", ["plain-json", "empty-stream", "garbage-first", "error-first"])
def test_a_stream_may_still_change_before_its_first_event(http, fails, fault):
    fails(fault)

    response = http.post(CHAT, json={**BODY, "stream": True})

    assert "spare" in response.text and "provider_interrupted" not in response.text


@pytest.mark.parametrize(("fault", "status"), [("refuse-400", 400), ("refuse-413", 413), ("refuse-422", 400)])
def test_a_request_that_is_itself_at_fault_is_not_tried_elsewhere(http, fails, spare, fault, status):
    fails(fault)
    before = asked(spare)

    assert_refused(http.post(CHAT, json=BODY), status)
    assert asked(spare) == before


def test_after_the_first_byte_nothing_is_tried_again(http, fails, spare):
    fails("cut-mid-stream")
    before = asked(spare)

    response = http.post(CHAT, json={**BODY, "stream": True})

    assert "provider_interrupted" in response.text
    assert asked(spare) == before


def test_the_last_offers_refusal_is_the_answer(http, fails):
    fails("refuse-500", spares_fault="refuse-429")

    response = http.post(CHAT, json=BODY)

    assert assert_refused(response, 429)["detail"].startswith("Spare ")


@pytest.mark.parametrize("fault", ["refuse-401", "refuse-402", "refuse-403"])
def test_admins_are_told_until_it_works_again(api, http, fails, fault):
    fails(fault, message="This account is closed.")
    http.post(CHAT, json=BODY)
    told = errors_for_admins(api)["Loopback"]
    fails("")
    health.let_pass(api.server, 61)

    http.post(CHAT, json=BODY)

    assert "This account is closed." in told
    assert errors_for_admins(api)["Loopback"] == ""


ROTATE = """
from datetime import timedelta
from accounts import people, vault
from accounts.models import Provider, User
row = Provider.objects.select_related("team").get(name="{name}")
alice = people.member(row.team, user=User.objects.get(name="alice"))
vault.rotate(row, base_url=row.base_url, api_key="sk-wrong-0123456789", overlap=timedelta(hours=1), by=alice)
"""
TELL_FALLEN_BACK = """
from accounts.models import Provider
print(Provider.objects.filter(fell_back_at__isnull=False).count())
"""


@pytest.mark.parametrize("stream", [False, True])
def test_the_key_before_a_rotation_answers_where_the_new_one_is_refused(http, api, fails, spare, stream):
    fails("")
    before = asked(spare)
    api.server.run_python(ROTATE.format(name="Loopback"))

    response = http.post(CHAT, json={**BODY, "stream": stream})

    assert response.status_code == 200
    assert asked(spare) == before
    assert api.server.run_python(TELL_FALLEN_BACK).strip().splitlines()[-1] == "1"
