"""What becomes of a finished task's file: taken by lease, stored once, or given up loudly. Its money is not touched.

A file is due until it is stored or given up, so whoever dies at it loses nothing: the lease runs out, and the next
comes.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from videos.lifecycle.outcomes import usable_link
from videos.lifecycle.telling import tell
from videos.models import VideoTask

Fetch = VideoTask.Fetch

LEASE = timedelta(seconds=45)  # held on to every few seconds, see fetching.py


def take_fetch(task_id: int) -> VideoTask | None:
    """The task, if its file is due and nobody is at it."""
    now = timezone.now()
    is_free = Q(fetch_lease_until=None) | Q(fetch_lease_until__lt=now)
    due = VideoTask.objects.filter(is_free, pk=task_id, fetch=Fetch.DUE, fetch_at__lte=now)
    if not due.update(fetch_lease_until=now + LEASE):
        return None
    return VideoTask.objects.select_related("provider__team").get(pk=task_id)


def hold_fetch(task: VideoTask) -> None:
    """Whoever took it is still at it."""
    VideoTask.objects.filter(pk=task.pk, fetch=Fetch.DUE).update(fetch_lease_until=timezone.now() + LEASE)


def note_link(task: VideoTask, video_url: str, last_frame_url: str) -> None:
    """The provider has minted new links."""
    video_url, last_frame_url = usable_link(video_url), usable_link(last_frame_url)
    VideoTask.objects.filter(pk=task.pk, fetch=Fetch.DUE).update(
        upstream_url=video_url, upstream_last_frame_url=last_frame_url
    )
    task.upstream_url, task.upstream_last_frame_url = video_url, last_frame_url


def note_stored(task: VideoTask) -> bool:
    """Call it in the transaction that writes the file's row. False where somebody else was first."""
    changed = _end(task, Fetch.STORED, needs_attention=False, attention="")
    if changed:
        tell(task, "stored")
    return changed


@transaction.atomic
def give_up_file(task: VideoTask, sentence: str) -> None:
    """It cannot be had any more. What was charged stays charged: the clip was made."""
    if _end(task, Fetch.FAILED, needs_attention=True, attention=sentence):
        tell(task, "file lost", why=sentence)


def _end(task: VideoTask, fetch: VideoTask.Fetch, **fields: object) -> bool:
    changed = VideoTask.objects.filter(pk=task.pk, fetch=Fetch.DUE).update(
        fetch=fetch, fetch_lease_until=None, updated_at=timezone.now(), version=F("version") + 1, **fields
    )
    return bool(changed)


def fetch_later(task: VideoTask, *, at: datetime, attention: str = "") -> None:
    """Let go of it until then; `attention` says what is in the way, where people must know."""
    VideoTask.objects.filter(pk=task.pk, fetch=Fetch.DUE).update(
        fetch_lease_until=None,
        fetch_at=at,
        fetch_failures=F("fetch_failures") + 1,
        needs_attention=bool(attention),
        attention=attention,
        version=F("version") + int(attention != task.attention),
    )
