"""How fast each provider may be asked, for all processes together. The only writer of Lane rows.

A lane that is closed opens by itself: a provider whose key was refused is tried again now and then, so that nothing is
left to be remembered when its key has been mended.
"""

from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from accounts import vault
from accounts.models import Provider
from upstream.errors import Refused, UpstreamError
from videos import pace
from videos.models import Lane, VideoTask

STOPPED_FOR = timedelta(minutes=5)
IN_FLIGHT = (VideoTask.State.QUEUED, VideoTask.State.RUNNING)


def closed(now: datetime) -> set[int]:
    return set(Lane.objects.filter(next_at__gt=now).values_list("pk", flat=True))


def note_success(provider: Provider) -> None:
    if Lane.objects.filter(pk=provider.pk, failures__gt=0).update(failures=0, is_stopped=False, next_at=None):
        vault.note_success(provider)


def note_failure(provider: Provider, error: UpstreamError) -> datetime:
    """Nobody asks this provider before the moment returned."""
    now = timezone.now()
    lane, _ = Lane.objects.get_or_create(pk=provider.pk)
    is_key_refused = isinstance(error, Refused) and error.status in (401, 402, 403)
    retry_after_s = error.retry_after_s if isinstance(error, Refused) else None
    until = pace.backoff(lane.failures + 1, now, retry_after_s=retry_after_s)
    if is_key_refused:
        until = max(until, now + STOPPED_FOR)
        vault.note_failure(provider, str(error))
    Lane.objects.filter(pk=provider.pk).update(failures=F("failures") + 1, is_stopped=is_key_refused, next_at=until)
    return until


def room(provider: Provider) -> int | None:
    """How many more tasks it takes now; None where nobody set a cap."""
    if provider.videos_at_once is None:
        return None
    return max(0, provider.videos_at_once - VideoTask.objects.filter(provider=provider, state__in=IN_FLIGHT).count())
