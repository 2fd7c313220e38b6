"""Several clips as one ZIP file, made while it is sent: nothing of it is kept, and no more than a piece is in memory.

Films are stored as they are, since they are compressed already. A list of what they are made of goes with them.
"""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.text import slugify

from videos import cards, storage
from videos.models import VideoTask
from videos.serving import CHUNK_BYTES, readers

LIST = "videos.json"
NAME_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the storage, what it is called in the ZIP, and what is told of it there."""

    stored: str
    name: str
    size_bytes: int
    at: datetime
    facts: dict[str, Any]


def entries(tasks: Sequence[VideoTask]) -> list[Entry]:
    """Of those whose file is kept, with their media read."""
    kept = [task for task in tasks if task.fetch == VideoTask.Fetch.STORED]
    return [_entry(number, task) for number, task in enumerate(kept, start=1)]


def _entry(number: int, task: VideoTask) -> Entry:
    media = task.media
    words = slugify(cards.title_of(task))[:NAME_CHARACTERS].strip("-") or "video"
    name = f"{number:03}-{words}.{media.file.rpartition('.')[2]}"
    facts = {
        "file": name,
        "sha256": media.sha256,
        "id": task.public_id,
        "model": task.model_id,
        "provider": task.provider_name,
        "is_storyboard": task.is_storyboard,
        "mode": task.mode,
        "prompt": task.prompt,
        "resolution": task.spec["resolution"],
        "ratio": task.result.get("ratio", task.spec["ratio"]),
        "seconds": media.duration_ms / 1000,
        "seed": task.result.get("seed", task.spec["settings"].get("seed")),
        "created_at": task.created_at.isoformat(timespec="seconds"),
    }
    return Entry(media.file, name, media.size_bytes, timezone.localtime(task.completed_at or task.created_at), facts)


async def stream(chosen: Sequence[Entry]) -> AsyncIterator[bytes]:
    """The ZIP file, piece by piece. Read by the threads that read files, as those may wait for a disk or for S3."""
    loop = asyncio.get_running_loop()
    pieces = _pieces(chosen)
    try:
        while piece := await loop.run_in_executor(readers, next, pieces, b""):
            yield piece
    finally:
        await loop.run_in_executor(readers, pieces.close)


def _pieces(chosen: Sequence[Entry]) -> Generator[bytes]:
    sink = _Sink()
    told = []
    with zipfile.ZipFile(sink, "w") as archive:
        for entry in chosen:
            info = zipfile.ZipInfo(entry.name, entry.at.timetuple()[:6])
            info.file_size = entry.size_bytes
            try:
                with storage.reading(entry.stored) as file, archive.open(info, "w") as part:
                    while piece := file.read(CHUNK_BYTES):
                        part.write(piece)
                        yield sink.taken()
            except FileNotFoundError:
                told.append(entry.facts | {"file": None, "error": "The file is missing from the storage."})
            else:
                told.append(entry.facts)
        archive.writestr(LIST, json.dumps(told, indent=2, ensure_ascii=False))
    yield sink.taken()


class _Sink(io.RawIOBase):
    """Where a ZIP file is written to that is sent on at once: it cannot go back, so sizes follow behind each file."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._held += piece
        return len(piece)

    def taken(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held
