"""What is remembered of each change and owed to whoever asked to hear of it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.models import User
from videos.models import TaskEvent, VideoTask, Webhook


def tell(task: VideoTask, what: str, *, by: User | None = None, at: datetime | None = None, **facts: Any) -> None:
    """Add to the task's history."""
    TaskEvent.objects.create(task=task, what=what, by=by, facts=facts, at=at or timezone.now())


def tell_all(tasks: Iterable[VideoTask], what: str, *, by: User, **facts: Any) -> None:
    """The same of several, in one statement."""
    now = timezone.now()
    TaskEvent.objects.bulk_create(TaskEvent(task=task, what=what, by=by, facts=facts, at=now) for task in tasks)


def owe(tasks: Iterable[VideoTask]) -> None:
    """Note that the callers are to hear how these tasks now stand."""
    now = timezone.now()
    Webhook.objects.bulk_create(
        Webhook(task=task, version=task.version, state=task.state, next_at=now) for task in tasks if task.callback_url
    )
