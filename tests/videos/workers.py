"""What the background workers do, in one process beside a server, without the pauses between two looks."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.server import ROOT, RunningServer

WORK = """
import django; django.setup()
import time
from django.db.models.functions import Now
from videos import jobs, sweep
from videos.models import VideoTask
while True:
    VideoTask.objects.filter(next_step_at__isnull=False).update(next_step_at=Now())
    sweep.run()
    for pk in VideoTask.objects.filter(fetch=VideoTask.Fetch.DUE).values_list("pk", flat=True):
        jobs.fetch(pk)
    time.sleep(1)
"""


@contextmanager
def working(server: RunningServer) -> Iterator[None]:
    with (server.data_dir / "jobs.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", WORK], env=server.environment, cwd=ROOT, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(15)
