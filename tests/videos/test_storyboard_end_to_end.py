"""From a documented call to a film that plays: real servers, a real renderer, and the steps that workers do.

The calls stand here as EMMA18's API documents print them. Changed are host, key, model and the references' addresses;
to an EMMA18 that asks another one, the model is not changed either.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import films
from tests.file_host import FileHost, running_file_host
from tests.server import RunningServer, installation
from tests.upstream.storyboard import running_renderer, watch
from tests.videos.workers import working
from upstream.frame_sizes import frame_size
from videos.modes import SEEDANCE, SEEDANCE_FAST, STORYBOARD

pytestmark = [pytest.mark.embedded, pytest.mark.xdist_group("embedded")]

T2V = """curl https://emma18.com/api/v1/video/seedance/tasks \\
  -H "Authorization: Bearer sk-your_api_key" \\
  -H "Idempotency-Key: seedance-t2v-001" \\
  -H "Content-Type: application/json" \\
  -d '{
    "mode": "t2v",
    "prompt": "A cinematic drone shot over snowy mountains at sunrise",
    "model": "doubao-seedance-2-0-260128"
  }'
"""
I2V = """curl https://emma18.com/api/v1/video/seedance/tasks \\
  -H "Authorization: Bearer sk-your_api_key" \\
  -H "Idempotency-Key: seedance-i2v-001" \\
  -H "Content-Type: application/json" \\
  -d '{
    "mode": "i2v",
    "prompt": "The subject turns and smiles at camera with soft lighting",
    "image_url": "https://example.com/reference-image.jpg",
    "model": "doubao-seedance-2-0-260128"
  }'
"""
V2V = """curl https://emma18.com/api/v1/video/seedance/tasks \\
  -H "Authorization: Bearer sk-your_api_key" \\
  -H "Idempotency-Key: seedance-v2v-001" \\
  -H "Content-Type: application/json" \\
  -d '{
    "mode": "v2v",
    "prompt": "Keep camera movement from the reference video, add neon cyberpunk style",
    "video_url": "https://example.com/reference-video.mp4",
    "model": "doubao-seedance-2-0-260128"
  }'
"""
SCENE = """
from django.db import transaction
from accounts import keys, ledger
from accounts.callers import Caller
from accounts.models import Membership
from catalog import curation, sync
from emma18_site import onboarding
user, team = onboarding.found_installation(
    name="alice", email="alice@example.org", password="a long enough password", team_name="Northlight")
alice = Caller(user=user, team=team, role=Membership.Role.OWNER)
with transaction.atomic():
    ledger.top_up(team, by=user, key="scene", amount_nanousd=100 * 10**9)
{more}
print(keys.issue(alice, name="laptop")[1])
"""
DRAWS = f"curation.draw(alice, {SEEDANCE!r}); curation.draw(alice, {SEEDANCE_FAST!r})"
CONNECTS = "sync.connect(team, kind='emma18', name='Other', base_url={base_url!r}, api_key={key!r}, by=alice)"


@dataclass
class Program:
    """A shell script that calls a server by curl. It keeps what it downloads in the folder."""

    server: RunningServer
    key: str
    folder: Path

    def curl(self, call: str) -> str:
        here = call.replace("https://emma18.com", self.server.base_url).replace("sk-your_api_key", self.key)
        assert here != call
        done = subprocess.run(["bash", "-c", here], cwd=self.folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def about(self, path: str, options: str = "") -> str:
        url = f"https://emma18.com/api/v1/video/seedance/tasks/{path}"
        return self.curl(f'curl --silent --fail {options} {url} -H "Authorization: Bearer sk-your_api_key"')

    def makes(self, call: str) -> tuple[dict, bytes]:
        """Creates a task, polls it until it has ended and its file is kept, and downloads that."""
        created = json.loads(self.curl(call))
        assert created["status"] == "queued", created
        deadline = time.monotonic() + 600  # seconds of work for the renderer, on a machine that may have other work
        told = created
        while not (told["terminal"] and (told["status"] != "succeeded" or told["content"]["stored"])):
            log = self.server.data_dir / "jobs.log"
            assert time.monotonic() < deadline, f"{told}\n{log.read_text()[-3000:]}"
            time.sleep(1.5)
            told = json.loads(self.about(created["id"]))
        assert told["status"] == "succeeded", told["error"]
        self.about(f"{created['id']}/content", "--location --output film.mp4")
        return told, (self.folder / "film.mp4").read_bytes()


@contextmanager
def an_emma18(folder: Path, more: str) -> Iterator[Program]:
    """With its workers, and a key to it."""
    with installation() as server:
        key = server.run_python(SCENE.format(more=more)).strip()
        server.start()
        try:
            with working(server):
                yield Program(server, key, folder)
        finally:
            server.stop()


@pytest.fixture(scope="module")
def references() -> Iterator[dict[str, str]]:
    """Where the documents' references are here."""
    with running_file_host() as image, running_file_host() as video:
        image.body, image.content_type = films.picture(kind="JPEG"), "image/jpeg"
        video.body = films.film(2, (960, 540))
        yield {
            "https://example.com/reference-image.jpg": url_of(image, "reference-image.jpg"),
            "https://example.com/reference-video.mp4": url_of(video, "reference-video.mp4"),
        }


