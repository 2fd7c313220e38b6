"""The client of video providers, against the storyboard renderer and against an upstream that misbehaves."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.upstream.storyboard import Renderer, running_renderer, watch
from upstream import egress
from upstream.client import Endpoint
from upstream.downloads import download
from upstream.errors import AddressBlocked, Garbled, Refused, TimedOut, Unreachable
from upstream.video import VideoClient, in_ark_words

KEY = "sk-upstream-secret"
TASK = {"id": "cgt-1", "status": "running"}


@dataclass
class Scripted:
    """Answers each request with what was set last and remembers what it was asked."""

    base_url: str = ""
    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False  # the connection, before half of the body
    seen: list[tuple[str, str, Any, dict[str, str]]] = field(default_factory=list)

    def says(self, said: object, status: int = 200, **headers: str) -> None:
        self.status, self.body, self.headers = status, json.dumps(said).encode(), headers


@pytest.fixture
def upstream() -> Iterator[Scripted]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length", 0)))
            heard = {name.lower(): value for name, value in self.headers.items()}
            script.seen.append((self.command, self.path, json.loads(sent or b"null"), heard))
            self.send_response(script.status)
            self.send_header("content-length", str(len(script.body)))
            for name, value in script.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(script.body[: len(script.body) // 2] if script.cut else script.body)
            self.close_connection = True

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        script.base_url = f"http://127.0.0.1:{server.server_port}/v1"
        yield script
        server.shutdown()
        thread.join()


@pytest.fixture
def client(upstream: Scripted) -> Iterator[VideoClient]:
    made = VideoClient(Endpoint(upstream.base_url, KEY), "emma18")
    yield made
    made.close()


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renderer]:
    with running_renderer(tmp_path_factory.mktemp("renderer")) as running:
        yield running


@pytest.mark.embedded
@pytest.mark.xdist_group("embedded")
def test_renderer_is_spoken_to_from_create_to_download(renderer: Renderer, tmp_path: Path) -> None:
    token = renderer.client.headers["authorization"].removeprefix("Bearer ")
    video = VideoClient(Endpoint(str(renderer.client.base_url).rstrip("/"), token, is_local=True), "embedded")
    body = {"prompt": "A lake", "resolution": "480p", "duration": 1, "seed": 5}

    id = video.create(body, idempotency_key="one")
    assert video.create(body, idempotency_key="one") == id
    renderer.reaches(id, "succeeded")
    task = video.list([id, "sb-unknown"])[id]
    assert task.status == "succeeded" and task.tokens == 10044 and task.facts["seed"] == 5
    assert task.video_url is not None
    size = download(task.video_url, tmp_path / "film.mp4", is_local=True, most_bytes=1 << 30, within_s=60).size

    assert (tmp_path / "film.mp4").stat().st_size == size
    assert watch((tmp_path / "film.mp4").read_bytes()).frames == 24
    video.cancel(id)
    with pytest.raises(Refused, match="There is no such task"):
        video.get(id)
    video.close()


def test_documented_wire_gets_the_request_as_it_is(upstream: Scripted, client: VideoClient) -> None:
    upstream.says({"id": "vt_1"})

    assert client.create({"prompt": "A lake", "model": "m"}, idempotency_key="k-1") == "vt_1"

    ((method, path, body, headers),) = upstream.seen
    assert (method, path, body) == ("POST", "/v1/video/seedance/tasks", {"prompt": "A lake", "model": "m"})
    assert headers["idempotency-key"] == "k-1" and headers["authorization"] == f"Bearer {KEY}"


def test_ark_gets_its_own_content_names_and_address(upstream: Scripted) -> None:
    upstream.says({"id": "cgt-1"})
    ark = VideoClient(Endpoint(upstream.base_url, KEY), "ark", models={"doubao": "dreamina"})

    ark.create(
        {"prompt": "Go", "model": "doubao", "image_url": "https://a/1", "last_image_url": "https://a/2"},
        idempotency_key="k",
    )

    ((_, path, sent, headers),) = upstream.seen
    assert path == "/v1/contents/generations/tasks" and sent["model"] == "dreamina"
    assert [(part["type"], part.get("role")) for part in sent["content"]] == [
        ("text", None),
        ("image_url", "first_frame"),
        ("image_url", "last_frame"),
    ]
    assert "idempotency-key" not in headers
    ark.close()


def test_references_of_several_kinds_get_reference_roles() -> None:
    sent = in_ark_words({"mode": "v2v", "video_urls": ["v"], "image_url": "i", "audio_url": "a", "seed": 1})

    assert [part["role"] for part in sent["content"]] == ["reference_image", "reference_video", "reference_audio"]
    assert sent["seed"] == 1 and sent.keys() == {"seed", "content"}


def test_list_asks_for_each_id_and_leaves_out_what_was_not_asked(upstream: Scripted, client: VideoClient) -> None:
    upstream.says({"total": 2, "items": [TASK, {"id": "other", "status": "queued"}, "nonsense"]})

    found = client.list(["cgt-1", "cgt-2"])

    assert found.keys() == {"cgt-1"}
    assert upstream.seen[0][1].endswith("?filter.task_ids=cgt-1&filter.task_ids=cgt-2&page_size=2")


@pytest.mark.parametrize(
    ("word", "status", "is_known"),
    [("processing", "running", True), ("expired", "expired", True), ("pondering", "pondering", False)],
)
def test_status_words_are_understood_or_kept(
    upstream: Scripted, client: VideoClient, word: str, status: str, is_known: bool
) -> None:
    upstream.says({**TASK, "status": word})

    task = client.get("cgt-1")
    assert (task.status, task.is_known_status) == (status, is_known)


def test_failure_is_told_without_the_key(upstream: Scripted, client: VideoClient) -> None:
    upstream.says({**TASK, "status": "failed", "error": {"code": "OutputVideo", "message": f"Not with {KEY}"}})

    task = client.get("cgt-1")
    assert task.error_code == "OutputVideo" and task.error_words == "Not with [redacted]"


def test_refusal_keeps_status_code_and_the_wait(upstream: Scripted, client: VideoClient) -> None:
    upstream.says({"error": {"code": "ServerOverloaded", "message": "Later."}}, 429, retry_after="7")

    with pytest.raises(Refused, match="Later") as refused:
        client.create({}, idempotency_key="k")

    assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (429, "ServerOverloaded", 7.0)


@pytest.mark.parametrize("said", [[], {"status": "queued"}, {"id": 7}, {"id": ""}])
def test_answer_that_names_no_task_is_garbled(upstream: Scripted, client: VideoClient, said: object) -> None:
    upstream.says(said)

    with pytest.raises(Garbled):
        client.create({}, idempotency_key="k")


def test_answer_lost_on_the_way_is_not_taken_for_a_refusal(upstream: Scripted, client: VideoClient) -> None:
    upstream.says(TASK)
    upstream.cut = True

    with pytest.raises(Garbled, match="broke before its answer"):
        client.create({}, idempotency_key="k")


def test_redirect_is_not_followed_and_a_web_page_is_no_answer(upstream: Scripted, client: VideoClient) -> None:
    upstream.says({}, 302, location="http://elsewhere.example")
    with pytest.raises(Garbled, match="redirected"):
        client.get("cgt-1")

    upstream.status, upstream.body = 200, b"<html>"
    with pytest.raises(Garbled, match="not JSON"):
        client.get("cgt-1")
    assert len(upstream.seen) == 2


def test_download_ends_at_its_cap_its_deadline_and_a_break(upstream: Scripted, tmp_path: Path) -> None:
    upstream.body, file = bytes(1 << 20), tmp_path / "film"

    def fetch(most_bytes: int = 1 << 30, within_s: float = 60) -> None:
        download(upstream.base_url, file, most_bytes=most_bytes, within_s=within_s)

    with pytest.raises(Garbled, match="larger than 0 MB"):
        fetch(most_bytes=1000)
    with pytest.raises(TimedOut, match="longer than 0 s"):
        fetch(within_s=0)
    upstream.cut = True
    with pytest.raises(Garbled, match="broke before its file"):
        fetch()
    upstream.status, upstream.cut = 403, False
    with pytest.raises(Refused):
        fetch()
    assert "authorization" not in upstream.seen[0][3]


def test_nothing_listening_and_private_addresses_are_told_apart() -> None:
    nobody = VideoClient(Endpoint("http://127.0.0.1:9/v1", KEY), "emma18")
    with pytest.raises(Unreachable, match="nothing answers"):
        nobody.get("cgt-1")

    egress.allowed = ()
    with pytest.raises(AddressBlocked, match="EMMA18_EGRESS_ALLOW"):
        nobody.get("cgt-1")
    nobody.close()
