"""`manage.py bench pages`: how long the server takes for the Usage page, the log of requests and the ledger
of a busy team.

A scratch installation gets a million receipts and the days they come to (`tests/bench/busy_team.py`). Each page is then
asked for again and again through Django's own test client, in one process, and every request's time is taken from its
first middleware to its last: queries, view and templates, but no network. Says which goals were missed.
"""

import atexit
import json
import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from emma18_site import testing
from tests.bench.gateway import database_at
from tests.server import installation

HELP = "the Usage page, the log of requests and the ledger, over a million receipts"
USAGE_GOAL_MS, LOG_GOAL_MS = 100, 50
WARM_UP = 2


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--receipts", type=int, default=1_000_000, help="receipts to make first (%(default)s)")
    parser.add_argument("--rounds", type=int, default=40, help="times each page is asked for (%(default)s)")
    parser.add_argument(
        "--database-url", default="", metavar="URL", help="a PostgreSQL in which a database is made for the run"
    )
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL that is started for the run")


@dataclass(frozen=True, slots=True)
class Options:
    """What `add_arguments` offers."""

    receipts: int
    rounds: int
    database_url: str
    postgres: bool


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked for, by whom, and how long it may take."""

    name: str
    path: str
    goal_ms: int
    who: str = "alice"


def run(options: Options, *, write: Callable[[str], object]) -> int:
    """Measure and print. Returns how many requests were not answered with a page."""
    with (
        database(options.database_url, postgres=options.postgres) as url,
        database_at(url),
        installation(EMMA18_LOG_LEVEL="ERROR") as scratch,
    ):
        began = time.perf_counter()
        scratch.run_module("tests.bench.busy_team", str(options.receipts))
        took_s = time.perf_counter() - began
        write(f"{options.receipts:,} receipts on {'PostgreSQL' if url else 'SQLite'}, made in {took_s:.0f} s\n")
        printed = scratch.run_module("tests.bench.pages", str(options.rounds))
    results = json.loads(printed.splitlines()[-1])
    write(table(results))
    return sum(result["failed"] for result in results)


@contextmanager
def database(named: str, *, postgres: bool) -> Iterator[str]:
    """The one that was named, or a server started for the run."""
    if not postgres:
        yield named
        return
    server = ExitStack()
    url = server.enter_context(testing.postgres())
    if url is None:
        raise SystemExit("No PostgreSQL was found on this machine. Name one with --database-url.")
    atexit.register(server.close)  # after the databases in it are dropped, which is done at the end too
    yield url


def table(results: list[dict[str, Any]]) -> str:
    lines = [f"{'':44}{'median':>8}{'p95':>8}{'goal':>8}  (ms)", "-" * 72]
    for each in results:
        verdict = "FAILED" if each["failed"] else "reached" if each["p95"] <= each["goal"] else "MISSED"
        lines.append(f"{each['name']:44}{each['median']:8.1f}{each['p95']:8.1f}{each['goal']:8}  {verdict}")
    missed = sum(each["p95"] > each["goal"] for each in results)
    lines += ["", f"{len(results) - missed} of {len(results)} goals reached, each by 95 of 100 requests."]
    return "\n".join(lines)


# In the scratch installation


def pages() -> list[Page]:
    from accounts import movements
    from accounts.models import AccessKey, Hold, Receipt, UsageDay, User
    from tests.bench.busy_team import RARE_MODEL

    alice = User.objects.get(name="alice")
    busy, quiet = User.objects.get(name="member 3"), User.objects.get(name="quiet")
    used = sorted(set(UsageDay.objects.filter(user=busy).values_list("model_id", flat=True)))
    of_busy, never = used[0], next(model for model in (f"model/{number}" for number in range(99)) if model not in used)
    key = AccessKey.objects.get(name="key 3")
    middle = Receipt.objects.order_by("pk").values_list("pk", flat=True)[Receipt.objects.count() // 2]
    first = Receipt.objects.order_by("pk").values_list("pk", flat=True)[51]
    some_id = Receipt.objects.get(pk=middle).request_id
    moments = Hold.objects.order_by("pk").values_list("opened_at", flat=True)
    of_ledger = {"newest": "", "entries": "&entries=entries", "top-ups": "&entries=top-up"}
    for name, moment in (("very end", moments[51]), ("middle", moments[Hold.objects.count() // 2])):
        of_ledger[name] = f"&before={movements.Cursor(moment, 0, 0, 0).signed(alice.memberships.get().team)}"
    of_usage = {
        "month by member": "",
        "90 days by member": "?range=90d",
        "90 days by model, tokens": "?range=90d&by=model&measure=tokens",
        "90 days by key, requests": "?range=90d&by=key&measure=requests",
        "90 days by provider": "?range=90d&by=provider",
        "90 days of a member": f"?range=90d&by=model&member={busy.pk}",
        "90 days of a model": "?range=90d&model=model/3",
        "90 days of a key": f"?range=90d&key={key.pk}",
        "90 days of a provider": "?range=90d&provider=provider+1",
        "7 days": "?range=7d",
        "today": "?range=today",
    }
    of_log = {
        "newest": "",
        "middle": f"?before={middle}",
        "very end": f"?before={first}",
        "back from the very end": "?after=1",
        "member": f"?member={busy.pk}",
        "member, middle": f"?member={busy.pk}&before={middle}",
        "member with few": f"?member={quiet.pk}",
        "owner": f"?member={alice.pk}",
        "key": f"?key={key.pk}",
        "playground, of which there are few": "?key=0",
        "model": "?model=model/3",
        "model with few": f"?model={RARE_MODEL}",
        "model that is absent": "?model=absent",
        "done": "?outcome=done",
        "refused": "?outcome=refused",
        "refused, middle": f"?outcome=refused&before={middle}",
        "lapsed, of which there are few": "?outcome=lapsed",
        "member and a model of theirs": f"?member={busy.pk}&model={of_busy}",
        "member and a model they never used": f"?member={busy.pk}&model={never}",
        "whole request id": f"?q={some_id}",
        "start of a request id": f"?q={some_id[:11]}",
        "name of a key": "?q=key+3",
        "name of a member": "?q=member+1",
        "name of nobody": "?q=nobody",
    }
    return [
        *(Page(f"Usage, {name}", f"/usage/{words}", USAGE_GOAL_MS) for name, words in of_usage.items()),
        Page("Usage, 90 days, as a member", "/usage/?range=90d", USAGE_GOAL_MS, "member 3"),
        *(Page(f"Requests, {name}", f"/usage/requests/{words}", LOG_GOAL_MS) for name, words in of_log.items()),
        Page("Requests, as a member", "/usage/requests/", LOG_GOAL_MS, "member 3"),
        Page("Requests, as a member with few", "/usage/requests/", LOG_GOAL_MS, "quiet"),
        Page("Receipt", f"/usage/requests/{some_id}/", LOG_GOAL_MS),
        Page("Keys & Balance", "/keys/", USAGE_GOAL_MS),
        *(Page(f"Ledger, {name}", f"/keys/ledger/?{words}", LOG_GOAL_MS) for name, words in of_ledger.items()),
        Page("Ledger, as a member", "/keys/ledger/", LOG_GOAL_MS, "member 3"),
        Page("Ledger, as a member with few", "/keys/ledger/", LOG_GOAL_MS, "quiet"),
    ]


def measured(page: Page, rounds: int) -> dict[str, Any]:
    from django.conf import settings
    from django.test import Client

    from accounts.models import User

    browser = Client(SERVER_NAME="127.0.0.1")
    browser.force_login(User.objects.get(name=page.who), backend=settings.AUTHENTICATION_BACKENDS[0])
    times, failed = [], 0
    for number in range(rounds + WARM_UP):
        began = time.perf_counter()
        answer = browser.get(page.path)
        took_ms = (time.perf_counter() - began) * 1000
        failed += answer.status_code != 200
        if number >= WARM_UP:
            times.append(took_ms)
    p95 = statistics.quantiles(times, n=20, method="inclusive")[-1]
    figures = {"median": statistics.median(times), "p95": p95, "goal": page.goal_ms, "failed": failed}
    return {"name": page.name} | figures


def main(rounds: int) -> None:
    import django

    django.setup()
    print(json.dumps([measured(page, rounds) for page in pages()]))


if __name__ == "__main__":
    import sys

    main(int(sys.argv[1]))
