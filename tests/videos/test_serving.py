"""Files are handed out whole or in ranges, to whom they belong to or who has the link, and never run as a page."""

import re
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.server import RunningServer, running_server

SCENE = """
import hashlib
from pathlib import Path
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from accounts import keys
from accounts.callers import Caller
from accounts.models import Membership, User
from emma18_site import onboarding
from tests import films
from videos import lifecycle, links, media, modes, requests, storage
from videos.models import VideoTask

def person(name, found):
    made = found(name)
    caller = Caller(user=made[0], team=made[1], role=Membership.Role.OWNER)
    return caller, keys.issue(caller, name="laptop")[1]

alice, key = person("alice", lambda name: onboarding.found_installation(
    name=name, email="alice@example.org", password="a long enough password", team_name="Northlight"))
def charlie(name):
    user = User.objects.create_user(email="charlie@example.org", password="a long enough password", name=name)
    return user, onboarding.found_team(user, name="Elsewhere")
_, other = person("charlie", charlie)
asked = requests.read({"prompt": "A hare", "model": modes.STORYBOARD})
task = lifecycle.submit(alice, asked, request_id="req_1").task
from upstream.video import Task
lifecycle.record([(task, Task(id="sb-1", status="succeeded", video_url="http://127.0.0.1:9/clip.mp4", tokens=1))])
waiting = lifecycle.submit(alice, asked, request_id="req_2").task
lifecycle.record([(waiting, Task(id="sb-2", status="succeeded", video_url="http://127.0.0.1:9/clip.mp4", tokens=1))])
film = films.film(2.0, (640, 360))
with storage.incoming() as folder:
    file = folder / "clip.mp4"
    file.write_bytes(film)
    from videos import decoding
    media.keep(task, media.Found(file, len(film), hashlib.sha256(film).hexdigest(), decoding.look("clip", file)))
print(key, other, task.public_id, waiting.public_id, links.path(task, links.VIDEO), links.path(task, links.POSTER),
      links.path(task, links.VIDEO, expires=1), len(film), VideoTask.objects.get(pk=task.pk).media.file)
"""


class Files:
    """One stored clip of a running server, and one that is still to be copied."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.client = httpx.Client(base_url=server.base_url, timeout=30)
        (self.key, self.other, self.id, self.waiting, self.link, self.poster, self.expired, size, name) = (
            server.run_python(SCENE).split()
        )
        self.film = (server.data_dir / "media" / name).read_bytes()
        assert len(self.film) == int(size)

    def get(self, path: str = "", **headers: str) -> httpx.Response:
        return self.client.get(path or self.link, headers=headers)

    def content(self, key: str, id: str = "", door: str = "/api/v1/video/seedance/tasks", **headers: str):
        named = {"authorization": f"Bearer {key}"} if key else {}
        return self.client.get(f"{door}/{id or self.id}/content", headers={**named, **headers})


@pytest.fixture(scope="module")
def files() -> Iterator[Files]:
    with running_server() as server:
        found = Files(server)
        yield found
        found.client.close()


def test_a_link_opens_without_a_key_and_is_never_a_page(files):
    answer = files.get()

    assert answer.status_code == 200 and answer.content == files.film
    headers = answer.headers
    assert (headers["content-type"], headers["accept-ranges"]) == ("video/mp4", "bytes")
    assert headers["x-content-type-options"] == "nosniff" and "sandbox" in headers["content-security-policy"]
    assert headers["content-disposition"] == f'inline; filename="{files.id}.mp4"'
    assert files.get(files.link + "&download").headers["content-disposition"].startswith("attachment")


RANGES = {
    "bytes=0-99": slice(0, 100),
    "bytes=100-": slice(100, None),
    "bytes=-50": slice(-50, None),
    "bytes=-99999999": slice(0, None),
    "bytes=10-99999999": slice(10, None),
    "bytes=5-9, 20-29": slice(5, 10),
}


@pytest.mark.parametrize("asked", RANGES)
def test_a_range_is_answered_with_just_that(files, asked):
    answer = files.get(range=asked)

    expected = files.film[RANGES[asked]]
    assert answer.status_code == 206 and answer.content == expected
    begin, end, size = map(int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers["content-range"]).groups())
    assert (end - begin + 1, size) == (len(expected), len(files.film))


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0", "bytes=9-5", "bytes=-", "bytes=a-b"])
def test_a_range_outside_is_refused_with_the_size(files, asked):
    answer = files.get(range=asked)

    assert answer.status_code == 416 and answer.headers["content-range"] == f"bytes */{len(files.film)}"


def test_a_range_of_another_version_is_answered_with_the_whole(files):
    etag = files.get().headers["etag"]

    assert files.get(range="bytes=0-9", **{"if-range": etag}).status_code == 206
    assert files.get(range="bytes=0-9", **{"if-range": '"another"'}).status_code == 200
    assert files.get(range="items=0-9").status_code == 200
    assert files.get(**{"if-none-match": etag}).status_code == 304


def test_head_tells_of_a_file_without_sending_it(files):
    whole = files.client.head(files.link)
    part = files.client.head(files.link, headers={"range": "bytes=0-9"})

    assert (whole.status_code, whole.headers["content-length"]) == (200, str(len(files.film)))
    assert (part.status_code, part.headers["content-length"], part.content) == (206, "10", b"")


def test_pictures_have_links_of_their_own(files):
    assert files.get(files.poster).headers["content-type"] == "image/jpeg"
    assert files.get(files.poster.replace("poster.jpg", "sprite.jpg")).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-9"}])
def test_a_link_that_is_forged_or_old_opens_nothing(files, headers):
    forged = files.link[:-1] + ("0" if files.link[-1] != "0" else "1")
    longer = files.link.replace("exp=", "exp=9")
    for link in (forged, longer, files.expired, files.link.partition("?")[0], files.link.replace(files.id, "vt_1")):
        assert files.get(link, **headers).status_code == 404, link


@pytest.mark.parametrize("door", ["/api/v1/video/seedance/tasks", "/api/v3/contents/generations/tasks"])
@pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-9"}])
def test_content_is_for_keys_of_its_team(files, door, headers):
    assert files.content(files.key, door=door, **headers).content == files.film[: 10 if headers else None]
    assert files.content(files.other, door=door, **headers).status_code == 404
    assert files.content("", door=door, **headers).status_code == 401
    assert files.content("sk-" + "a" * 40, door=door, **headers).status_code == 401


def test_what_is_not_copied_yet_says_when_to_ask_again(files):
    answer = files.content(files.key, files.waiting)

    assert answer.status_code == 503 and answer.headers["retry-after"] == "5"


def test_names_in_the_storage_lead_nowhere_by_themselves(files):
    for path in ("/media/", "/m/..%2f..%2fsecrets.json", "/m/x/..%2f..%2fsecrets.json", "/static/../media/"):
        assert files.get(path).status_code == 404


def test_no_link_is_logged(files):
    files.get()
    deadline = time.monotonic() + 10
    while f"/m/{files.id}/video.mp4" not in files.server.log:
        assert time.monotonic() < deadline

    assert "sig=" not in files.server.log
