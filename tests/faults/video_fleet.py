"""Many clips under way at once. Run as a module, on a database of its own.

Prints one JSON object: how many were found and how late, what was lost or sent twice, and what the ledger says.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402

from accounts import invariants, vault  # noqa: E402
from accounts.callers import Caller  # noqa: E402
from accounts.ids import new_id  # noqa: E402
from accounts.models import Hold, Provider  # noqa: E402
from catalog import implied, sync  # noqa: E402
from tests.faults.spenders import exit_code, fork, rich_caller  # noqa: E402
from tests.video_provider import KEY  # noqa: E402
from videos import lifecycle, requests, sweep  # noqa: E402
from videos.models import TaskEvent, VideoTask  # noqa: E402

PRICE_NANOUSD = 756_000_000  # of 108,000 tokens


def main(tasks: int, processes: int, takes_s: float) -> dict[str, Any]:
    with journaling_provider(takes_s) as (base_url, journal):
        began = time.monotonic()
        _sweep_all(connected(base_url), tasks, processes)
        return told(journal) | {"took_s": round(time.monotonic() - began)}


@contextmanager
def journaling_provider(takes_s: float) -> Iterator[tuple[str, Path]]:
    """Its address and what it writes down."""
    with TemporaryDirectory() as folder:
        journal = Path(folder) / "journal"
        command = [sys.executable, "-m", "tests.faults.video_journal", "--file", str(journal), "--takes", str(takes_s)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as upstream:
            try:
                assert upstream.stdout is not None
                yield upstream.stdout.readline().strip(), journal
            finally:
                upstream.kill()


def connected(base_url: str) -> Caller:
    """Somebody rich whose team has this provider of clips."""
    caller = rich_caller("fleet", 10**16)
    ark = vault.store(caller.team, kind=Provider.Kind.ARK, name="Ark", base_url=base_url, api_key=KEY)
    sync.apply(ark, implied.models(ark.kind, base_url))
    return caller


def _sweep_all(caller: Caller, tasks: int, processes: int) -> None:
    asked = requests.read({"prompt": "A fox", "ratio": "16:9"})
    children = [fork(_sweep) for _ in range(processes)]
    deadline = time.monotonic() + 600
    try:
        for number in range(tasks):
            lifecycle.submit(caller, asked, request_id=new_id("req"), idempotency_key=f"take-{number}")
        while VideoTask.objects.filter(state__in=VideoTask.OPEN).exists() and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            exit_code(pid)


def _sweep() -> int:
    sweep.run(until=float("inf"))
    return 0


def told(journal: Path) -> dict[str, Any]:
    """Once all has ended: what was sent, found, and charged."""
    made_at = {id: float(moment) for id, moment in map(str.split, journal.read_text().splitlines())}
    claimed = set(VideoTask.objects.exclude(upstream_id="").values_list("upstream_id", flat=True))
    states = Counter(VideoTask.objects.values_list("state", flat=True))
    found = VideoTask.objects.filter(state="succeeded").values_list("upstream_id", "completed_at")
    late = sorted(max(0.0, moment.timestamp() - made_at[id]) for id, moment in found)
    charged = Hold.objects.exclude(state=Hold.State.OPEN).values_list("charged_nanousd", flat=True)
    return {
        "states": states,
        "sent": len(made_at),
        "sent_twice": len(made_at.keys() - claimed),
        "wrongly_charged": sum(each != PRICE_NANOUSD for each in charged),
        "open_holds": Hold.objects.filter(state=Hold.State.OPEN).count(),
        "breaches": [str(breach) for breach in invariants.breaches()],
        "adopted": TaskEvent.objects.filter(what="adopted").count(),  # their answers had been lost
        "p50_s": round(statistics.median(late), 1) if late else None,
        "p95_s": round(late[int(len(late) * 0.95)], 1) if late else None,
        "latest_s": round(late[-1], 1) if late else None,
        "database": settings.DATABASES["default"]["ENGINE"].rpartition(".")[2],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.faults.video_fleet")
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--takes", type=float, default=10)
    options = parser.parse_args()
    print(json.dumps(main(options.tasks, options.processes, options.takes)))
