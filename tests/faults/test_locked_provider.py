"""What an answer says of its provider is written down beside it: a database that is held up keeps nobody's answer, and
whoever leaves meanwhile pays for what came."""

import json
import threading
from pathlib import Path

import httpx

from tests.provider import running_provider
from tests.scenes import founded
from tests.server import RunningServer, running_server

SCENE = """
from django.db import transaction
from accounts import keys, ledger, people
from accounts.models import Provider, Team, User
team = Team.objects.get(name="Northlight")
alice = people.member(team, user=User.objects.get(name="alice"))
with transaction.atomic():
    ledger.top_up(team, by=alice.user, key="scene", amount_nanousd=10**9)
Provider.objects.filter(name="Loopback").update(last_error="It was out of funds.")
print(keys.issue(alice, name="laptop")[1])
"""
HELD_UP = """
import pathlib, time
from django.db import transaction
from accounts.models import Provider
with transaction.atomic():
    Provider.objects.filter(name="Loopback").update(name="Loopback")
    pathlib.Path({held!r}).touch()
    until = time.monotonic() + 20
    while not pathlib.Path({let_go!r}).exists() and time.monotonic() < until:
        time.sleep(0.02)
"""
CHARGED = """
import json, time
from accounts.models import Receipt
until = time.monotonic() + 20
while not (found := Receipt.objects.first()) and time.monotonic() < until:
    time.sleep(0.05)
print(json.dumps([found.outcome, found.charged_nanousd]))
"""


def hold_up(server: RunningServer, folder: Path) -> tuple[threading.Thread, Path]:
    """Keep the provider's row from being written, until the file is there."""
    held, let_go = folder / "held", folder / "let-go"
    holding = threading.Thread(target=server.run_python, args=[HELD_UP.format(held=str(held), let_go=str(let_go))])
    holding.start()
    while not held.exists():
        holding.join(0.02)
        assert holding.is_alive()
    return holding, let_go


def test_an_answer_does_not_wait_for_the_note_that_it_came(tmp_path):
    with running_provider() as provider, running_server() as server:
        founded(server, provider)
        key = server.run_python(SCENE).strip()
        provider.script("plain/small", fault="hang-before-first-event", delay_s=0.3, text="word " * 60)
        body = {"model": "plain/small", "messages": [{"role": "user", "content": "Hello!"}], "stream": True}
        said: list[str] = []

        def read_a_little() -> None:
            headers = {"authorization": f"Bearer {key}"}
            url = f"{server.base_url}/api/v1/chat/completions"
            with httpx.stream("POST", url, json=body, headers=headers, timeout=5) as running:
                said.extend(line for line, _ in zip(running.iter_lines(), range(6), strict=False))

        reader = threading.Thread(target=read_a_little)
        reader.start()
        provider.wait_until(lambda it: any(each.path.endswith("/completions") for each in it.requests))
        holding, let_go = hold_up(server, tmp_path)
        provider.release()
        reader.join(10)
        assert holding.is_alive() and any("word" in line for line in said), "the answer waited"
        provider.wait_until(lambda it: it.open_streams == 0)
        let_go.touch()
        holding.join(10)

        outcome, charged = json.loads(server.run_python(CHARGED))
        assert outcome == "stopped" and charged > 0
        assert "The ledger holds" in server.manage("ledgercheck")
