"""Many clips asked for over the API of an installation whose processes are killed, one after the other, at random.

Run as a module, on an installation of its own. What is killed is started again as a service manager would do it: at
once. Prints one JSON object: how many clips were found and how late, what was lost, sent twice or left without a file,
which processes outlived their starter, and what the ledger says.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.faults import video_fleet  # sets Django up

import httpx  # noqa: E402  isort: skip
from django.db import connection  # noqa: E402  isort: skip

from accounts import keys  # noqa: E402  isort: skip
from videos.models import VideoTask  # noqa: E402  isort: skip

CALLERS = 4
BETWEEN_KILLS_S = 2, 9  # starting everything takes up to eight seconds on two cores
ENDS_WITHIN_S = 2400  # two cores look at four clips a second, most of them after the last was asked for


class Installation:
    """`up`, and beside it `jobs` where a second job process is wanted."""

    def __init__(self, *, has_second_jobs: bool) -> None:
        port = os.environ["EMMA18_LISTEN_PORT"]
        self.base_url = f"http://127.0.0.1:{port}"
        commands = [["up", "--no-embedded", "--host", "127.0.0.1", "--port", port], ["jobs"]]
        self._commands = commands if has_second_jobs else commands[:1]
        self._running: list[subprocess.Popen[bytes]] = []

    def keep(self) -> None:
        """Start what does not run. The port of one who was just killed may still be held: it is tried again."""
        running = []
        for number, command in enumerate(self._commands):
            process = self._running[number] if number < len(self._running) else None
            if process is None or process.poll() is not None:
                process = subprocess.Popen(
                    [sys.executable, "-m", "django", *command], stdout=sys.stderr, stderr=sys.stderr
                )
            running.append(process)
        self._running = running

    def victims(self) -> dict[str, list[int]]:
        """The processes that run by what they are."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
        rows = [(int(pid), int(parent), words) for pid, parent, *words in map(str.split, listed.stdout.splitlines())]
        ours = {process.pid for process in self._running if process.poll() is None}
        found: dict[str, list[int]] = {"supervisor": sorted(ours)}
        for pid, parent, words in sorted(rows):  # parents come before their children
            if parent in ours:
                ours.add(pid)
                found.setdefault("web" if "emma18_site.web" in words else "worker", []).append(pid)
        return found

    def stop(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(60)

    @staticmethod
    def left_behind() -> int:
        """How many processes of the installation run beside this one, once those have gone that are going."""
        deadline = time.monotonic() + 10
        while (count := sum(map(_is_of_installation, Path("/proc").iterdir()))) and time.monotonic() < deadline:
            time.sleep(0.5)
        return count


def main(tasks: int, kills: int, takes_s: float) -> dict[str, Any]:
    installation = Installation(has_second_jobs=connection.vendor == "postgresql")
    killed: Counter[str] = Counter()
    with video_fleet.journaling_provider(takes_s) as (base_url, journal), ThreadPoolExecutor(CALLERS) as pool:
        _, key = keys.issue(video_fleet.connected(base_url), name="fleet")
        began = time.monotonic()
        deadline, next_kill = began + ENDS_WITHIN_S, began + 10
        asked = [pool.submit(_ask, f"{installation.base_url}/api/v1", key, number) for number in range(tasks)]
        try:
            while time.monotonic() < deadline:
                installation.keep()
                if killed.total() < kills and time.monotonic() > next_kill:
                    kind, pids = random.choice(list(installation.victims().items()))
                    if pids and _kill(random.choice(pids)):
                        killed[kind] += 1
                    next_kill = time.monotonic() + random.uniform(*BETWEEN_KILLS_S)
                elif killed.total() == kills and all(call.done() for call in asked) and _is_over(journal):
                    break
                time.sleep(0.1)
            told = video_fleet.told(journal)
        finally:
            for call in asked:
                call.cancel()
            installation.stop()
        statuses = Counter(call.result() for call in asked)
    files = Counter(VideoTask.objects.values_list("fetch", flat=True))
    told |= {"answers": statuses, "killed": killed, "files": files, "left_behind": installation.left_behind()}
    return told | {"took_s": round(time.monotonic() - began)}


def _ask(api: str, key: str, number: int) -> int:
    """The answer's status, of the last of as many tries as it takes."""
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": f"take-{number}"}
    body = {"prompt": "A fox", "ratio": "16:9"}
    deadline = time.monotonic() + ENDS_WITHIN_S
    while time.monotonic() < deadline:
        try:
            answer = httpx.post(f"{api}/video/seedance/tasks", json=body, headers=headers, timeout=30)
            if answer.status_code < 500:
                return answer.status_code
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    return 0


def _is_of_installation(folder: Path) -> bool:
    folder_of_data = f"EMMA18_DATA_DIR={os.environ['EMMA18_DATA_DIR']}".encode()
    try:
        environment = (folder / "environ").read_bytes() if folder.name.isdecimal() else b""
    except OSError:
        return False
    return folder_of_data in environment.split(b"\0") and int(folder.name) != os.getpid()


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _is_over(journal: Path) -> bool:
    """All that the provider took has ended, with a file. Of what never reached it nobody here can know that."""
    lost_on_the_way = VideoTask.objects.filter(state=VideoTask.State.SUBMIT_UNKNOWN).count()
    done = VideoTask.objects.filter(state__in=VideoTask.ENDED, fetch=VideoTask.Fetch.STORED).count()
    sent = len(journal.read_text().splitlines())
    return done == sent and done + lost_on_the_way == VideoTask.objects.count()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.faults.video_kills")
    parser.add_argument("--tasks", type=int, required=True)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--takes", type=float, required=True)
    options = parser.parse_args()
    print(json.dumps(main(options.tasks, options.kills, options.takes)))
