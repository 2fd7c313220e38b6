"""One running server and one provider for all contract tests: starting them anew for each would take minutes.

Whoever looks at what the provider received, or teaches it something, asks for a model named for the test.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests import health
from tests.provider import FAULTS, SMALL_MODEL, Provider, running_provider
from tests.server import RunningServer, running_server

SCENE = """
from django.db import transaction

from accounts import keys, ledger, people
from accounts.callers import Caller
from accounts.models import Membership, Provider, User
from catalog import sync
from emma18_site import onboarding

alice, team = onboarding.found_installation(
    name="alice", email="alice@example.org", password="a long enough password", team_name="Northlight"
)
vera = User.objects.create_user(email="vera@example.org", password="a long enough password", name="vera")
people.add_member(team, user=vera, role=Membership.Role.VIEWER)
for name, base_url, key in {providers!r}:
    sync.connect(team, kind=Provider.Kind.OPENAI_COMPATIBLE, name=name, base_url=base_url, api_key=key)
with transaction.atomic():
    ledger.top_up(team, by=alice, key="scene", amount_nanousd=1000 * 10**9)
owner = Caller(user=alice, team=team, role=Membership.Role.OWNER)
row, revoked = keys.issue(owner, name="revoked")
keys.revoke(owner, public_id=row.public_id)
print(keys.issue(owner, name="laptop")[1])
print(keys.issue(Caller(user=vera, team=team, role=Membership.Role.VIEWER), name="viewer")[1])
print(revoked)
"""
OWN_MODELS = (
    "verbatim", "asks-no-usage", "hesitant", "many", "busy", "busy-for-an-hour", "two-ways",
    "deepseek/deepseek-chat",
)  # fmt: skip


@dataclass
class Api:
    """The published API as a program sees it: an address and keys."""

    base_url: str
    key: str
    viewers_key: str
    revoked_key: str
    server: RunningServer


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        for name in [*sorted(FAULTS), *OWN_MODELS]:
            provider.models.append({**SMALL_MODEL, "id": name, "name": name})
        provider.models.append({"id": "unpriced"})
        price = SMALL_MODEL["pricing"]
        provider.models.append({"id": "remembers", "pricing": {**price, "input_cache_read": "0.00000001"}})
        provider.models.append({**SMALL_MODEL, "id": "free", "pricing": {"prompt": "0", "completion": "0"}})
        provider.models.append({"id": "by-the-request", "pricing": {**price, "request": "0.01"}})
        yield provider


@pytest.fixture(scope="session")
def spare() -> Iterator[Provider]:
    """The provider that is tried second, where the first fails; it has one model of the first's."""
    with running_provider() as provider:
        provider.models = [{"id": "two-ways"}]
        yield provider


@pytest.fixture(scope="session")
def api(provider: Provider, spare: Provider) -> Iterator[Api]:
    with running_server(EMMA18_BODY_STALL_S="1", EMMA18_KEEP_ALIVE_S="1") as server:
        providers = [("Loopback", provider.base_url, provider.key), ("Spare", spare.base_url, spare.key)]
        printed = server.run_python(SCENE.format(providers=providers))
        yield Api(f"{server.base_url}/api/v1", *printed.split(), server)


@pytest.fixture(autouse=True)
def everything_is_well(request: pytest.FixtureRequest) -> None:
    """One test's failures do not send the next one's requests elsewhere."""
    if "api" in request.fixturenames:
        health.forget(request.getfixturevalue("api").server)


@pytest.fixture(scope="session")
def http(api: Api) -> Iterator[httpx.Client]:
    """A program that holds alice's key."""
    headers = {"authorization": f"Bearer {api.key}"}
    with httpx.Client(base_url=api.base_url, headers=headers, timeout=20) as client:
        yield client
