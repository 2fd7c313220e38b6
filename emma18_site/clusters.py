"""The clusters of background workers: how each is run and watched, and what is done by the clock.

Knows all rooms' periodic jobs. The clusters themselves are a table in the settings; how a program is kept running is
supervisor.py's.
"""

import logging
import os
import random
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import close_old_connections, connection, transaction
from django.utils import timezone
from django_q.models import Schedule

from accounts import heartbeats, queue
from emma18_site.supervisor import Life, Program

BEAT_EVERY_S = 2
LOOKED_FOR_EVERY_S = 0.25
STALLED_AFTER_S = 6  # a beat takes half a second through a cluster that works, three on a machine that is swamped
STARTS_WITHIN_S = 40
STUCK_AFTER_S = 40

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Periodic:
    """A job done by the clock, to the half minute: finer is the matter of a job that runs for most of a minute and
    looks again every few seconds."""

    name: str
    job: str
    every: timedelta
    cluster: str = "default"


PERIODIC = (
    Periodic("catalog sync", "catalog.jobs.sync_all", timedelta(hours=1)),
    Periodic("video sweep", "videos.jobs.run_sweep", timedelta(minutes=1), "videos"),
    Periodic("video files", "videos.jobs.fetch_due", timedelta(minutes=1), "media"),
    Periodic("old uploads", "videos.jobs.tidy_files", timedelta(hours=6), "media"),
    Periodic("forget failures", "accounts.jobs.forget_failures", timedelta(days=1)),
)


def programs() -> list[Program]:
    return [
        Program(
            f"The background cluster {name!r}",
            [sys.executable, "-m", "emma18_site.workers", name],
            waits=True,
            watch=lambda life, name=name: _watch(name, life),  # type: ignore[misc]  # bound in the loop
        )
        for name in settings.JOB_CLUSTERS
    ]


@transaction.atomic
def schedule() -> None:
    """Have the periodic jobs done. What is done every minute begins at once; the first time of others is anywhere in
    their period, so that installations do not call the same provider in the same minute. What is no longer periodic is
    taken away."""
    kept = []
    for periodic in PERIODIC:
        minutes = round(periodic.every / timedelta(minutes=1))
        rows = Schedule.objects.filter(name=periodic.name)
        if not rows.update(
            func=periodic.job, schedule_type=Schedule.MINUTES, minutes=minutes, cluster=periodic.cluster
        ):
            is_rare = periodic.every > timedelta(minutes=1)
            first = timezone.now() + periodic.every * (random.uniform(0.02, 1) if is_rare else 0)
            rows.create(
                name=periodic.name,
                func=periodic.job,
                schedule_type=Schedule.MINUTES,
                minutes=minutes,
                cluster=periodic.cluster,
                next_run=first,
            )
        kept.append(rows.order_by("pk").values_list("pk", flat=True)[0])  # two who start at once may make two
    Schedule.objects.exclude(pk__in=kept).delete()


def _watch(name: str, life: Life) -> bool:
    """Sends beats through the cluster's queue while it lives. One that does not come back although a worker is free
    means that the cluster hangs: it is to start afresh, and if that does not help, True ends its process."""
    answered_at = time.monotonic()
    is_warned = False
    try:
        while not life.is_over(BEAT_EVERY_S):
            try:
                close_old_connections()  # one that the database has ended would be asked again and again
                comes_back = _comes_back(name, life, heartbeats.ask(name))
                answered_at = time.monotonic()
            except Exception as error:  # the database or the broker does not answer, which proves nothing at first
                logger.warning("workers not watched", extra={"cluster": name, "error": type(error).__name__})
                comes_back = time.monotonic() - answered_at < STUCK_AFTER_S  # it may be a worker that holds it up
            if not comes_back and (is_warned or life.is_over()):
                return not life.is_over()
            if not comes_back:
                logger.error("the background cluster hangs", extra={"cluster": name})
                with suppress(ProcessLookupError):
                    os.kill(life.pid, signal.SIGUSR1)
            is_warned = not comes_back
    finally:
        connection.close()
    return False


def _comes_back(name: str, life: Life, last: datetime | None) -> bool:
    patience_s = STALLED_AFTER_S if life.works else STARTS_WITHIN_S
    since = time.monotonic()
    while not life.is_over(LOOKED_FOR_EVERY_S):
        if heartbeats.seen_at(name) != last:
            life.works = True
            return True
        if queue.running(name) >= int(str(settings.JOB_CLUSTERS[name]["workers"])):
            since = time.monotonic()
        if time.monotonic() - since > patience_s:
            return False
    return True
