"""Finding out what became of a task whose answer was lost: which of the provider's newest tasks it is, if any.

Ark does not tell a task's prompt, so one is ours if its model, its time, what was asked of it and the mark of
`orders.py` agree, if it is no other's, and if no other of ours could be it as well. In doubt nothing is adopted.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from accounts.models import Provider
from upstream.errors import Refused
from upstream.video import NEWEST_A_PAGE, Task, VideoClient
from videos import lifecycle, pace
from videos.models import VideoTask

State = VideoTask.State

CLOCKS_DIFFER = timedelta(minutes=2)
TAKEN_WITHIN = timedelta(minutes=5)  # however slowly its body went, clocks included
MOST_PAGES = 10
# A list may lag behind. After this long a task that a provider said it could not take is not in it.
SURE_AFTER = timedelta(seconds=30)
ASK_AFTER = timedelta(minutes=15)
LOOKED_FOR_S, LATER_S = 10, 60
LOST = (
    "It was sent, and the answer was lost. The provider's list shows nothing that must be it. Look there: give its id, "
    "or give it up."
)


def look(client: VideoClient, tasks: Sequence[VideoTask]) -> dict[str, Task]:
    """The provider's tasks since the first of these was sent, and those that a callback named. Raises UpstreamError."""
    since = min(task.sent_at for task in tasks if task.sent_at) - CLOCKS_DIFFER
    listed: dict[str, Task] = {}
    for page in range(1, MOST_PAGES + 1):
        reports = client.newest(page)
        listed |= {report.id: report for report in reports}
        oldest = min((report.created_at for report in reports if report.created_at), default=0.0)
        if len(reports) < NEWEST_A_PAGE or oldest < since.timestamp():
            break
    for id in {task.hinted_id for task in tasks if task.hinted_id} - listed.keys():
        with suppress(Refused):
            listed[id] = client.get(id)
    return listed


def settle(provider: Provider, tasks: Sequence[VideoTask], listed: dict[str, Task]) -> None:
    """Adopt what is certain, send again what certainly was not taken, and ask an admin about the rest in time."""
    theirs = VideoTask.objects.filter(provider=provider)
    taken = set(theirs.filter(upstream_id__in=listed).values_list("upstream_id", flat=True))
    free = [report for id, report in listed.items() if id not in taken]
    # Whatever was sent and has no id yet could be any of those too.
    open_ended = list(
        theirs.filter(upstream_id="", state__in=(State.SUBMITTING, State.SUBMIT_UNKNOWN), sent_at__isnull=False)
    )
    now = timezone.now()
    for task in sorted(tasks, key=lambda each: not each.hinted_id):
        fitting = [report for report in free if _may_be(report, task)]
        hinted = [report for report in fitting if report.id == task.hinted_id]
        found = hinted or fitting
        if len(found) == 1 and (hinted or _is_only_one(found[0], task, open_ended)):
            lifecycle.adopt(task, found[0].id, by=None)
            free.remove(found[0])
            open_ended = [other for other in open_ended if other.pk != task.pk]
            continue
        assert task.sent_at is not None
        passed = now - task.sent_at
        if not found and task.was_refused and passed > SURE_AFTER:
            lifecycle.resend(task, at=pace.backoff(task.failures + 1, now))
            continue
        if passed > ASK_AFTER:
            lifecycle.flag(task, LOST)
        wait_s = LOOKED_FOR_S if passed < ASK_AFTER else LATER_S
        lifecycle.postpone([task], at=now + timedelta(seconds=wait_s))


def _is_only_one(report: Task, task: VideoTask, open_ended: Sequence[VideoTask]) -> bool:
    return [other.pk for other in open_ended if _may_be(report, other)] == [task.pk]


def _may_be(report: Task, task: VideoTask) -> bool:
    if report.created_at is None or task.sent_at is None:
        return False
    made_at = datetime.fromtimestamp(report.created_at, UTC)
    asked = {"resolution": task.spec["resolution"], "duration": task.spec["duration"]}
    return (
        task.sent_at - CLOCKS_DIFFER <= made_at <= task.sent_at + TAKEN_WITHIN
        and report.model in ("", task.upstream_model)
        and report.expires_after_s in (None, task.expires_after_s)
        and all(report.facts.get(name, value) == value for name, value in asked.items() if value != -1)
    )
