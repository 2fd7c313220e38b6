"""An installation that is connected to itself, by mistake or by way of another."""

import httpx

from tests.contract.shape import assert_refused
from tests.provider import running_provider
from tests.scenes import founded
from tests.server import running_server

CONNECT_TO_ITSELF = """
from accounts import keys, people
from accounts.models import Membership
from catalog import sync
alice = Membership.objects.get(user__email="alice@example.org")
key = keys.issue(people.member(alice.team, user=alice.user), name="self")[1]
sync.connect(alice.team, kind="emma18", name="Self", base_url={address!r}, api_key=key)
print(key)
"""


def test_a_request_that_comes_back_to_us_is_not_sent_round_for_ever():
    with running_provider() as provider, running_server() as server:
        founded(server, provider, "refuse-500")
        address = f"{server.base_url}/api/v1"
        headers = {"authorization": f"Bearer {server.run_python(CONNECT_TO_ITSELF.format(address=address)).strip()}"}
        body = {"model": "refuse-500", "messages": [{"role": "user", "content": "Hello!"}]}

        answer = httpx.post(f"{address}/chat/completions", json=body, headers=headers, timeout=30)

    assert "connected to itself" in assert_refused(answer, 400, "loop_detected")["detail"]
    assert sum(request.path == "/v1/chat/completions" for request in provider.requests) <= 3
