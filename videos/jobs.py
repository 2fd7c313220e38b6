"""This room's background jobs, by the names under which they are queued."""

import time

from videos import fetching, storage, sweep, uploads

SWEEP_S = 57  # started every minute


def advance(task_id: int) -> None:
    """When a task was submitted; the sweep would find it a moment later."""
    sweep.advance(task_id)


def run_sweep() -> None:
    """Every minute, for nearly as long."""
    sweep.run(until=time.monotonic() + SWEEP_S)


def fetch(task_id: int) -> None:
    """When a clip is finished, and again for as long as its file is due."""
    fetching.fetch(task_id)


def fetch_due() -> None:
    """Every minute."""
    fetching.enqueue_due()


def tidy_files() -> None:
    """Every few hours."""
    uploads.forget_unused()
    storage.tidy()
