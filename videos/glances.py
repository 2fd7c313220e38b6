"""A glance at a video's row: as much of it as tells whether the video looks otherwise than it did."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import QuerySet

from videos.models import VideoTask


class Glance(NamedTuple):
    """All that shows and is not written together with `updated_at`, and what finds the rest."""

    pk: int
    public_id: str
    user_id: int
    shot: str
    state: str
    fetch: str
    progress: int | None
    version: int
    updated_at: datetime
    title: str
    review_status: str
    rating: int | None

    @property
    def is_live(self) -> bool:
        """Whether it may yet change by itself."""
        return self.state in VideoTask.OPEN or self.fetch == VideoTask.Fetch.DUE

    @property
    def mark(self) -> str:
        """Changes with whatever a page that follows it shows."""
        return f"{self.version}.{self.progress or 0}.{self.state}.{self.fetch}"


FIELDS = Glance._fields


def at(task: VideoTask) -> Glance:
    return Glance(*(getattr(task, name) for name in FIELDS))


def read(tasks: QuerySet[VideoTask]) -> list[Glance]:
    """One query."""
    return [Glance(*row) for row in tasks.values_list(*FIELDS)]
