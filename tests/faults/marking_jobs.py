"""Jobs that leave marks in a file, so that a test sees which ran, where and how often."""

import os
import signal
import threading
import time
from pathlib import Path

from accounts.models import Run

SLOW_S = 1.5


def file() -> Path:
    return Path(os.environ["EMMA18_DATA_DIR"]) / "marks"


def quick(number: int) -> None:
    _mark(f"done {number}")


def slow(number: int) -> None:
    _mark(f"began {number} {os.getpid()}")
    time.sleep(SLOW_S)
    _mark(f"done {number}")


def stuck(number: int) -> None:
    """Hangs, and to who looks its worker is free: as when the workers wait for a lock that died with its holder. The
    second time it does not."""
    if any(line.startswith(f"began {number} ") for line in file().read_text().splitlines()):
        _mark(f"done {number}")
        return
    signal.alarm(0)
    Run.objects.filter(job="tests.faults.marking_jobs.stuck").delete()
    _mark(f"began {number} {os.getpid()}")
    threading.Event().wait()


def fatal(number: int) -> None:
    """Ends its worker as running out of memory would."""
    _mark(f"began {number} {os.getpid()}")
    os.kill(os.getpid(), signal.SIGKILL)


def _mark(words: str) -> None:
    with file().open("a") as marks:  # a short line is appended whole
        marks.write(f"{words}\n")
