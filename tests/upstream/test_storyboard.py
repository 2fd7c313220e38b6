"""Clips made by the storyboard renderer as a real process, asked for over the wire and looked at frame by frame."""

import io
import math
import os
import shutil
import struct
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server import ROOT
from tests.upstream.storyboard import (
    TASKS,
    Renderer,
    data_url,
    frame,
    middle_colour,
    picture_url,
    running_renderer,
    watch,
)
from upstream.embedded.storyboard import files

pytestmark = [pytest.mark.embedded, pytest.mark.xdist_group("embedded")]


DUNES = {"prompt": "Hot desert dunes, pan right", "seed": 3, "ratio": "16:9"}


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renderer]:
    with running_renderer(tmp_path_factory.mktemp("renderer")) as running:
        yield running


@pytest.fixture(scope="module")
def dunes(renderer: Renderer) -> bytes:
    return renderer.film(**DUNES)


@pytest.fixture(scope="module")
def red(renderer: Renderer) -> dict[str, Any]:
    """Two seconds of red: a task whose film may be a reference for others."""
    return renderer.makes(image_url=picture_url("red"), duration=2, generate_audio=False)


def _recording(seconds: float) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        samples = (round(9000 * math.sin(n / 5)) for n in range(int(seconds * 8000)))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return written.getvalue()


def test_prompt_becomes_an_h264_film_of_the_right_size_length_and_rate(renderer: Renderer) -> None:
    film = watch(renderer.film(prompt="Snowy mountains at sunrise, slow pan left", resolution="720p", ratio="16:9"))

    assert (film.size, film.frames, film.fps) == ((1280, 720), 24, 24.0)
    assert film.seconds == pytest.approx(1.0, abs=0.05)
    assert (film.codec, film.pixels, film.audio_channels) == ("h264", "yuv420p", 1)
    assert film.begins_with_index


def test_task_says_what_it_made_and_counts_the_contracts_tokens(renderer: Renderer) -> None:
    task = renderer.makes(ratio="1:1", seed=7, return_last_frame=True)

    assert task["model"] == "embedded/storyboard" and task["progress"] == 100 and task["terminal"]
    assert (task["ratio"], task["resolution"], task["duration"]) == ("1:1", "480p", 1)
    assert (task["seed"], task["framespersecond"], task["error"]) == (7, 24, None)
    assert task["usage"] == {"completion_tokens": 9600, "total_tokens": 9600}  # 1 s x 640 x 640 x 24 / 1024
    last = httpx.get(task["content"]["last_frame_url"])
    assert last.headers["content-type"] == "image/png" and last.content.startswith(b"\x89PNG")


def test_same_prompt_and_seed_give_the_same_bytes_and_another_seed_does_not(renderer: Renderer, dunes: bytes) -> None:
    again, other = renderer.film(**DUNES), renderer.film(**{**DUNES, "seed": 4})

    assert again == dunes
    assert other != dunes


def test_what_happens_to_lie_in_memory_is_in_no_film(renderer: Renderer, dunes: bytes, tmp_path: Path) -> None:
    order = next(file for file in renderer.folder.rglob(files.ORDER) if DUNES["prompt"] in file.read_text())
    films = []
    for filling in ("85", "170"):
        folder = shutil.copytree(order.parent, tmp_path / filling, ignore=shutil.ignore_patterns("*.mp4"))
        command = [sys.executable, "-m", "upstream.embedded.storyboard.render", folder]
        subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "MALLOC_PERTURB_": filling})
        films += [film.read_bytes() for film in folder.glob("*.mp4")]

    assert len(films) == 2 and films[0] == films[1]


def test_camera_moves_over_the_scene_unless_it_is_fixed(renderer: Renderer, dunes: bytes) -> None:
    still = renderer.film(**DUNES, camera_fixed=True)

    crops = [[frame(film, number).crop((0, 200, 860, 290)).tobytes() for number in (0, 23)] for film in (dunes, still)]
    differing = [sum(abs(a - b) > 40 for a, b in zip(*pair, strict=True)) for pair in crops]
    assert differing[0] > 20 * (differing[1] + 1)


def test_frames_may_be_asked_for_instead_of_seconds_and_sound_left_out(renderer: Renderer) -> None:
    film = watch(renderer.film(duration=None, frames=31, ratio="9:16", generate_audio=False))

    assert (film.size, film.frames, film.audio_channels) == ((496, 864), 31, 0)


def test_image_fills_the_frame_in_its_own_ratio(renderer: Renderer) -> None:
    task = renderer.makes(image_url=picture_url("blue", (360, 480)))

    film = httpx.get(task["content"]["video_url"]).content
    assert task["mode"] == "i2v" and task["ratio"] == "3:4" and watch(film).size == (560, 752)
    red, green, blue = middle_colour(frame(film, 12))
    assert blue > 200 and red < 40 and green < 40


