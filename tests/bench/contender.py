"""One server that takes part in a bench: how it is asked, started and ended, and what it takes of the machine."""

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import upstream
from tests.bench.load import Job, request_body
from tests.install import Missing

START_WITHIN_S = 90
END_WITHIN_S = 10
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Contender:
    """`pid` is the root of its processes, 0 where they are not ours to look at. `cold_start_s` is the time from its
    start to its first answer to a completion."""

    name: str
    version: str
    port: int
    path: str
    headers: dict[str, str]
    pid: int = 0
    cold_start_s: float = 0.0

    def job(self, model: str, connections: int, seconds: float, *, is_stream: bool = False) -> Job:
        return Job(self.port, self.path, self.headers, model, connections, seconds, is_stream)

    def answers(self) -> bool:
        """Whether it completes a chat now."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"content-type": "application/json", **self.headers}
            connection.request("POST", self.path, request_body(upstream.MODEL, is_stream=False), headers)
            answer = connection.getresponse()
            return upstream.TEXT in answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def cpu_s(self) -> float:
        """Seconds of CPU that its processes have used so far, with those of theirs that have ended."""
        ticks = sum(int(part) for stat in _stats(self.pid) for part in stat[11:15])
        return ticks / TICKS_PER_S

    def rss_bytes(self) -> int:
        return sum(int(stat[21]) for stat in _stats(self.pid)) * PAGE_BYTES


def _stats(root: int) -> list[list[str]]:
    """/proc/PID/stat of a process and its descendants, from the state on: 0 state, 1 parent, 11-14 times, 21 pages."""
    found: dict[int, list[str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
    family = {root}
    while more := {pid for pid, stat in found.items() if int(stat[1]) in family} - family:
        family |= more
    return [found[pid] for pid in family if pid in found]


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Whatever is started meanwhile stays on these cores: children inherit them from the thread that starts them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def started(contender: Contender, command: list[str], environment: dict[str, str], *, log: Path) -> Iterator[None]:
    """Start a program and wait until it answers. Raises Missing when it does not; ends its processes at the end."""
    began_at = time.monotonic()
    try:
        with log.open("wb") as written:
            process = subprocess.Popen(
                command, env=environment, cwd=log.parent, stdout=written, stderr=written, start_new_session=True
            )
    except OSError as error:
        raise Missing(f"{contender.name} could not be started: {error}") from None
    try:
        while not contender.answers():
            if process.poll() is not None or time.monotonic() - began_at > START_WITHIN_S:
                said = log.read_text(encoding="utf-8", errors="replace")[-1000:]
                raise Missing(f"{contender.name} did not come to answer. The end of its log:\n{said}")
            time.sleep(0.05)
        contender.pid, contender.cold_start_s = process.pid, time.monotonic() - began_at
        yield
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started in a session of its own, and those it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
