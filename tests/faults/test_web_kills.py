"""Web processes are killed while they carry paid calls: whatever the provider accepted is accounted for, once."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.faults.journal import charge_nanousd
from tests.server import ROOT, RunningServer, installation

# More kills for those who want to be surer than a minute of CI makes them.
THOROUGHNESS = int(os.environ.get("EMMA18_TEST_THOROUGHNESS", "1"))
WEB_PROCESSES = 3
PROGRAMS = 12

SCENE = """
from django.db import transaction
from accounts import budgets, keys, ledger
from accounts.callers import Caller
from accounts.models import Budget, Membership, Provider
from catalog import sync
from emma18_site import onboarding
alice, team = onboarding.found_installation(
    name="alice", email="alice@example.org", password="a long enough password", team_name="Northlight")
sync.connect(team, kind=Provider.Kind.OPENAI_COMPATIBLE, name="Journal", base_url={base_url!r}, api_key="sk-journal")
with transaction.atomic():
    ledger.top_up(team, by=alice, key="scene", amount_nanousd=1000 * 10**9)
    budgets.limit(team, by=alice, subject=budgets.Subject(member=alice), window=Budget.Window.DAY,
                  hard_nanousd=900 * 10**9)
print(keys.issue(Caller(user=alice, team=team, role=Membership.Role.OWNER), name="load")[1])
"""

ACCOUNTS = """
import json
from datetime import timedelta
from django.utils import timezone
from accounts import invariants, ledger
from accounts.models import Hold, Receipt
Hold.objects.filter(state="open").update(lease_until=timezone.now() - timedelta(seconds=1))
while ledger.reap():
    pass
