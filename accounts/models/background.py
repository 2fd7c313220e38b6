"""Rows of the background side: when each cluster of workers was last heard of, and which jobs are running.

Written by `accounts/heartbeats.py` and `accounts/queue.py`. Nothing here is worth a backup: all of it is about now.
"""

from django.db import models


class Heartbeat(models.Model):
    """A cluster of workers. `seen_at` is when a job last came back through its queue; None before the first one did.

    `waiting` jobs were in its queue when that was last looked at, the oldest since `oldest_waiting_at` (None where the
    broker does not tell, as Redis).
    """

    cluster = models.CharField(max_length=40, unique=True)
    seen_at = models.DateTimeField(null=True)
    waiting = models.PositiveIntegerField(default=0)
    oldest_waiting_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.cluster


class Run(models.Model):
    """A job that a worker has begun and not ended, or that ended its worker. `starts` counts how often it was begun.

    `queue_id` is the queue's own row, None where the queue forgets a job as it hands it out. A worker is stopped when
    its job is not done at `until`.
    """

    task_id = models.CharField(max_length=32, unique=True)
    cluster = models.CharField(max_length=40)
    queue_id = models.BigIntegerField(null=True)
    job = models.CharField(max_length=200)
    starts = models.PositiveSmallIntegerField(default=1)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.job} on {self.cluster}"
