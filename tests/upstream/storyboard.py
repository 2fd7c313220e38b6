"""The storyboard renderer as a process of its own, and what is asked of it and seen in its films."""

import base64
import io
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import httpx
from PIL import Image

from upstream.embedded import runtime

PATIENCE_S = 60
TASKS = "/video/seedance/tasks"


@dataclass
class Renderer:
    process: subprocess.Popen[str]
    client: httpx.Client
    folder: Path

    def ask(self, **body: Any) -> httpx.Response:
        """Small and short, unless something else is asked for."""
        wanted = {"prompt": "A lake", "resolution": "480p", "duration": 1, **body}
        return self.client.post(TASKS, json={name: value for name, value in wanted.items() if value is not None})

    def get(self, id: str) -> dict[str, Any]:
        return self.client.get(f"{TASKS}/{id}").json()

    def reaches(self, id: str, *statuses: str) -> dict[str, Any]:
        """The task once it has one of these states."""
        deadline = time.monotonic() + PATIENCE_S
        while (task := self.get(id))["status"] not in statuses:
            assert time.monotonic() < deadline, f"It is {task['status']}, not {' or '.join(statuses)}."
            time.sleep(0.02)
        return task

    def makes(self, **body: Any) -> dict[str, Any]:
        answer = self.ask(**body)
        assert answer.status_code == 200, answer.text
        return self.reaches(answer.json()["id"], "succeeded", "failed")

    def film(self, **body: Any) -> bytes:
        task = self.makes(**body)
        assert task["status"] == "succeeded", task["error"]
        return httpx.get(task["content"]["video_url"]).content


@contextmanager
def running_renderer(folder: Path, *options: str) -> Iterator[Renderer]:
    file = folder / "storyboard.json"
    command = [sys.executable, "-m", "upstream.embedded.storyboard", "--data", str(folder / "storyboard")]
    command += ["--runtime-file", str(file), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        found = runtime.read(file)
        assert found is not None
        headers = {"Authorization": f"Bearer {found.token}"}
        try:
            with httpx.Client(base_url=found.base_url, headers=headers, timeout=30) as client:
                yield Renderer(process, client, folder)
        finally:
            process.terminate()


@dataclass(frozen=True)
class Film:
    """What a player finds in it."""

    size: tuple[int, int]
    frames: int
    seconds: float
    fps: float
    codec: str
    pixels: str
    audio_channels: int
    begins_with_index: bool


def watch(film: bytes) -> Film:
    with av.open(io.BytesIO(film)) as container:
        video = container.streams.video[0]
        audio = container.streams.audio
        assert container.duration is not None and video.average_rate is not None
        return Film(
            size=(video.width, video.height),
            frames=sum(1 for _ in container.decode(video)),
            seconds=container.duration / av.time_base,
            fps=float(video.average_rate),
            codec=video.codec_context.name,
            pixels=str(video.pix_fmt),
            audio_channels=audio[0].channels if audio else 0,
            begins_with_index=film.index(b"moov") < film.index(b"mdat"),
        )


def frame(film: bytes, number: int) -> Image.Image:
    with av.open(io.BytesIO(film)) as container:
        for index, shown in enumerate(container.decode(video=0)):
            if index == number:
                return shown.to_image()
    raise AssertionError(f"It has no frame {number}.")


def middle_colour(picture: Image.Image) -> tuple[int, int, int]:
    """Of a small square in the middle, where nothing is written."""
    width, height = picture.size
    box = (width // 2 - 8, height // 2 - 8, width // 2 + 8, height // 2 + 8)
    red, green, blue = picture.crop(box).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    return red, green, blue


def picture_url(colour: str, size: tuple[int, int] = (640, 360)) -> str:
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG")
    return data_url("image/png", data.getvalue())


def data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