print(json.dumps({
    "charged": dict(Receipt.objects.values_list("request_id", "charged_nanousd")),
    "outcomes": dict(Receipt.objects.values_list("request_id", "outcome")),
    "open": Hold.objects.filter(state="open").count(),
    "breaches": [str(breach) for breach in invariants.breaches()],
}))
"""


@dataclass
class Seen:
    """What the calling programs saw of their calls, by request id."""

    complete: set[str] = field(default_factory=set)


@dataclass
class Scene:
    servers: list[RunningServer]
    journal: Path
    key: str
    seen: Seen = field(default_factory=Seen)

    def accounts(self) -> dict:
        """The receipts, once the leases of the dead have lapsed and were reaped."""
        return json.loads(self.servers[0].run_python(ACCOUNTS))


@pytest.fixture
def scene(tmp_path) -> Iterator[Scene]:
    """An installation connected to the journaling provider. No web process runs yet."""
    journal = tmp_path / "journal"
    command = [sys.executable, "-m", "tests.faults.journal", "--file", str(journal)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as provider, installation() as server:
        try:
            assert provider.stdout
            key = server.run_python(SCENE.format(base_url=provider.stdout.readline().strip())).strip()
            yield Scene([server], journal, key)
        finally:
            provider.kill()


async def _call(client: httpx.AsyncClient, seen: Seen, base_url: str) -> None:
    """One call: whole, streamed, or streamed and cut by the caller."""
    kind = random.choice(["whole", "stream", "stream", "cut"])
    body = {
        "model": "journal/small",
        "messages": [{"role": "user", "content": "Hello!"}],
        "stream": kind != "whole",
    }
    async with client.stream("POST", f"{base_url}/api/v1/chat/completions", json=body) as response:
        assert response.status_code in (200, 502, 503), await response.aread()
        request_id, received = response.headers["x-request-id"], b""
        async for data in response.aiter_bytes():
            received += data
            if kind == "cut" and received:
                return
        if response.status_code == 200 and (kind == "whole" or received.endswith(b"data: [DONE]\n\n")):
            seen.complete.add(request_id)


async def _program(scene: Scene, stop: asyncio.Event) -> None:
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {scene.key}"}, timeout=30) as client:
        while not stop.is_set():
            try:
                await _call(client, scene.seen, random.choice(scene.servers).base_url)
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def _under_load(scene: Scene, work) -> None:
    """Do `work` on a thread while programs call all servers."""
    stop = asyncio.Event()
    programs = [asyncio.create_task(_program(scene, stop)) for _ in range(PROGRAMS)]
    try:
        await asyncio.to_thread(work)
    finally:
        stop.set()
        await asyncio.gather(*programs)


def _kill_group(server: RunningServer) -> None:
    assert server.process
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()


def assert_accounted_for(scene: Scene) -> dict[str, int]:
    """What each request was charged."""
    told = scene.accounts()
    journal = Counter(scene.journal.read_text().split())
    charged = told["charged"]
    assert (told["open"], told["breaches"]) == (0, [])
    # Nothing that was accepted is forgotten, nothing was asked for twice, and nobody is charged for what was not sent.
    assert journal.keys() - charged.keys() == set()
    assert {request_id for request_id, times in journal.items() if times > 1} == set()
    assert {request_id for request_id, nanousd in charged.items() if nanousd} - journal.keys() == set()
    # Whoever has the whole reply pays its price, whoever cut it pays for a part.
    assert {charged.get(request_id) for request_id in scene.seen.complete} <= {charge_nanousd()}
    assert all(0 <= nanousd <= charge_nanousd() for nanousd in charged.values())
    return charged


def _wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_killed_web_processes_lose_no_call_and_charge_none_twice(scene):
    kills = 6 * THOROUGHNESS

    def kill_one_after_the_other() -> None:
        for kill in range(kills):
            time.sleep(random.uniform(0.2, 1.2))
            _wait_for(lambda wanted=10 * kill: len(scene.seen.complete) >= wanted)  # a slow machine takes longer
            victim = random.choice(scene.servers)
            _kill_group(victim)
            victim.start()
        _wait_for(lambda: len(scene.seen.complete) >= 10 * kills)

    with ExitStack() as stack:
        scene.servers[0].start()
        stack.callback(scene.servers[0].stop)
        scene.servers += [stack.enter_context(scene.servers[0].beside()) for _ in range(WEB_PROCESSES - 1)]
        asyncio.run(_under_load(scene, kill_one_after_the_other))
        assert_accounted_for(scene)

    assert len(scene.seen.complete) >= 10 * kills


# One on each database, unless one wants to be surer.
@pytest.mark.parametrize("stream", [False, True] if THOROUGHNESS > 1 else [bool(os.environ.get("EMMA18_DATABASE_URL"))])
def test_a_web_process_killed_at_any_commit_leaves_accounts_that_hold(scene, stream):
    """Before the hold's transaction, before its commit and after it; the same of what is written while a stream goes
    out, and of the settlement. The last round lives to its end."""
    server = scene.servers[0]
    endings: list[tuple[int | None, bool]] = []
    charged: dict[str, int] = {}
    while not endings or not endings[-1][1]:
        server.module = ("tests.faults.dying_web", str(len(endings)))
        server.start()
        before = charged.keys()
        (server.data_dir / "armed").touch()
        is_complete = asyncio.run(_one_call(scene, stream))
        (server.data_dir / "armed").unlink()
        server.stop()
        charged = assert_accounted_for(scene)
        endings.append((next((charged[new] for new in charged.keys() - before), None), is_complete))

    charges = [nanousd for nanousd, _ in endings]
    assert len(endings) >= 7
    assert charges[:3] == [None, None, 0]  # nothing yet, nothing committed, held but not sent
    assert charges[-2:] == [charge_nanousd()] * 2  # charged, whether or not the caller heard of it
    # The later it dies, the more is known of it: nothing, then what had been written down by then, then all.
    known = [nanousd for nanousd in charges if nanousd is not None]
    stages = [0 if not nanousd else 2 if nanousd == charge_nanousd() else 1 for nanousd in known]
    assert stages == sorted(stages)
    assert set(stages) >= ({0, 1, 2} if stream else {0, 2})


async def _one_call(scene: Scene, stream: bool) -> bool:
    """Whether the reply came whole."""
    body = {"model": "journal/small", "messages": [{"role": "user", "content": "Hello!"}], "stream": stream}
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {scene.key}"}, timeout=30) as client:
        try:
            answer = await client.post(f"{scene.servers[0].base_url}/api/v1/chat/completions", json=body)
        except httpx.TransportError:
            return False
        return answer.status_code == 200
