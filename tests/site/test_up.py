"""`manage.py up` as somebody types it, in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.server import ROOT, free_port
from upstream.embedded import model, runtime

pytestmark = pytest.mark.xdist_group("up")  # they count processes and seconds: not beside each other


@dataclass
class Up:
    process: subprocess.Popen[str]
    port: int
    said: list[str] = field(default_factory=list)

    def hears(self, words: str) -> str:
        """The line with these words, now or before."""
        for line in self.said:
            if words in line:
                return line
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if words in line:
                return line
        raise AssertionError(f"It ended without saying {words!r}:\n{''.join(self.said)}")

    def children(self) -> dict[str, int]:
        """The process id of each direct child by its module, and of the background clusters by their name too."""
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
        rows = [line.split() for line in listed.stdout.splitlines()]
        own = [row for row in rows if row[1] == str(self.process.pid) and row[3:4] == ["-m"]]
        return {" ".join(row[4:6] if row[4] == "emma18_site.workers" else row[4:5]): int(row[0]) for row in own}

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=10)

    def worker_seen_after(self, moment: str) -> str:
        """When the background workers were last heard of, as soon as that is later than this."""
        while (seen := self.get("/healthz").json()["parts"]["worker"]["last_seen_at"] or "") <= moment:
            assert self.process.poll() is None
            time.sleep(0.1)
        return seen

    def ends(self, within_s: float) -> int:
        code = self.process.wait(timeout=within_s)
        assert self.process.stdout is not None
        self.said += self.process.stdout.readlines()
        return code


@contextmanager
def _up(data: Path, *options: str, **environment: str) -> Iterator[Up]:
    port = free_port()
    command = [sys.executable, "manage.py", "up", "--port", str(port), "--data", str(data), *options]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EMMA18_")}
    process = subprocess.Popen(
        command, cwd=ROOT, env={**kept, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    impatience = threading.Timer(60, process.kill)
    impatience.start()
    with process:
        try:
            yield Up(process, port)
        finally:
            impatience.cancel()
            process.terminate()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that is prepared once, as after a first start."""
    return tmp_path_factory.mktemp("up") / "data"


def test_it_says_where_it_runs_and_answers_there(data: Path) -> None:
    with _up(data, "--no-embedded") as up:
        assert f"http://127.0.0.1:{up.port}" in up.hears("EMMA18 is running at")
        assert str(data) in up.hears("Data folder")
        assert "Ctrl-C" in up.hears("To stop")
        assert up.get("/healthz").status_code == 200

    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / "secrets.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_takes_everything_with_it(data: Path, number: signal.Signals) -> None:
    with _up(data, "--no-embedded") as up:
        up.hears("To stop")
        up.process.send_signal(number)

        assert up.ends(within_s=10) == 0

    with pytest.raises(httpx.ConnectError):
        up.get("/healthz")


def test_killed_itself_it_leaves_no_process_behind(data: Path) -> None:
    with _up(data, "--no-embedded") as up:
        up.hears("To stop")
        with socket.create_connection(("127.0.0.1", up.port)) as open_connection:
            up.process.kill()

            open_connection.settimeout(15)
            assert open_connection.recv(1) == b""  # the server has gone

    with pytest.raises(httpx.ConnectError):
        up.get("/healthz")


def test_a_web_server_that_is_killed_is_started_again(data: Path) -> None:
    with _up(data, "--no-embedded") as up:
        up.hears("To stop")
        first = up.children()["emma18_site.web"]
        os.kill(first, signal.SIGKILL)

        assert "was killed by SIGKILL; it starts again in 1 s" in up.hears("The web server")
        transport = httpx.HTTPTransport(retries=6)  # waits longer each time, 15 s in all
        with httpx.Client(transport=transport, timeout=10) as patient:
            assert patient.get(f"http://127.0.0.1:{up.port}/healthz").status_code == 200


def test_background_workers_run_and_are_started_again(data: Path) -> None:
    with _up(data, "--no-embedded") as up:
        up.hears("To stop")
        seen = up.worker_seen_after("")
        os.kill(up.children()["emma18_site.workers default"], signal.SIGKILL)

        assert "was killed by SIGKILL; it starts again in 1 s" in up.hears("The background cluster 'default'")
        up.worker_seen_after(seen)
        up.process.terminate()
        assert up.ends(within_s=10) == 0


@pytest.mark.embedded
def test_the_built_in_model_is_started_and_stopped_too(data: Path) -> None:
    with _up(data) as up:
        assert "small model running on this machine" in up.hears("Built-in model")
        up.hears(f"{model.MODEL_ID} is ready.")
        assert (data / "embedded.json").exists()

    assert not (data / "embedded.json").exists()


def _refused(data: Path, *options: str, **environment: str) -> str:
    with _up(data, *options, **environment) as up:
        assert up.ends(within_s=30) == 2
    sentence = "".join(up.said)
    assert "Traceback" not in sentence
    return sentence


def test_a_busy_port_is_refused_with_a_way_out(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        sentence = _refused(data, "--port", str(port))

    assert sentence == f"Port {port} is in use: stop what listens there, or choose another with --port.\n"


def test_a_second_one_on_the_same_data_folder_is_refused(data: Path) -> None:
    with _up(data, "--no-embedded") as up:
        up.hears("To stop")

        assert "already running on" in _refused(data, "--no-embedded")


def test_a_data_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert f"The data folder {tmp_path / 'file' / 'data'} cannot be made" in _refused(tmp_path / "file" / "data")


def test_a_bad_setting_is_refused_by_name(data: Path) -> None:
    assert _refused(data, EMMA18_KEEP_ALIVE_S="soon").startswith("EMMA18_KEEP_ALIVE_S='soon'")


def test_a_database_that_does_not_answer_is_refused(data: Path) -> None:
    url = f"postgresql://alice:secret@127.0.0.1:{free_port()}/emma18"

    sentence = _refused(data, EMMA18_DATABASE_URL=url)

    assert "EMMA18_DATABASE_URL" in sentence and "secret" not in sentence


@pytest.mark.embedded
def test_the_storyboard_renderer_runs_beside_the_model(data: Path) -> None:
    with _up(data) as up:
        assert "embedded/storyboard" in up.hears("Storyboards")
        up.hears("embedded/storyboard is ready")
        found = runtime.read(data / "storyboard.json")
        assert found is not None and found.pid == up.children()["upstream.embedded.storyboard"]

        answer = httpx.get(f"{found.base_url}/video/seedance/modes", headers={"Authorization": f"Bearer {found.token}"})

    assert [model["id"] for model in answer.json()["models"]] == ["embedded/storyboard"]
