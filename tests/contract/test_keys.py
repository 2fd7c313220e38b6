"""What a key may do, over the wire: models it may not call, its end, its rotation, and being revoked under load."""

import threading
from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.contract.conftest import Api
from tests.contract.shape import assert_refused

CHAT = "/chat/completions"
BODY = {"model": "plain/small", "messages": [{"role": "user", "content": "Hello!"}]}
_MADE = """
from datetime import timedelta
from django.utils import timezone
from accounts import keys, people
from accounts.keys import Limits
from accounts.models import AccessKey, Team, User
alice = people.member(Team.objects.get(name="Northlight"), user=User.objects.get(name="alice"))
row, key = keys.issue(alice, name={name!r}, limits=Limits({limits}))
{then}
print(key, row.public_id)
"""

_REVOKED = """
from accounts import keys, people
from accounts.models import AccessKey
row = AccessKey.objects.get(public_id={public_id!r})
keys.revoke(people.member(row.team, user=row.owner), public_id=row.public_id)
"""


def made(api: Api, name: str, limits: str = "", then: str = "") -> tuple[str, str]:
    """A key of alice's with these limits, and its id."""
    key, public_id = api.server.run_python(_MADE.format(name=name, limits=limits, then=then)).split()
    return key, public_id


def program(api: Api, key: str) -> httpx.Client:
    return httpx.Client(base_url=api.base_url, headers={"authorization": f"Bearer {key}"}, timeout=20)


@pytest.fixture(scope="module")
def narrow(api: Api) -> Iterator[httpx.Client]:
    """A program whose key may call one model."""
    key, _ = made(api, "narrow", "allowed_models=['plain/small']")
    with program(api, key) as client:
        yield client


def test_a_key_lists_and_calls_what_it_may_and_nothing_else(narrow):
    assert [model["id"] for model in narrow.get("/models").json()["data"]] == ["plain/small"]
    assert narrow.post(CHAT, json=BODY).status_code == 200
    assert narrow.get("/models/plain%2Fsmall").status_code == 200


@pytest.mark.parametrize("model", ["verbatim", "no/such-model"])
def test_another_model_403_names_the_key_and_what_it_may_call(narrow, model):
    asked, shown = narrow.post(CHAT, json={**BODY, "model": model}), narrow.get(f"/models/{model}")

    for answer in (asked, shown):
        body = assert_refused(answer, 403, "model_not_allowed")
        assert "Key narrow may call plain/small only" in body["detail"]
        assert body["error"]["param"] == "model"


def test_a_list_of_models_is_no_way_round(narrow):
    answer = narrow.post(CHAT, json={**BODY, "models": ["verbatim"]})

    assert assert_refused(answer, 403, "model_not_allowed")["error"]["param"] == "models"


def test_an_sdk_raises_the_sentence(api):
    key, _ = made(api, "sdk", "allowed_models=['plain/small']")

    refused = pytest.raises(openai.PermissionDeniedError, match="Key sdk may call plain/small only")
    with openai.OpenAI(api_key=key, base_url=api.base_url) as client, refused:
        client.chat.completions.create(model="verbatim", messages=BODY["messages"])


def test_a_key_that_expired_401_says_when(api):
    passed = "AccessKey.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(minutes=1))"
    key, _ = made(api, "over", then=passed)

    with program(api, key) as client:
        for answer in (client.post(CHAT, json=BODY), client.get("/models"), client.get("/key")):
            assert "expired on" in assert_refused(answer, 401, "expired_api_key")["detail"]


@pytest.mark.parametrize("path", ["/key", "/credits"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_what_a_key_may_do_is_only_read(http, method, path):
    assert_refused(http.request(method, path), 405, "method_not_allowed")


def test_a_key_that_is_revoked_under_load_lets_nobody_in_once_that_is_committed(api):
    key, public_id = made(api, "busy-bee")
    statuses: list[int] = []
    is_revoked = threading.Event()
    after: list[int] = []

    def call() -> None:
        with program(api, key) as client:
            while not is_revoked.is_set():
                statuses.append(client.post(CHAT, json=BODY).status_code)
            after.append(client.post(CHAT, json=BODY).status_code)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    api.server.run_python(_REVOKED.format(public_id=public_id))
    is_revoked.set()
    for thread in threads:
        thread.join()

    assert after == [401] * 4
    assert 200 in statuses and set(statuses) <= {200, 401}


def test_the_client_of_a_receipt_is_the_sdk_and_its_version(api):
    key, _ = made(api, "named")
    with openai.OpenAI(api_key=key, base_url=api.base_url) as client:
        reply = client.chat.completions.create(model="plain/small", messages=BODY["messages"])

    with program(api, key) as asking:
        receipt = asking.get(f"/generations/{reply._request_id}").json()

    assert receipt["client"] == f"openai-python {'.'.join(openai.__version__.split('.')[:2])}"
