"""Many clips at once: each is found soon after it was made, sent once and charged once, whatever is killed."""

import json
import os
from typing import Any

import pytest
from django.conf import settings

from tests.server import installation

# 15 is the fleet of 3,000 and the 60 kills that are promised.
THOROUGHNESS = min(int(os.environ.get("EMMA18_TEST_THOROUGHNESS", "1")), 15)
TASKS = 200 * THOROUGHNESS
TAKES_S = 10 * THOROUGHNESS  # long enough for all to be under way at once
FOUND_WITHIN_S, FOUND_WITHIN_S_OF_A_KILL = 10, 60

pytestmark = pytest.mark.xdist_group("up")  # they count seconds: not beside each other


def told(module: str, **options: int) -> dict[str, Any]:
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with installation() as server:
        told: dict[str, Any] = json.loads(server.run_module(module, *arguments))
    print(told)
    assert (told["states"]["succeeded"], told["sent_twice"], told["wrongly_charged"]) == (told["sent"], 0, 0)
    # One killed between being marked as sent and being sent: only an admin can say that the provider never had it.
    unknown = told["states"].get("submit_unknown", 0)
    assert told["sent"] + unknown == options["tasks"]
    assert (told["open_holds"], told["breaches"]) == (unknown, [])
    return told


def test_every_clip_of_a_fleet_is_found_within_10_s():
    processes = 2 if settings.DATABASES["default"]["ENGINE"].endswith("postgresql") else 1

    fleet = told("tests.faults.video_fleet", tasks=TASKS, processes=processes, takes=TAKES_S)

    assert fleet["sent"] == TASKS
    assert fleet["p95_s"] < FOUND_WITHIN_S


def test_with_workers_supervisor_and_web_killed_every_clip_is_found_within_a_minute():
    tasks = TASKS if THOROUGHNESS > 1 else 60

    fleet = told("tests.faults.video_kills", tasks=tasks, kills=4 * THOROUGHNESS, takes=20 * THOROUGHNESS)

    assert fleet["latest_s"] < FOUND_WITHIN_S_OF_A_KILL
    assert (fleet["answers"], fleet["files"]["stored"]) == ({"200": tasks}, fleet["sent"])
    assert fleet["left_behind"] == 0
