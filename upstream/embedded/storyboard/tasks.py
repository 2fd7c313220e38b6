"""The clips asked for, each a folder with its order, its state, its references and its film. They outlive the process.

A state is written before anybody is told of it. What was being drawn when the process ended is drawn again.
"""

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from upstream.embedded.storyboard import files
from upstream.embedded.storyboard.order import MODEL_ID, Order
from upstream.frame_sizes import FRAMES_PER_SECOND

KEPT_S = 7 * 24 * 3600
TERMINAL = frozenset(("succeeded", "failed", "expired", "cancelled"))


@dataclass(slots=True)
class Task:
    id: str
    order: Order
    fingerprint: str  # of the request, for a second one with the same idempotency key
    key_hash: str
    created_at: float
    updated_at: float
    status: str = "queued"
    error: dict[str, str] | None = None
    result: dict[str, Any] = field(default_factory=dict)
    progress: int = 0

    def to_wire(self, link: str) -> dict[str, Any]:
        """As the contract has it. `link` is where its files are, complete but for their names."""
        order, is_done = self.order, self.status == "succeeded"
        content = None
        if is_done:
            last = link.replace("FILE", "last_frame") if order.return_last_frame else None
            content = {"video_url": link.replace("FILE", "content"), "last_frame_url": last}
        tokens = self.result.get("tokens")
        return {
            "id": self.id,
            "task_id": self.id,
            "object": "video.task",
            "mode": order.mode,
            "model": MODEL_ID,
            "status": self.status,
            "terminal": self.status in TERMINAL,
            "progress": 100 if is_done else self.progress,
            "error": self.error,
            "content": content,
            "usage": {"completion_tokens": tokens, "total_tokens": tokens} if is_done else None,
            "seed": order.seed,
            "resolution": order.resolution,
            "ratio": self.result.get("ratio", order.ratio),
            **({"frames": order.frames} if order.is_in_frames else {"duration": order.frames // FRAMES_PER_SECOND}),
            "framespersecond": FRAMES_PER_SECOND,
            "generate_audio": order.generate_audio,
            "service_tier": "default",
            "execution_expires_after": order.expires_after_s,
            "draft": False,
            "priority": 0,
            "created_at": int(self.created_at),
            "updated_at": int(self.updated_at),
        }


class Tasks:
    """All of them, oldest first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tasks: dict[str, Task] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for place in sorted(folder.iterdir()):
            self._load(place)

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self._tasks.values()))

    def get(self, id: str) -> Task | None:
        return self._tasks.get(id)

    def folder(self, task: Task) -> Path:
        return self._folder / task.id

    def waiting(self) -> list[Task]:
        return [task for task in self if task.status == "queued"]

    def with_key(self, key: str) -> Task | None:
        hashed = _hashed(key)
        return next((task for task in self if key and task.key_hash == hashed), None)

    def add(self, order: Order, references: list[bytes | None], *, key: str, fingerprint: str) -> Task:
        now = time.time()
        id = f"sb-{int(now * 1000):011x}-{secrets.token_hex(8)}"
        task = Task(id, order, fingerprint, _hashed(key) if key else "", now, now)
        folder = self.folder(task)
        folder.mkdir(mode=0o700)
        for number, data in enumerate(references):
            if data is not None:
                files.reference(folder, number).write_bytes(data)
        (folder / files.ORDER).write_text(json.dumps(order.to_json()))
        self._write(task)
        self._tasks[id] = task
        return task

    def change(self, task: Task, status: str, **facts: Any) -> None:
        task.status, task.updated_at = status, time.time()
        for name, value in facts.items():
            setattr(task, name, value)
        self._write(task)
        if status in TERMINAL:
            self._drop_inputs(task)

    def delete(self, task: Task) -> None:
        del self._tasks[task.id]
        shutil.rmtree(self.folder(task), ignore_errors=True)

    def tidy(self) -> None:
        """Forget what is older than the contract keeps."""
        for task in self:
            if task.status in TERMINAL and task.updated_at < time.time() - KEPT_S:
                self.delete(task)

    def expire(self) -> None:
        for task in self.waiting():
            if time.time() > task.created_at + task.order.expires_after_s:
                self.change(task, "expired")

    def _load(self, place: Path) -> None:
        try:
            kept = json.loads((place / files.STATE).read_text())
            order = Order.from_json(json.loads((place / files.ORDER).read_text()))
            task = Task(order=order, **kept)
        except (OSError, ValueError, TypeError, KeyError):
            shutil.rmtree(place, ignore_errors=True)  # cut short before anybody was told of it
            return
        self._tasks[task.id] = task
        if task.status == "running":
            self.change(task, "queued", progress=0)

    def _write(self, task: Task) -> None:
        kept = {name: value for name, value in asdict(task).items() if name != "order"}
        file = self.folder(task) / files.STATE
        draft = file.with_suffix(".draft")
        with draft.open("w") as written:
            json.dump(kept, written)
            written.flush()
            os.fsync(written.fileno())
        draft.replace(file)

    def _drop_inputs(self, task: Task) -> None:
        for number in range(len(task.order.references)):
            files.reference(self.folder(task), number).unlink(missing_ok=True)
        (self.folder(task) / files.UNFINISHED).unlink(missing_ok=True)


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
