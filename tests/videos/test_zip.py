"""Selected videos are downloaded as one ZIP file, made while it is sent."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync

from emma18_site.settings import _media_storage
from tests.clips import clip
from tests.conftest import signed_in
from tests.s3 import Bucket, running_s3
from videos.models import VideoTask

State = VideoTask.State

FILM = bytes(range(256)) * 4000  # about a megabyte: some pieces


@pytest.fixture
def media(settings, tmp_path) -> Iterator[Path]:
    settings.STORAGES = settings.STORAGES | {
        "media": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    }
    (tmp_path / "aa").mkdir()
    (tmp_path / "aa" / "film.mp4").write_bytes(FILM)
    yield tmp_path


async def opened(answer) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join([piece async for piece in answer.streaming_content])))


async def read(answer) -> dict[str, bytes]:
    archive = await opened(answer)
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


def download(caller, *tasks: VideoTask):
    return signed_in(caller).post("/videos/download/", {"id": [task.public_id for task in tasks]})


def unzipped(answer) -> dict[str, bytes]:
    return async_to_sync(read)(answer)


def test_zip_has_each_film_as_it_is_and_what_it_is_made_of(bob, media):
    answer = download(
        bob, clip(bob, prompt="A fox, in the snow!"), clip(bob, prompt="Ein Hase"), clip(bob, State.QUEUED)
    )

    assert answer.headers["content-type"] == "application/zip" and ".zip" in answer.headers["content-disposition"]
    files = unzipped(answer)
    assert list(files) == ["001-ein-hase.mp4", "002-a-fox-in-the-snow.mp4", "videos.json"]
    assert files["001-ein-hase.mp4"] == files["002-a-fox-in-the-snow.mp4"] == FILM
    told = json.loads(files["videos.json"])
    assert [each["prompt"] for each in told] == ["Ein Hase", "A fox, in the snow!"]
    assert (told[0]["seed"], told[0]["sha256"], told[0]["file"]) == (78674, "0" * 64, "001-ein-hase.mp4")


def test_a_file_that_is_missing_is_told_and_the_others_come(bob, media):
    lost = clip(bob, prompt="Lost")
    lost.media.file = "bb/gone.mp4"
    lost.media.save()

    files = unzipped(download(bob, clip(bob, prompt="A fox"), lost))

    assert list(files) == ["001-a-fox.mp4", "videos.json"]
    assert json.loads(files["videos.json"])[1]["error"] == "The file is missing from the storage."


def test_it_is_sent_as_it_is_read(bob, media):
    answer = download(bob, *(clip(bob) for _ in range(3)))

    async def sizes() -> list[int]:
        return [len(piece) async for piece in answer.streaming_content]

    assert max(async_to_sync(sizes)()) < 2 * (256 << 10)


def test_what_has_no_file_or_is_another_teams_is_not_sent(bob, charlie, media):
    answer = download(bob, clip(bob, State.FAILED), clip(charlie))

    assert answer.status_code == 302


@pytest.fixture
def bucket(settings) -> Iterator[Bucket]:
    with running_s3() as bucket:
        settings.S3_URL = bucket.url
        settings.STORAGES = settings.STORAGES | {"media": _media_storage(bucket.url)}
        yield bucket


def test_films_in_s3_are_read_no_further_than_they_are_sent(bob, bucket):
    bucket.objects["team/aa/film.mp4"] = bytes(64 << 20)
    answer = download(bob, clip(bob))

    async def begin_and_leave() -> bytes:
        pieces = aiter(answer.streaming_content)
        first = await anext(pieces)
        await pieces.aclose()
        return first

    assert len(async_to_sync(begin_and_leave)()) < 2 * (256 << 10)
    assert bucket.sent < 32 << 20


def test_films_in_s3_come_whole_and_a_missing_one_is_told(bob, bucket):
    bucket.objects["team/aa/film.mp4"] = FILM
    lost = clip(bob, prompt="Lost")
    lost.media.file = "bb/gone.mp4"
    lost.media.save()

    files = unzipped(download(bob, clip(bob, prompt="A fox"), lost))

    assert list(files) == ["001-a-fox.mp4", "videos.json"] and files["001-a-fox.mp4"] == FILM
    assert json.loads(files["videos.json"])[1]["file"] is None
