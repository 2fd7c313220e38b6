"""When each cluster of background workers was last heard of. The only writer of Heartbeat rows.

A job that only says "here I am" goes through a cluster's queue every few seconds. One that comes back proves the whole
way: queue, pusher, worker and database.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Min
from django.utils import timezone
from django_q.models import OrmQ

from accounts import queue
from accounts.models import Heartbeat

BEAT = "accounts.jobs.beat"
DOWN_AFTER = timedelta(minutes=5)
MOST_BEATS_WAITING = 5  # where nobody takes them, they must not pile up


@dataclass(frozen=True, slots=True)
class State:
    """What pages and /healthz tell of the workers: of all clusters, the one that was heard of longest ago.

    `seen_at` is None where no worker has ever run on this database, which is no failure: `is_down` is.
    """

    seen_at: datetime | None
    is_down: bool
    waiting: int
    oldest_waiting_at: datetime | None


def beat(pk: int) -> None:
    Heartbeat.objects.filter(pk=pk).update(seen_at=timezone.now())


def ask(cluster: str) -> datetime | None:
    """Send a beat through the cluster's queue. Returns when the last one came back."""
    row, _ = Heartbeat.objects.get_or_create(cluster=cluster)
    waiting = queue.waiting(cluster)
    oldest = None
    if not settings.REDIS_URL:
        oldest = OrmQ.objects.filter(key=cluster, lock__lte=timezone.now()).aggregate(since=Min("lock"))["since"]
    Heartbeat.objects.filter(pk=row.pk).update(waiting=waiting, oldest_waiting_at=oldest)
    if waiting < MOST_BEATS_WAITING:
        queue.enqueue(BEAT, row.pk, cluster=cluster)
    return row.seen_at


def seen_at(cluster: str) -> datetime | None:
    return Heartbeat.objects.values_list("seen_at", flat=True).get(cluster=cluster)


def state() -> State:
    """One query. Clusters that are no longer in the settings do not count."""
    rows = [row for row in Heartbeat.objects.filter(cluster__in=settings.JOB_CLUSTERS) if row.seen_at]
    seen = min((row.seen_at for row in rows if row.seen_at), default=None)
    return State(
        seen_at=seen,
        is_down=seen is not None and seen < timezone.now() - DOWN_AFTER,
        waiting=sum(row.waiting for row in rows),
        oldest_waiting_at=min((row.oldest_waiting_at for row in rows if row.oldest_waiting_at), default=None),
    )
