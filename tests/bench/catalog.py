"""`manage.py bench catalog`: how much of the processor the server takes for the Models page and for a search in it.

A scratch installation is connected to providers that offer two thirds of the known models, with a day's receipts of a
busy team. Each page is asked for again and again through Django's own test client, in one process; what counts is the
processor's time from the first middleware to the last. Says which goals were missed.
"""

import json
import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.bench.gateway import database_at
from tests.server import installation

HELP = "the Models page and a search in it, over the whole catalog"
PAGE_GOAL_MS, SEARCH_GOAL_MS = 10, 5
WARM_UP = 5


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--receipts", type=int, default=100_000, help="receipts of 90 days to make (%(default)s)")
    parser.add_argument("--rounds", type=int, default=200, help="times each page is asked for (%(default)s)")
    parser.add_argument(
        "--database-url", default="", metavar="URL", help="a PostgreSQL in which a database is made for the run"
    )


@dataclass(frozen=True, slots=True)
class Options:
    """What `add_arguments` offers."""

    receipts: int
    rounds: int
    database_url: str


def run(options: Options, *, write: Callable[[str], object]) -> int:
    """Measure and print. Returns how many requests were not answered with a page."""
    with database_at(options.database_url), installation(EMMA18_LOG_LEVEL="ERROR") as scratch:
        scratch.run_module("tests.bench.busy_team", str(options.receipts))
        results = json.loads(scratch.run_module("tests.bench.catalog", str(options.rounds)).splitlines()[-1])
    for each in results:
        goal = f"goal {each['goal']}" if each["goal"] else "no goal"
        write(
            f"{each['name']:36}{each['median']:8.2f} ms median{each['p95']:8.2f} p95, {goal}, {each['bytes']:,} bytes"
        )
    return sum(each["failed"] for each in results)


# In the scratch installation


def connect() -> None:
    from accounts import vault
    from accounts.models import Provider, Team
    from catalog import sync
    from catalog.known import catalog
    from upstream.models import ListedModel

    team = Team.objects.get(name="Northlight")
    ids = [model.id for model in catalog()]
    for number, offered in enumerate((ids[::3], ids[1::3], ids[::6])):
        provider = vault.store(
            team,
            kind=Provider.Kind.OPENAI_COMPATIBLE,
            name=f"Seller {number}",
            base_url="https://p.example.org/v1",
            api_key="k",
        )
        sync.apply(provider, [ListedModel(model_id, model_id, "", None, None, None) for model_id in offered])


def measured(name: str, path: str, goal: int, rounds: int, headers: dict[str, str]) -> dict[str, Any]:
    from django.conf import settings
    from django.test import Client

    from accounts.models import User

    browser = Client(SERVER_NAME="127.0.0.1", headers=headers)
    browser.force_login(User.objects.get(name="alice"), backend=settings.AUTHENTICATION_BACKENDS[0])
    times, failed, size = [], 0, 0
    for number in range(rounds + WARM_UP):
        began = time.thread_time()
        answer = browser.get(path)
        took_ms = (time.thread_time() - began) * 1000
        failed += answer.status_code != 200
        size = len(answer.content)
        if number >= WARM_UP:
            times.append(took_ms)
    p95 = statistics.quantiles(times, n=20, method="inclusive")[-1]
    figures = {"median": statistics.median(times), "p95": p95, "goal": goal, "failed": failed, "bytes": size}
    return {"name": name} | figures


def main(rounds: int) -> None:
    import django

    django.setup()
    connect()
    htmx = {"HX-Request": "true", "HX-Target": "div#models-found"}
    pages = [
        ("a page with nothing on it", "/healthz", 0, {}),
        ("first rows, whole page", "/models/", PAGE_GOAL_MS, {}),
        ("search for a name", "/models/?q=kimi", SEARCH_GOAL_MS, htmx),
        ("search for a letter", "/models/?q=c", SEARCH_GOAL_MS, htmx),
        ("two facets, by price", "/models/?feature=tools&available=available&sort=in", SEARCH_GOAL_MS, htmx),
        ("next rows", "/models/?after=anthropic/claude-opus-4.1", SEARCH_GOAL_MS, htmx),
        ("a model", "/models/moonshotai/kimi-k2.6", 0, {}),
    ]
    print(json.dumps([measured(name, path, goal, rounds, headers) for name, path, goal, headers in pages]))


if __name__ == "__main__":
    import sys

    main(int(sys.argv[1]))
