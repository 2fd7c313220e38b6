"""Finished clips are copied into our storage, whole and once, whatever the place they lie at does."""

import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models.functions import Now
from PIL import Image

from tests import films
from tests.file_host import FileHost, running_file_host
from tests.video_provider import VideoProvider
from tests.videos.conftest import let_pass, the_only_task
from videos import fetching, storage
from videos.models import Media, TaskEvent, VideoTask

FILM = films.film(1.0)


@pytest.fixture
def host() -> Iterator[FileHost]:
    with running_file_host() as running:
        running.body = FILM
        yield running


@pytest.fixture
def task(program, connected, provider: VideoProvider, host: FileHost) -> VideoTask:
    """A clip that its provider has made, of which we have no copy yet."""
    program.create()
    let_pass()
    provider.make(content={"video_url": host.url})
    let_pass()
    return the_only_task()


def fetch(task: VideoTask, times: int = 1) -> VideoTask:
    """Try, and as often again as told, as if the pauses between had passed."""
    for _ in range(times):
        VideoTask.objects.update(fetch_at=Now(), fetch_lease_until=None)
        fetching.fetch(task.pk)
    task.refresh_from_db()
    return task


def stored(name: str) -> Path:
    return Path(settings.MEDIA_ROOT) / name


def test_a_clip_is_kept_with_its_facts_and_its_pictures(task, host):
    fetch(task)

    kept = Media.objects.get()
    assert task.fetch == "stored" and stored(kept.file).read_bytes() == FILM
    assert (kept.sha256, kept.size_bytes) == (hashlib.sha256(FILM).hexdigest(), len(FILM))
    assert (kept.width, kept.height, kept.duration_ms, kept.frames, kept.has_audio) == (320, 180, 1000, 24, False)
    with Image.open(stored(kept.poster)) as poster, Image.open(stored(kept.sprite)) as sprite:
        assert poster.size == (320, 180) and sprite.size == (1600, 720) and kept.sprite_tiles == 20
    with Image.open(stored(kept.last_frame)) as last:
        assert last.size == (320, 180) and last.getpixel((160, 90)) > (245, 245, 245)


def test_a_finished_clip_is_queued_for_its_copy_once_it_is_known(program, connected, provider, host, transactional_db):
    from django_q.models import OrmQ

    program.create()
    let_pass()
    provider.make(content={"video_url": host.url})
    let_pass()

    assert OrmQ.objects.filter(key="media").count() == 1


def test_a_clip_is_fetched_once(task, host):
    fetch(task, times=3)

    assert len(host.asked) == 1 and Media.objects.count() == 1
    assert TaskEvent.objects.filter(what="stored").count() == 1


def test_no_key_is_sent_to_the_place_of_the_file(task, host):
    fetch(task)

    assert host.asked == [("/clip.mp4", None)]


def test_nobody_begins_while_another_is_at_it(task, host):
    VideoTask.objects.update(fetch_lease_until=Now() + fetching.FULL_FOR)

    fetching.fetch(task.pk)

    assert host.asked == []
    assert fetching.enqueue_due() == 0


def test_what_is_due_is_queued_again(task):
    assert fetching.enqueue_due() == 1


def test_redirects_are_followed(task, host):
    host.redirects = {"/clip.mp4": "/elsewhere.mp4"}

    assert fetch(task).fetch == "stored"


def test_endless_redirects_are_not(task, host):
    host.redirects = {"/clip.mp4": "/clip.mp4"}

    assert fetch(task).fetch == "due" and len(host.asked) == 4


def test_a_page_in_place_of_a_clip_is_not_kept(task, host):
    host.body, host.content_type = b"<html><script>alert(1)</script></html>", "video/mp4"

    assert fetch(task).fetch == "due"
    fetch(task, times=4)
    assert task.fetch == "failed" and "not a whole MP4" in task.attention
    assert not Media.objects.exists()


@pytest.mark.parametrize("fault", ["breaks off", "cut short"])
def test_a_truncated_clip_is_fetched_again_and_kept_whole(task, host, fault):
    host.breaks_at = len(FILM) // 2 if fault == "breaks off" else None
    host.body = FILM[: -len(FILM) // 3] if fault == "cut short" else FILM
    assert fetch(task).fetch == "due"

    host.breaks_at, host.body = None, FILM
    fetch(task)

    assert task.fetch == "stored" and stored(Media.objects.get().file).read_bytes() == FILM


def test_an_expired_link_is_asked_for_anew_once(task, host, provider):
    host.status = 403
    provider.only.fields = {"content": {"video_url": f"{host.base_url}/fresh.mp4"}}
    gets = len(provider.calls)

    fetch(task)

    assert task.fetch == "failed" and len(provider.calls) == gets + 1
    assert [path for path, _ in host.asked] == ["/clip.mp4", "/fresh.mp4"]


def test_a_fresh_link_brings_the_clip(task, host, provider):
    host.redirects = {"/clip.mp4": "/gone/there.mp4"}
    provider.only.fields = {"content": {"video_url": f"{host.base_url}/fresh.mp4"}}

    assert fetch(task).fetch == "stored"


def test_a_file_that_expired_is_told_and_stays_charged(program, task, host, provider):
    charged = task.charged_nanousd
    host.status = 403

    fetch(task)

    shown = program.get(task.public_id).json()
    assert shown["status"] == "succeeded" and "expired at its provider" in shown["attention"]
    assert task.charged_nanousd == charged > 0
    answer = program.client.get(f"{program.path}/{task.public_id}/content")
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "file_lost"


def test_a_clip_that_is_not_copied_yet_is_where_its_provider_keeps_it(program, task, host):
    answer = program.client.get(f"{program.path}/{task.public_id}/content")

    assert answer.status_code == 302 and answer.headers["location"] == host.url


def test_a_provider_that_breaks_down_is_tried_again_and_after_a_while_told(task, host):
    host.status = 503
    assert fetch(task).needs_attention is False

    fetch(task, times=4)

    assert task.fetch == "due" and task.needs_attention and "503" in task.attention
    host.status = 200
    assert fetch(task).fetch == "stored" and not task.needs_attention and task.attention == ""


def test_a_full_disk_leaves_the_clip_due_and_says_so(task, host, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(storage.os, "replace", full)
        fetch(task)

    assert task.fetch == "due" and "Storage is full" in task.attention
    assert fetch(task).fetch == "stored"
    assert list(settings.INCOMING_DIR.iterdir()) == []


def test_an_endless_file_is_cut_off(task, host, monkeypatch):
    monkeypatch.setattr(fetching, "MOST_BYTES", len(FILM) - 1)

    assert fetch(task).fetch == "due"


def test_a_clip_that_no_decoder_reads_is_kept_without_pictures(task, host):
    host.body = FILM.replace(b"avcC", b"xxxx").replace(b"avc1\0\0\0\0", b"zzzz\0\0\0\0")

    fetch(task)

    kept = Media.objects.get()
    assert task.fetch == "stored" and kept.size_bytes == len(FILM) and kept.poster == ""
