"""Tasks of the storyboard renderer on their way: refused, waiting, cancelled, listed, deleted, surviving."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.upstream.storyboard import TASKS, Renderer, data_url, picture_url, running_renderer

pytestmark = [pytest.mark.embedded, pytest.mark.xdist_group("embedded")]

BUSY = "A lake [wait: 60]"


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renderer]:
    """It is drawing a clip that takes a minute."""
    with running_renderer(tmp_path_factory.mktemp("busy")) as running:
        running.reaches(running.ask(prompt=BUSY).json()["id"], "running")
        yield running


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"colour": "red"}, "colour", "no parameter 'colour'"),
        ({"duration": 16}, "duration", "from -1 to 15"),
        ({"duration": 0}, "duration", "from 1 to 15"),
        ({"resolution": "8k"}, "resolution", "480p, 720p, 1080p, 4k"),
        ({"ratio": "5:4"}, "ratio", "16:9"),
        ({"seed": "lucky"}, "seed", "whole number"),
        ({"generate_audio": "yes"}, "generate_audio", "true or false"),
        ({"n": 3}, "n", "another take"),
        ({"prompt": " "}, "prompt", "prompt is needed"),
        ({"prompt": "[fail: politely]"}, "prompt", "content policy"),
        ({"mode": "i2v"}, "mode", "needs an image"),
        ({"mode": "t2v", "video_url": "https://example.com/a.mp4"}, "mode", "takes no image and no video"),
        ({"audio_url": "https://example.com/a.mp3"}, "audio_url", "beside it"),
        ({"image_urls": ["https://example.com/a.png"] * 10}, "image_urls", "at most 9"),
        ({"image_url": "ftp://example.com/a.png"}, "image_url", "http(s) or a data: URL"),
        ({"image_url": data_url("image/png", b"<html>not an image</html>")}, "image_url", "not a JPEG"),
        ({"image_url": "data:image/png;base64,%%%"}, "image_url", "not base64"),
        (
            {"image_url": picture_url("red"), "audio_url": data_url("audio/mpeg", b"ID3" + bytes(16 << 20))},
            "audio_url",
            "15 MB",
        ),
        ({"last_image_url": picture_url("red")}, "image_url", "first frame"),
        ({"content": [{"type": "text", "text": "a"}]}, "content", "not in both"),
    ],
)
def test_bad_request_is_refused_with_a_sentence_about_its_field(
    renderer: Renderer, body: dict, param: str, words: str
) -> None:
    answer = renderer.ask(**body)

    assert answer.status_code == 400, answer.text[:300]
    assert words in answer.json()["detail"] and answer.json()["error"]["param"] == param


def test_another_model_is_not_found_and_a_body_too_large_is_not_read(renderer: Renderer) -> None:
    other = renderer.ask(model="doubao-seedance-2-0-260128")
    large = renderer.client.post(TASKS, content=b" " * (65 << 20))

    assert other.status_code == 404 and "embedded/storyboard" in other.json()["detail"]
    assert large.status_code == 413 and "64 MB" in large.json()["detail"]


def test_waiting_task_can_be_cancelled_and_then_deleted(renderer: Renderer) -> None:
    id = renderer.ask().json()["id"]

    cancelled = renderer.client.delete(f"{TASKS}/{id}").json()
    assert cancelled == {"id": id, "status": "cancelled", "deleted": False}
    assert renderer.get(id)["status"] == "cancelled"

    assert renderer.client.delete(f"{TASKS}/{id}").json() == {"id": id, "deleted": True}
    assert renderer.client.get(f"{TASKS}/{id}").status_code == 404


def test_running_task_cannot_be_cancelled(renderer: Renderer) -> None:
    (running,) = renderer.client.get(TASKS, params={"filter.status": "running"}).json()["items"]

    answer = renderer.client.post(f"{TASKS}/{running['id']}/cancel")

    assert answer.status_code == 409
    assert answer.json()["detail"] == "Task is running and cannot be cancelled."


def test_list_gives_the_asked_ids_in_pages_the_newest_first(renderer: Renderer) -> None:
    ids = [renderer.ask().json()["id"] for _ in range(3)]

    found = renderer.client.get(TASKS, params={"filter.task_ids": [*ids, "unknown"], "page_size": 2}).json()
    rest = renderer.client.get(TASKS, params={"filter.task_ids": ids, "page_size": 2, "page_num": 2}).json()

    assert found["total"] == 3 and [task["id"] for task in found["items"]] == [ids[2], ids[1]]
    assert [task["id"] for task in rest["items"]] == [ids[0]]
    assert renderer.client.get(TASKS, params={"page_size": 501}).status_code == 400


def test_same_key_and_body_give_the_same_task_and_another_body_is_refused(renderer: Renderer) -> None:
    body, key = {"prompt": "Once", "duration": 1}, {"idempotency-key": "once"}
    first, again = (renderer.client.post(TASKS, json=body, headers=key) for _ in range(2))
    other = renderer.client.post(TASKS, json={**body, "duration": 2}, headers=key)

    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert other.status_code == 400 and other.json()["code"] == "IdempotencyMismatch"


def test_tasks_survive_a_kill_and_the_next_process_makes_as_many_at_once_as_asked(tmp_path: Path) -> None:
    with running_renderer(tmp_path) as first:
        running = first.ask(prompt=BUSY).json()["id"]
        waiting = first.ask(image_url=picture_url("red")).json()["id"]
        first.reaches(running, "running")
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()

    with running_renderer(tmp_path, "--at-once", "2") as second:
        assert second.reaches(running, "running")["created_at"]
        made = second.reaches(waiting, "succeeded", "failed")

    assert (made["status"], made["mode"]) == ("succeeded", "i2v")


def test_stopping_removes_the_runtime_file_and_ends_what_it_was_drawing(tmp_path: Path) -> None:
    with running_renderer(tmp_path) as renderer:
        file = tmp_path / "storyboard.json"
        assert file.stat().st_mode & 0o777 == 0o600
        renderer.reaches(renderer.ask(prompt=BUSY).json()["id"], "running")
        renderer.process.send_signal(signal.SIGTERM)

        assert renderer.process.wait(timeout=10) == 0

    assert not file.exists()
