"""Videos for tests and benches, as rows: in any state, of any age, with the facts of a kept file but no file."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import count, islice
from typing import Any

from django.utils import timezone

from accounts.callers import Caller
from upstream.frame_sizes import frame_size
from videos.models import Media, VideoTask, folded
from videos.modes import SEEDANCE, STORYBOARD

State, Fetch = VideoTask.State, VideoTask.Fetch
PRICE = 756_000_000
BATCH = 1000
_numbers = count(1)


def clip(
    by: Caller,
    state: VideoTask.State = State.SUCCEEDED,
    *,
    prompt: str = "A drone over snowy mountains at sunrise",
    model_id: str = SEEDANCE,
    ratio: str = "16:9",
    is_stored: bool = True,
    created_at: datetime | None = None,
    **more: Any,
) -> VideoTask:
    """One, kept."""
    task = unsaved(
        by, state, prompt=prompt, model_id=model_id, ratio=ratio, is_stored=is_stored, created_at=created_at, **more
    )
    task.save(force_insert=True)
    if media := media_of(task):
        media.save(force_insert=True)
    return task


def unsaved(
    by: Caller,
    state: VideoTask.State = State.SUCCEEDED,
    *,
    prompt: str = "A drone over snowy mountains at sunrise",
    model_id: str = SEEDANCE,
    ratio: str = "16:9",
    is_stored: bool = True,
    created_at: datetime | None = None,
    **more: Any,
) -> VideoTask:
    at, number, is_made = created_at or timezone.now(), next(_numbers), state == State.SUCCEEDED
    has_ended = state in VideoTask.ENDED
    price = 0 if model_id == STORYBOARD else PRICE
    fetch = Fetch.NONE if not is_made else Fetch.STORED if is_stored else Fetch.DUE
    task = VideoTask(
        request_id=f"req_{number:026}",
        team=by.team,
        user=by.user,
        mode="t2v",
        model_id=model_id,
        prompt=prompt,
        prompt_folded=folded(prompt),
        spec={
            "mode": "t2v",
            "model": model_id,
            "prompt": prompt,
            "references": [],
            "resolution": "720p",
            "ratio": ratio,
            "duration": 5,
            "settings": {},
        },
        provider_name="Ark",
        upstream_model=model_id,
        callback_token=f"token-{number}",
        expires_after_s=3600,
        state=state,
        error_message="The provider refused reference 1: it shows a face." * (state == State.FAILED),
        result={"seed": 78674, "ratio": ratio} if is_made else {},
        next_step_at=None if has_ended else at + timedelta(days=365),
        deadline_at=at + timedelta(days=1),
        price={},
        estimated_nanousd=price,
        charged_nanousd=None if not has_ended else price if is_made else 0,
        fetch=fetch,
        created_at=at,
        updated_at=at,
        completed_at=at + timedelta(seconds=60) if has_ended else None,
    )
    for name, value in more.items():
        setattr(task, name, value)
    task.shot = task.shot or task.public_id
    return task


def media_of(task: VideoTask) -> Media | None:
    if task.fetch != Fetch.STORED:
        return None
    width, height = frame_size(task.spec["resolution"], task.spec["ratio"])
    return Media(
        task=task,
        file="aa/film.mp4",
        poster="aa/poster.jpg",
        sprite="aa/sprite.jpg",
        last_frame="aa/last.png",
        sha256="0" * 64,
        size_bytes=2_400_000,
        content_type="video/mp4",
        width=width,
        height=height,
        duration_ms=5042,
        frames=121,
        has_audio=True,
        sprite_tiles=20,
    )


def keep_all(tasks: Iterable[VideoTask]) -> None:
    """Many, in few statements."""
    rows: Iterator[VideoTask] = iter(tasks)
    while batch := list(islice(rows, BATCH)):
        VideoTask.objects.bulk_create(batch)
        Media.objects.bulk_create(filter(None, map(media_of, batch)))
