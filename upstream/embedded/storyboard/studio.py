"""Draws the clips that wait, the oldest first and one at a time, each in a process of its own."""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from upstream.embedded.storyboard import files, references
from upstream.embedded.storyboard.order import Invalid
from upstream.embedded.storyboard.tasks import Task, Tasks

LONGEST_RENDER_S = 1800  # 15 s of 4k take about 3 minutes of a core
LOOKS_EVERY_S = 60  # for what has expired or is too old
BROKE_DOWN = {"code": "InternalServiceError", "message": "The storyboard renderer broke down on this clip."}


class Studio:
    def __init__(self, tasks: Tasks, *, at_once: int) -> None:
        self._tasks = tasks
        self._at_once = at_once
        self._news = asyncio.Event()
        self._rendering: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """There is something new to draw."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled, which also ends the processes that draw."""
        try:
            while True:
                self._news.clear()
                self._tasks.expire()
                self._tasks.tidy()
                for task in self._tasks.waiting()[: self._at_once - len(self._rendering)]:
                    self._begin(task)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), LOOKS_EVERY_S)
        finally:
            for rendering in self._rendering:
                rendering.cancel()
            await asyncio.gather(*self._rendering, return_exceptions=True)

    def _begin(self, task: Task) -> None:
        self._tasks.change(task, "running")
        rendering = asyncio.create_task(self._make(task))
        self._rendering.add(rendering)
        rendering.add_done_callback(self._ended)

    def _ended(self, rendering: asyncio.Task[None]) -> None:
        self._rendering.discard(rendering)
        self.wake()

    async def _make(self, task: Task) -> None:
        try:
            await self._fetch(task)
            async with asyncio.timeout(LONGEST_RENDER_S):
                said = await _drawn(task, self._tasks.folder(task))
        except Invalid as invalid:
            said = {"error": {"code": invalid.code, "message": str(invalid)}}
        except (OSError, ValueError):  # too slow, no room on the disk, or talking nonsense
            said = {"error": BROKE_DOWN}
        if error := said.get("error"):
            self._tasks.change(task, "failed", error=error)
        else:
            self._tasks.change(task, "succeeded", result=said, progress=100)

    async def _fetch(self, task: Task) -> None:
        for number, reference in enumerate(task.order.references):
            file = files.reference(self._tasks.folder(task), number)
            if reference.url:
                await references.fetch(reference.kind, reference.url, file)


async def _drawn(task: Task, folder: Path) -> dict[str, Any]:
    """What the process said last, its progress noted on the way."""
    command = [sys.executable, "-m", f"{__package__}.render", str(folder)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    said: dict[str, Any] = {}
    try:
        async for line in process.stdout:
            said = json.loads(line)
            task.progress = said.get("progress", task.progress)
        ended_well = await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said if ended_well or "error" in said else {"error": BROKE_DOWN}
