"""What a task is made from may be a file that was sent before: its provider gets the file, or a link to it."""

import base64
import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as installed
from django.db.models import F
from django.test import Client

from accounts.callers import Caller
from tests import films
from tests.contract.shape import assert_refused
from tests.videos.conftest import T2V, let_pass, the_only_task
from videos import jobs, storage, uploads
from videos.models import Upload

FILM = films.film(2.0, (960, 540))
PICTURE = films.picture()


def sent(caller: Caller, kind: str, content: bytes) -> str:
    """The address of a file that the person has sent."""
    with storage.incoming() as folder:
        file = folder / "upload"
        file.write_bytes(content)
        upload = uploads.keep(caller, kind, file, name="shot", sha256=hashlib.sha256(content).hexdigest())
    return uploads.SCHEME + upload.public_id


def i2v(address: str) -> dict[str, object]:
    return {"prompt": "It moves", "image_url": address, "model": T2V["model"]}


def test_a_picture_is_sent_along_where_nobody_can_fetch_it(program, connected, provider, funded):
    answer = program.create(i2v(sent(funded, "image", PICTURE)))
    let_pass()

    assert answer.status_code == 200
    [_, image] = provider.only.body["content"]
    assert image["image_url"]["url"] == "data:image/png;base64," + base64.b64encode(PICTURE).decode()


def test_a_video_that_the_provider_cannot_fetch_is_refused_at_its_field(program, connected, funded):
    answer = program.create({"prompt": "Again", "video_url": sent(funded, "video", FILM), "model": T2V["model"]})

    body = assert_refused(answer, 400, "no_public_address")
    assert body["error"]["param"] == "video_url" and "EMMA18_PUBLIC_URL" in body["detail"]
    assert Upload.objects.get().used_at is None


def test_a_video_is_fetched_by_its_signed_link_and_its_length_counts(program, connected, provider, funded, settings):
    settings.PUBLIC_URL = "https://emma18.example.org"
    cost = program.create({"prompt": "Again", "video_url": sent(funded, "video", FILM), "model": T2V["model"]}).json()
    unknown = program.create(
        {"prompt": "Again", "video_url": "https://example.org/a.mp4", "model": T2V["model"]}
    ).json()
    let_pass()

    assert float(cost["cost"]["estimated"]) < float(unknown["cost"]["estimated"])
    links = [clip.body["content"][1]["video_url"]["url"] for clip in provider.clips.values()]
    [link] = [link for link in links if link.startswith("https://emma18.example.org/m/up_")]
    answer = Client().head(link.removeprefix(settings.PUBLIC_URL))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")


@pytest.mark.parametrize("address", ["upload://up_00000000000000000000000000", "another team's", "another kind's"])
def test_a_file_that_is_not_the_teams_is_not_there(program, connected, funded, charlie, address):
    if address.startswith("another"):
        owner, kind = (charlie, "image") if "team" in address else (funded, "audio")
        address = sent(owner, kind, PICTURE if kind == "image" else films.sound())

    assert_refused(program.create(i2v(address)), 400, "upload_not_found")


def test_what_no_video_is_made_from_is_forgotten_after_a_day(program, connected, funded):
    used, unused, fresh = (sent(funded, "image", films.picture((400, 300 + number))) for number in range(3))
    program.create(i2v(used))
    old = [address.removeprefix(uploads.SCHEME) for address in (used, unused)]
    Upload.objects.filter(public_id__in=old).update(created_at=F("created_at") - timedelta(days=1, minutes=1))
    gone = Upload.objects.get(public_id=old[1])

    jobs.tidy_files()

    left = {uploads.SCHEME + public_id for public_id in Upload.objects.values_list("public_id", flat=True)}
    assert left == {used, fresh}
    assert not any((Path(installed.MEDIA_ROOT) / name).exists() for name in (gone.file, gone.thumbnail))


def test_a_task_made_from_a_file_names_nothing_else_of_it(program, connected, funded):
    address = sent(funded, "image", PICTURE)
    program.create(i2v(address))

    assert the_only_task().spec["references"][0]["url"] == address
