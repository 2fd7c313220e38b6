"""The queue of background jobs: what may be put there, and what becomes of a job whose worker died.

The queue only wakes somebody up. What there is to do stands in rows of the job's own room, so a job may be run twice,
late or not at all without harm, and finds out by itself what is left. A job is a function by its dotted name, and takes
whole numbers, ids, only: the queue's rows are pickles and must never hold a key, a prompt or a reply.
"""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import Failure, OrmQ
from django_q.signals import pre_enqueue
from django_q.tasks import async_task

from accounts.models import Run

logger = logging.getLogger(__name__)

GIVEN_UP_AFTER_STARTS = 5
TIMEOUT_GRACE_S = 5  # between telling a job that its time is over and ending its worker
FAILURES_KEPT_FOR = timedelta(days=14)


def enqueue(job: str, *ids: int, cluster: str = "default") -> None:
    """Have `job` run soon, once what the caller is writing is committed."""
    transaction.on_commit(lambda: async_task(job, *ids, cluster=cluster))


def take_ids_only() -> None:
    pre_enqueue.connect(_refuse_anything_but_ids)


def _refuse_anything_but_ids(*, task: dict[str, Any], **_: object) -> None:
    are_ids = all(type(argument) is int for argument in task["args"])  # True is no id
    if not are_ids or task["kwargs"] or not isinstance(task["func"], str):
        raise TypeError("A job is queued by its dotted name and takes whole numbers only.")


def note_start(task: dict[str, Any], *, cluster: str) -> None:
    """A worker begins this job."""
    timeout_s = settings.JOB_CLUSTERS[cluster].get("timeout", settings.JOB_TIMEOUT_S)
    until = timezone.now() + timedelta(seconds=timeout_s + TIMEOUT_GRACE_S)
    if not Run.objects.filter(task_id=task["id"]).update(starts=F("starts") + 1, until=until):
        Run.objects.create(
            task_id=task["id"], cluster=cluster, queue_id=task.get("ack_id"), job=task["func"], until=until
        )


def note_end(task: dict[str, Any]) -> None:
    """The job has ended, well or not."""
    Run.objects.filter(task_id=task["id"]).delete()


def running(cluster: str) -> int:
    """How many jobs are being worked on."""
    return Run.objects.filter(cluster=cluster, until__gt=timezone.now()).count()


@transaction.atomic
def release(cluster: str) -> None:
    """Hand out again at once what the cluster had taken when it died, but for jobs that ended their worker again and
    again: those are given up. Where another machine serves the same queue, what it is at may so be begun twice."""
    now = timezone.now()
    fatal = Run.objects.filter(cluster=cluster, starts__gte=GIVEN_UP_AFTER_STARTS)
    for run in fatal:
        logger.error("job given up", extra={"job": run.job, "starts": run.starts, "cluster": cluster})
    OrmQ.objects.filter(pk__in=[run.queue_id for run in fatal]).delete()
    fatal.delete()
    Run.objects.filter(cluster=cluster).update(until=now)
    OrmQ.objects.filter(key=cluster, lock__gt=now).update(lock=now)


def waiting(cluster: str) -> int:
    """How many jobs nobody has taken yet."""
    size: int = get_broker(cluster).queue_size()
    return size


def forget_failures() -> None:
    """The library keeps a row of each job that raised, with its traceback, for ever."""
    Failure.objects.filter(stopped__lt=timezone.now() - FAILURES_KEPT_FOR).delete()
