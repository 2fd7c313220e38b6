"""References are taken from people's own browsers, checked against what models take, and handed on."""

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import quote

import httpx
import pytest

from tests import films
from tests.server import RunningServer, running_server

UPLOADS = "/videos/uploads/"
PEOPLE = ("alice", "vera")
SCENE = """
from accounts import people
from accounts.models import Membership, User
from emma18_site import onboarding
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

alice, team = onboarding.found_installation(
    name="alice", email="alice@example.org", password="a long enough password", team_name="Northlight")
vera = User.objects.create_user(email="vera@example.org", password="a long enough password", name="vera")
people.add_member(team, user=vera, role=Membership.Role.VIEWER)
for user in (alice, vera):
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    print(session.session_key)
"""


class Sender:
    """A browser's page of this server that sends files."""

    def __init__(self, server: RunningServer, session: str) -> None:
        headers = {"origin": server.base_url, "cookie": f"sessionid={session}"}
        self.client = httpx.Client(base_url=server.base_url, headers=headers, timeout=60)

    def send(self, kind: str, content: bytes, name: str = "file", **headers: str) -> httpx.Response:
        return self.client.post(f"{UPLOADS}?kind={kind}&name={quote(name)}", content=content, headers=headers)


@pytest.fixture(scope="module")
def senders() -> Iterator[dict[str, Sender]]:
    with running_server() as server:
        sessions = server.run_python(SCENE).split()
        found = {name: Sender(server, session) for name, session in zip(PEOPLE, sessions, strict=True)}
        found["nobody"] = Sender(server, "")
        yield found
        for sender in found.values():
            sender.client.close()


@pytest.fixture
def alice(senders) -> Sender:
    return senders["alice"]


GOOD = {
    "png": ("image", films.picture()),
    "jpeg": ("image", films.picture(kind="JPEG")),
    "webp": ("image", films.picture(kind="WEBP")),
    "gif": ("image", films.picture(kind="GIF")),
    "bmp": ("image", films.picture(kind="BMP")),
    "tiff": ("image", films.picture(kind="TIFF")),
    "mp4": ("video", films.film(2, (960, 540))),
    "mov": ("video", films.film(2, (960, 540), kind="mov")),
    "wav": ("audio", films.sound()),
}


@pytest.mark.parametrize("form", GOOD)
def test_every_form_that_models_take_is_taken(alice, form):
    kind, content = GOOD[form]

    answer = alice.send(kind, content, f"shot.{form}")

    assert answer.status_code == 200, answer.text
    assert f"shot.{form}" in answer.text and 'value="upload://up_' in answer.text


BAD = {
    "an HTML file named .mp4": ("video", b"<html><script>alert(1)</script></html>", "This is not an MP4 or MOV video"),
    "an SVG picture": ("image", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "This is not a JPEG"),
    "a film sent as a picture": ("image", films.film(), "This is not a JPEG"),
    "a picture cut short": ("image", films.picture()[:200], "damaged or cut short"),
    "a film of 16 s": ("video", films.film(16, (64, 64)), "lasts 16.0 s. It must last 2 to 15 s"),
    "a film of 1 s": ("video", films.film(1, (64, 64)), "lasts 1.0 s"),
    "a film of few pixels": ("video", films.film(2, (320, 180)), "320 x 180 pixels. They must have 409,600"),
    "a film of few frames": ("video", films.film(2, (960, 540), fps=10), "10 frames a second"),
    "a film of another codec": ("video", films.film(2, (960, 540), codec="mpeg4"), "encoded as mpeg4"),
    "a small picture": ("image", films.picture((200, 400)), "200 x 400 pixels. Each side must have 300 to 6,000"),
    "a huge picture": ("image", films.picture((6400, 3000)), "6400 x 3000 pixels"),
    "a wide picture": ("image", films.picture((1200, 400)), "too wide"),
    "a sound of 16 s": ("audio", films.sound(16), "The audio lasts 16.0 s"),
    "a sound of 1 s": ("audio", films.sound(1), "The audio lasts 1.0 s"),
    "nothing": ("image", b"", "The file is empty"),
    "an unknown kind": ("text", b"Hello", "an image, a video or an audio"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_no_model_takes_is_refused_with_a_sentence(alice, what):
    kind, content, sentence = BAD[what]

    answer = alice.send(kind, content, "shot.mp4")

    assert answer.status_code == 422 and sentence in answer.text
    assert "upload://" not in answer.text


@pytest.mark.parametrize(("kind", "megabytes"), [("video", 60), ("image", 31), ("audio", 16)])
def test_a_file_beyond_the_limit_of_its_kind_is_refused(alice, kind, megabytes):
    answer = alice.send(kind, bytes(megabytes << 20))

    assert answer.status_code == 422 and "larger than" in answer.text


def test_a_body_of_hundreds_of_megabytes_is_refused_unread(alice):
    url, headers = alice.client.base_url, alice.client.headers
    with closing(HTTPConnection(url.host, url.port, timeout=10)) as connection:
        sent = {"origin": headers["origin"], "cookie": headers["cookie"], "content-length": str(300 << 20)}
        connection.request("POST", f"{UPLOADS}?kind=video", headers=sent)

        answer = connection.getresponse()

        assert answer.status == 422 and answer.headers["connection"] == "close"


@pytest.mark.parametrize(("who", "status"), [("nobody", 401), ("vera", 403)])
def test_who_may_not_make_videos_sends_no_files(senders, who, status):
    assert senders[who].send("image", films.picture()).status_code == status


def test_another_sites_page_sends_no_files(alice):
    for origin in ("https://elsewhere.example", "null", ""):
        assert alice.send("image", films.picture(), origin=origin).status_code == 403


def test_files_are_sent_with_post(alice):
    answer = alice.client.get(UPLOADS)

    assert answer.status_code == 405 and answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\secret\\shot.png", "shot.png"),
        ("\u202egnp.exe", "gnp.exe"),
        ("a\0b.png", "ab.png"),
        ("<b>.png", "&lt;b&gt;.png"),
        ("x" * 400, "x" * 200),
        ("", "image.png"),
    ],
)
def test_a_name_is_shown_and_never_used_as_a_path(alice, name, shown):
    answer = alice.send("image", films.picture(), name)

    assert f'<span class="upload-name">{shown}</span>' in answer.text


def test_the_picture_of_an_upload_opens_by_its_link_alone(alice, senders):
    link = alice.send("image", films.picture()).text.partition('src="')[2].partition('"')[0].replace("&amp;", "&")

    answer = senders["nobody"].client.get(link)

    assert answer.headers["content-type"] == "image/jpeg" and answer.content.startswith(b"\xff\xd8\xff")
    assert (
        answer.headers["x-content-type-options"] == "nosniff" and "sandbox" in answer.headers["content-security-policy"]
    )
    assert senders["nobody"].client.get(link.replace("thumbnail.jpg", "file")).status_code == 404