def url_of(host: FileHost, name: str) -> str:
    return f"{host.base_url}/{name}"


def at_home(call: str, references: dict[str, str], model: str = SEEDANCE) -> str:
    for there, here in references.items():
        call = call.replace(there, here)
    return call.replace(SEEDANCE, model)


def assert_is_what_was_asked(told: dict, film: bytes, folder: Path) -> None:
    """Where nothing else is asked: 5 s at 720p and 24 frames a second, in H.264, as ffprobe or a player finds it."""
    size = frame_size("720p", told["ratio"])
    assert (told["resolution"], told["duration"]) == ("720p", 5)
    found = watch(film)
    assert (found.codec, found.size, found.fps, found.frames) == ("h264", size, 24, 120)
    assert found.seconds == pytest.approx(5, abs=0.1)
    if ffprobe := shutil.which("ffprobe"):
        command = [ffprobe, "-v", "error", "-select_streams", "v:0", "-of", "json", "-show_streams", "film.mp4"]
        [video] = json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout)["streams"]
        assert (video["codec_name"], video["width"], video["height"]) == ("h264", *size)
        assert video["avg_frame_rate"] == "24/1" and float(video["duration"]) == pytest.approx(5, abs=0.1)


@pytest.fixture(scope="module")
def drawing(tmp_path_factory) -> Iterator[Program]:
    """An EMMA18 with its renderer, whose admin has the two Seedance ids drawn as well."""
    with (
        an_emma18(tmp_path_factory.mktemp("drawing"), DRAWS) as program,
        running_renderer(program.server.data_dir, "--egress-loopback"),
    ):
        yield program


@pytest.mark.parametrize(("mode", "call"), [("t2v", T2V), ("i2v", I2V), ("v2v", V2V)])
def test_the_documented_call_makes_the_film_it_asks_for(drawing, references, mode, call):
    told, film = drawing.makes(at_home(call, references, STORYBOARD))

    assert told["mode"] == mode and told["is_storyboard"] is True
    assert_is_what_was_asked(told, film, drawing.folder)


def test_an_emma18_serves_the_seedance_ids_to_another_one(drawing, references, tmp_path):
    connects = CONNECTS.format(base_url=f"{drawing.server.base_url}/api/v1", key=drawing.key)
    with an_emma18(tmp_path, connects) as first:
        for model, call in {SEEDANCE: T2V, SEEDANCE_FAST: I2V}.items():
            told, film = first.makes(at_home(call, references, model))

            assert (told["model"], told["provider"], told["is_storyboard"]) == (model, "Other", True)
            assert float(told["cost"]["charged"]) > 0  # as that one counts its tokens, at the price of the model
            assert_is_what_was_asked(told, film, tmp_path)
