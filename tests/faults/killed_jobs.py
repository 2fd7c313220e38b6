"""Harms background workers one after the other, mostly by SIGKILL.

Run as a module by test_job_kills.py, on a database of its own. Prints one JSON object: for each harm what it was, and
after how many seconds a job that was queued right after it had been done.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django_q.models import OrmQ  # noqa: E402

from accounts import queue  # noqa: E402
from accounts.models import Run  # noqa: E402
from tests.faults import marking_jobs  # noqa: E402

GIVES_UP_AFTER_S = 60
IS_IN_REDIS = "redis" in settings.Q_CLUSTER
CLUSTER = "default"  # others are at work too: one sweeps for videos all the time
WORKERS = settings.JOB_CLUSTERS[CLUSTER]["workers"]
PROCESSES = WORKERS + 2  # and those that fetch jobs and note results
ROUND = ("idle", "busy", "all idle", "busy", "guard", "cluster", "busy", "helper", "idle", "stuck")


class Cluster:
    """The default cluster under a supervisor of its own."""

    def __init__(self, supervisor: subprocess.Popen[bytes]) -> None:
        self.supervisor = supervisor

    def main(self) -> int:
        return wait_for(lambda: next(iter(children(self.supervisor.pid)), None))

    def guard(self) -> int:
        return wait_for(lambda: next(iter(children(self.main())), None))

    def processes(self) -> list[int]:
        """The workers, then the others, once all are there: in the order in which they are started."""
        return wait_for(lambda: found if len(found := sorted(children(self.guard()))) == PROCESSES else None)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    with (settings.DATA_DIR / "jobs.log").open("ab") as log:
        supervisor = subprocess.Popen([sys.executable, "-m", "django", "jobs"], stdout=log, stderr=log)
    try:
        queue.enqueue("tests.faults.marking_jobs.quick", 0)
        wait_for(lambda: "done 0" in marks())
        yield Cluster(supervisor)
    finally:
        supervisor.terminate()
        supervisor.wait(20)


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(child) for child, parent in map(str.split, listed.splitlines()) if int(parent) == pid]


def marks() -> list[str]:
    path = marking_jobs.file()
    return path.read_text().splitlines() if path.exists() else []


def wait_for[T](look: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + GIVES_UP_AFTER_S
    while not (found := look()):
        if time.monotonic() > deadline:
            log = (settings.DATA_DIR / "jobs.log").read_text()
            raise SystemExit(f"It did not come to be:\n{marks()[-5:]}\n{log[-3000:]}")
        time.sleep(0.02)
    return found


def wait_until_done(number: int) -> None:
    """Have a job done. What a killed cluster had taken from Redis is gone with it: there a job is asked for again, as
    the periodic ones are."""
    asked_at = 0.0

    def is_done() -> bool:
        nonlocal asked_at
        if not asked_at or (IS_IN_REDIS and time.monotonic() - asked_at > 1):
            queue.enqueue("tests.faults.marking_jobs.quick", number)
            asked_at = time.monotonic()
        return f"done {number}" in marks()

    wait_for(is_done)


def begun(number: int) -> int:
    """The process id of the worker that began this job, once one did."""
    began = f"began {number} "
    return int(wait_for(lambda: next((line for line in marks() if line.startswith(began)), "")).split()[2])


def harm(kind: str, cluster: Cluster, number: int) -> None:
    processes = cluster.processes()
    if kind == "stuck":  # nothing is killed, but no worker takes a job any more
        for job in range(number, number + 500 * WORKERS, 500):
            queue.enqueue("tests.faults.marking_jobs.stuck", job)
            begun(job)
        return
    if kind == "busy":
        queue.enqueue("tests.faults.marking_jobs.slow", number)
        victims = [begun(number)]
    else:
        victims = {
            "idle": [random.choice(processes[:WORKERS])],
            "all idle": processes[:WORKERS],
            "helper": [random.choice(processes[WORKERS:])],
            "guard": [cluster.guard()],
            "cluster": [cluster.main()],
        }[kind]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)


def leftover() -> int:
    """Runs that are still noted, once those have gone whose job has just ended: it says so itself, and first."""
    runs, deadline = Run.objects.filter(cluster=CLUSTER), time.monotonic() + 5
    while (count := runs.count()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return count


def kills(count: int) -> dict[str, Any]:
    recovered: list[tuple[str, float]] = []
    with running_cluster() as cluster:
        for number in range(1, count + 1):
            kind = ROUND[(number - 1) % len(ROUND)]
            harm(kind, cluster, number)
            harmed_at = time.monotonic()
            wait_until_done(number + 2000)
            recovered.append((kind, round(time.monotonic() - harmed_at, 2)))
            # What was cut short is done before the next harm: five times cut short, and a job is given up.
            begun_jobs = {f"done {line.split()[1]}" for line in marks() if line.startswith("began")}
            wait_for(lambda begun_jobs=begun_jobs: begun_jobs <= set(marks()))
            time.sleep(random.uniform(0, 0.5))
        wait_for(lambda: not OrmQ.objects.filter(key=CLUSTER).exists())
        left = leftover()
    times = Counter(line for line in marks() if line.startswith("done"))
    return {"recovered": recovered, "leftover": left, "done": len(times), "begun": len(begun_jobs)}


def fatal() -> dict[str, Any]:
    """A job that ends its worker each time, and then one that does not."""
    with running_cluster():
        queue.enqueue("tests.faults.marking_jobs.fatal", 1)
        wait_for(lambda: not OrmQ.objects.filter(key=CLUSTER).exists())
        queue.enqueue("tests.faults.marking_jobs.quick", 2)
        wait_for(lambda: "done 2" in marks())
        left = leftover()
    return {"begun": sum(line.startswith("began 1 ") for line in marks()), "leftover": left}


if __name__ == "__main__":
    scene, *numbers = sys.argv[1:]
    json.dump({"kills": kills, "fatal": fatal}[scene](*map(int, numbers)), sys.stdout)
