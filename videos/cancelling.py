"""Cancelling a task, the one thing that asks a provider while a caller waits. Changes nothing itself."""

from contextlib import closing

from accounts.models import Provider, User
from accounts.refusals import Conflict, ProviderUnavailable
from upstream.errors import Refused, UpstreamError
from upstream.video import Task
from videos import lifecycle
from videos.models import VideoTask
from videos.sites import client

State = VideoTask.State


def cancel(task: VideoTask, *, by: User) -> None:
    """Raises Conflict for a task that runs or has ended, ProviderUnavailable where its provider does not say."""
    if lifecycle.cancel_unsent(task, by=by):
        return
    task.refresh_from_db()
    if task.state == State.CANCELLED:
        return
    if not task.is_open:
        raise Conflict(f"Task has {task.state} and cannot be cancelled.", code="task_ended")
    if task.state == State.RUNNING:
        raise _running()
    if not task.upstream_id or task.provider is None:
        raise Conflict(
            "Task is just being sent and cannot be cancelled at this moment. Try again in a few seconds.",
            code="task_being_sent",
        )
    try:
        report = _cancelled(task.provider, task.upstream_id)
    except UpstreamError as error:
        raise ProviderUnavailable(f"{task.provider_name} did not say whether it cancelled: {error.reason}") from error
    lifecycle.record([(task, report)])
    if report.status == State.CANCELLED:
        return
    if report.has_ended:
        raise Conflict(f"Task has {report.status} and cannot be cancelled.", code="task_ended")
    raise _running()


def _running() -> Conflict:
    return Conflict("Task is running and cannot be cancelled.", code="task_running")


def _cancelled(provider: Provider, id: str) -> Task:
    """What became of it. Asked before too: of a task that has ended, Ark deletes the record, and with it the clip."""
    with closing(client(provider)) as asked:
        before = asked.get(id)
        if before.status != State.QUEUED:
            return before
        try:
            asked.cancel(id)
        except Refused as refused:
            if refused.status >= 500 or refused.status in (401, 403, 429):
                raise
        return asked.get(id)
