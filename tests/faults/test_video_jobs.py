"""The background workers as `manage.py jobs` runs them: a video asked for over the API is made by them alone."""

import subprocess
import sys
import time

import httpx
import pytest

from tests.server import ROOT, running_server
from tests.video_provider import KEY, running_video_provider

SCENE = """
from django.db import transaction

from accounts import keys, ledger, vault
from accounts.callers import Caller
from accounts.models import Membership, Provider
from catalog import implied, sync
from emma18_site import onboarding

alice, team = onboarding.found_installation(
    name="alice", email="alice@example.org", password="a long enough password", team_name="Northlight"
)
with transaction.atomic():
    ledger.top_up(team, by=alice, key="scene", amount_nanousd=1000 * 10**9)
other = vault.store(team, kind=Provider.Kind.EMMA18, name="Other", base_url={base_url!r}, api_key={key!r})
sync.apply(other, implied.models(other.kind, other.base_url))
print(keys.issue(Caller(user=alice, team=team, role=Membership.Role.OWNER), name="laptop")[1])
"""

pytestmark = pytest.mark.xdist_group("up")


def test_the_workers_make_a_video_that_was_asked_for():
    with running_server() as server, running_video_provider() as provider:
        provider.takes_s = 3
        key = server.run_python(SCENE.format(base_url=provider.base_url, key=KEY)).strip()
        headers = {"authorization": f"Bearer {key}"}
        tasks = f"{server.base_url}/api/v1/video/seedance/tasks"
        with (server.data_dir / "jobs.log").open("ab") as log:
            command = [sys.executable, "-m", "django", "jobs"]
            jobs = subprocess.Popen(command, env=server.environment, cwd=ROOT, stdout=log, stderr=log)
        try:
            created = httpx.post(tasks, json={"prompt": "A fox"}, headers=headers).json()
            deadline = time.monotonic() + 150
            while not (shown := httpx.get(f"{tasks}/{created['id']}", headers=headers).json())["terminal"]:
                assert time.monotonic() < deadline, (server.data_dir / "jobs.log").read_text()[-3000:]
                time.sleep(0.2)
        finally:
            jobs.terminate()
            jobs.wait(30)

    assert shown["status"] == "succeeded" and shown["cost"]["charged"] == "0.756"
