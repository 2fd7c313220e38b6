"""A clip's file and its pictures: put into the storage and noted once. The only writer of Media rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from videos import lifecycle, looking, storage
from videos.models import Media, VideoTask


@dataclass(frozen=True, slots=True)
class Found:
    """A whole MP4 on this machine, and what is known of it. `facts` are empty where it could not be looked at."""

    file: Path
    size: int
    sha256: str
    facts: dict[str, Any]


def keep(task: VideoTask, found: Found) -> None:
    """Store it with its pictures. Whoever dies here stores the same again, under the same names."""
    folder, facts = found.file.parent, found.facts
    parts = {
        "file": (found.file, "mp4"),
        "poster": (folder / looking.POSTER, "poster.jpg"),
        "sprite": (folder / looking.SPRITE, "sprite.jpg"),
        "last_frame": (folder / looking.LAST_FRAME, "last.png"),
    }
    names = {}
    for field, (part, extension) in parts.items():
        if part.exists():
            names[field] = storage.name_for(task.public_id, found.sha256, extension)
            storage.keep(part, names[field])
    with transaction.atomic():
        if not lifecycle.note_stored(task):
            return
        Media.objects.create(
            task=task,
            **names,
            sha256=found.sha256,
            size_bytes=found.size,
            content_type="video/mp4",
            width=facts.get("width", 0),
            height=facts.get("height", 0),
            duration_ms=facts.get("duration_ms", 0),
            frames=facts.get("frames", 0),
            has_audio=facts.get("has_audio", False),
            sprite_tiles=facts.get("sprite_tiles", 0),
        )
