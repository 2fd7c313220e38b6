"""Scenes for tests on a running server: who is there and which provider is connected."""

from tests.provider import Provider
from tests.server import RunningServer

_FOUNDED = """
from accounts.models import User
from catalog import sync
from emma18_site import onboarding
password = "a long enough password"
_, team = onboarding.found_installation(
    name="alice", email="alice@example.org", password=password, team_name="Northlight")
charlie = User.objects.create_user(email="charlie@example.org", password=password, name="charlie")
onboarding.found_team(charlie, name="Elsewhere")
sync.connect(team, kind="openai-compatible", name="Loopback", base_url={base_url!r}, api_key={key!r})
"""


def founded(server: RunningServer, provider: Provider, *models: str) -> None:
    """alice owns a team that is connected to the provider and its `models`; charlie owns another."""
    provider.models += [{"id": name} for name in models]
    server.run_python(_FOUNDED.format(base_url=provider.base_url, key=provider.key))
