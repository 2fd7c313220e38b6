"""How many stars people give a video. The only writer of them."""

from collections.abc import Iterable

from django.db import transaction

from accounts.models import User
from videos.filing import Changed
from videos.lifecycle.telling import tell_all
from videos.models import VideoTask

MOST_STARS = 5
STARS = tuple(str(stars) for stars in range(MOST_STARS, -1, -1))  # 0 is not rated


@transaction.atomic
def rate(tasks: Iterable[VideoTask], stars: int, *, by: User) -> Changed:
    """0 takes them away. Returns which videos had other stars, by the stars they had."""
    others = [task for task in tasks if (task.rating or 0) != stars]
    VideoTask.objects.filter(pk__in=[task.pk for task in others]).update(rating=stars or None)
    tell_all(others, "rated", by=by, stars=stars)
    had: Changed = {}
    for task in others:
        had.setdefault(str(task.rating or 0), []).append(task.public_id)
    return had
