"""Files in S3-compatible storage: put there by workers, handed out by signed addresses."""

import httpx
import pytest

from tests import films
from tests.s3 import running_s3
from tests.server import running_server
from tests.videos.test_serving import SCENE


@pytest.fixture(scope="module")
def stored():
    """The bucket, the answers to a link and to a key's request, and the server's log."""
    with running_s3() as bucket, running_server(EMMA18_S3_URL=bucket.url) as server:
        key, _, id, _, link, *_ = server.run_python(SCENE).split()
        with httpx.Client(base_url=server.base_url, headers={"authorization": f"Bearer {key}"}) as client:
            answers = client.get(link), client.get(f"/api/v1/video/seedance/tasks/{id}/content")
            page = client.get("/account/login/")
        film = httpx.get(answers[0].headers["location"])
        yield bucket, answers, film, page, server.log


def test_a_clip_and_its_pictures_are_put_into_the_bucket(stored):
    bucket, *_ = stored

    assert len(bucket.objects) == 4 and all(name.startswith("team/") for name in bucket.objects)
    assert sorted(name.partition(".")[2] for name in bucket.objects) == ["last.png", "mp4", "poster.jpg", "sprite.jpg"]


def test_a_clip_is_handed_out_by_a_signed_address(stored):
    _, answers, film, *_ = stored

    assert [answer.status_code for answer in answers] == [302, 302]
    assert film.content == films.film(2.0, (640, 360)) and film.headers["content-type"] == "video/mp4"


def test_browsers_may_load_films_from_there(stored):
    bucket, _, _, page, _ = stored

    origin = bucket.url.partition("@")[2].partition("/")[0]
    policy = page.headers["content-security-policy"]
    assert f"media-src 'self' http://{origin}" in policy and "secret" not in policy


def test_the_secret_is_in_no_log(stored):
    assert "secret" not in stored[-1] and "X-Amz" not in stored[-1]