def test_clip_leads_from_the_first_frame_to_the_last_and_says_that_it_is_a_storyboard(renderer: Renderer) -> None:
    film = renderer.film(image_url=picture_url("red"), last_image_url=picture_url("blue"))

    shown = [frame(film, number) for number in (0, 12, 23)]
    first, middle, last = map(middle_colour, shown)
    assert first[0] > 200 > 60 > first[2]
    assert 60 < middle[0] < 200 and 60 < middle[2] < 200
    assert last[2] > 200 > 60 > last[0]
    for picture in shown:  # white letters on a dark plate
        darkest, lightest = picture.crop((30, 28, 200, 44)).convert("L").getextrema()
        assert darkest < 40 and lightest > 200


def test_video_is_timed_anew_and_its_length_counts(renderer: Renderer, red: dict[str, Any]) -> None:
    reference = data_url("video/mp4", httpx.get(red["content"]["video_url"]).content)
    task = renderer.makes(video_url=reference, prompt="neon", ratio="16:9")

    film = httpx.get(task["content"]["video_url"]).content
    assert task["mode"] == "v2v" and watch(film).frames == 24
    assert task["usage"]["total_tokens"] == round(3 * 864 * 496 * 24 / 1024)  # 2 s read and 1 s written
    shown = middle_colour(frame(film, 12))
    assert shown[0] > 140 and shown[0] > 2 * shown[1]


def test_arks_content_is_understood_and_reference_audio_is_the_films_sound(renderer: Renderer) -> None:
    content = [
        {"type": "text", "text": "Waves"},
        {"type": "image_url", "image_url": {"url": picture_url("red")}, "role": "reference_image"},
        {"type": "audio_url", "audio_url": {"url": data_url("audio/wav", _recording(2.5))}, "role": "reference_audio"},
    ]
    body = {"content": content, "resolution": "480p", "duration": 1, "generate_audio": False}
    made = renderer.client.post("/contents/generations/tasks", json=body).json()

    task = renderer.reaches(made["id"], "succeeded")
    film = watch(httpx.get(task["content"]["video_url"]).content)
    assert task["mode"] == "i2v" and film.audio_channels == 1
    assert film.seconds == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ("content policy", "OutputVideoSensitiveContentDetected"),
        ("internal error", "InternalServiceError"),
        ("crash", "InternalServiceError"),
    ],
)
def test_failure_that_the_prompt_asks_for_is_had(renderer: Renderer, wish: str, code: str) -> None:
    task = renderer.makes(prompt=f"A lake [fail: {wish}]")

    assert (task["status"], task["error"]["code"], task["usage"], task["content"]) == ("failed", code, None, None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"image_url": picture_url("red", (200, 200))}, "200 x 200 pixels: each side may have 300 to 6,000"),
        ({"image_url": picture_url("red", (1600, 400))}, "too narrow"),
        ({"image_url": data_url("image/png", b"\x89PNG and no more")}, "cannot be read"),
        ({"video_url": data_url("video/mp4", b"0000ftypisom and no more")}, "cannot be read"),
        ({"image_url": picture_url("red"), "audio_url": data_url("audio/wav", _recording(1))}, "1.0 s long"),
        ({"image_url": "http://127.0.0.1:9/a.png"}, "private address"),
    ],
)
def test_reference_that_will_not_do_fails_with_the_reason(renderer: Renderer, body: dict, words: str) -> None:
    task = renderer.makes(**body)

    assert task["status"] == "failed" and words in task["error"]["message"]
    assert task["error"]["code"] == "InvalidParameter"


def test_reference_is_fetched_where_the_egress_guard_allows(
    red: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_renderer(tmp_path_factory.mktemp("fetching"), "--egress-loopback") as other:
        task = other.makes(video_url=red["content"]["video_url"])

    assert (task["status"], task["mode"]) == ("succeeded", "v2v")


def test_file_answers_ranges_and_lets_nobody_in_without_token_or_signature(
    renderer: Renderer, red: dict[str, Any]
) -> None:
    url = red["content"]["video_url"]

    parts = [httpx.get(url, headers={"range": wanted}) for wanted in ("bytes=0-99", "bytes=-50", "bytes=99999999-")]
    assert [part.status_code for part in parts] == [206, 206, 416]
    assert [len(part.content) for part in parts[:2]] == [100, 50]
    assert parts[0].headers["content-type"] == "video/mp4"
    assert httpx.get(url.partition("?")[0]).status_code == 401
    assert httpx.get(f"{renderer.client.base_url}{TASKS}").status_code == 401
