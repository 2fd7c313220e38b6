"""A real EMMA18 server in a process of its own, on loopback, with a data folder and database of its own."""

import atexit
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg

ROOT = Path(__file__).resolve().parent.parent
START_DEADLINE_S = 60


@dataclass
class RunningServer:
    base_url: str
    data_dir: Path
    environment: dict[str, str] = field(repr=False)
    process: subprocess.Popen[bytes] | None = None
    embedded: subprocess.Popen[bytes] | None = None
    module: tuple[str, ...] = ("emma18_site.web",)  # what runs, with its first arguments

    @property
    def log(self) -> str:
        """Everything the server has logged."""
        return (self.data_dir / "server.log").read_text(encoding="utf-8", errors="replace")

    def manage(self, *arguments: str) -> str:
        """Run a management command in the server's environment and return what it printed."""
        command = [sys.executable, "-m", "django", *arguments]
        return self._run(command)

    def seed(self) -> dict[str, Any]:
        """Make the demo team; returns what `seed --json` prints."""
        seeded: dict[str, Any] = json.loads(self.manage("seed", "--json"))
        return seeded

    def run_python(self, code: str) -> str:
        """Run a few lines inside the server's Django, such as a domain call that prepares a scene."""
        prologue = "import django; django.setup()\n"
        command = [sys.executable, "-c", prologue + code]
        return self._run(command)

    def run_module(self, *arguments: str) -> str:
        """Run a Python module in the server's environment and return what it printed."""
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def _run(self, command: list[str]) -> str:
        try:
            return subprocess.run(
                command, env=self.environment, cwd=ROOT, check=True, capture_output=True, text=True
            ).stdout
        except subprocess.CalledProcessError as error:
            error.add_note(error.stderr)
            raise

    def start(self) -> None:
        host, port = urlsplit(self.base_url).hostname, urlsplit(self.base_url).port
        command = [sys.executable, "-m", *self.module, "--host", str(host), "--port", str(port)]
        with (self.data_dir / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                if httpx.get(f"{self.base_url}/healthz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The server did not start:\n{self.log[-3000:]}")
            time.sleep(0.05)

    @contextmanager
    def beside(self) -> Iterator["RunningServer"]:
        """A second web process on the same data, as behind a load balancer."""
        other = replace(self, base_url=f"http://127.0.0.1:{free_port()}", process=None, embedded=None)
        try:
            other.start()
            yield other
        finally:
            other.stop()

    def start_embedded(self) -> None:
        """Start the built-in model beside the server and wait until it answers."""
        runtime_file = self.data_dir / "embedded.json"
        command = [sys.executable, "-m", "upstream.embedded", "--runtime-file", str(runtime_file)]
        with (self.data_dir / "server.log").open("ab") as log:
            self.embedded = subprocess.Popen(
                command, env=self.environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_DEADLINE_S
        while not runtime_file.exists():
            if self.embedded.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The built-in model did not start:\n{self.log[-3000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL the web server, as loss of power would. The built-in model lives on."""
        _end(self.process, signal.SIGKILL)

    def stop(self) -> None:
        _end(self.process, signal.SIGTERM)
        _end(self.embedded, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
    if process is None or process.poll() is not None:
        return
    os.killpg(process.pid, number)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_server(**environment: str) -> Iterator[RunningServer]:
    """Start a server with the given EMMA18_* variables on top; stops it and removes its data at the end."""
    with installation(**environment) as server:
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def installation(**environment: str) -> Iterator[RunningServer]:
    """A data folder and a database of their own, removed at the end, for a server that was not started."""
    template = _template()
    with tempfile.TemporaryDirectory(prefix="emma18-server-") as folder, _database("TEMPLATE " + template.name) as url:
        shutil.copytree(template, folder, dirs_exist_ok=True)
        port = free_port()
        yield RunningServer(
            base_url=f"http://127.0.0.1:{port}",
            data_dir=Path(folder),
            environment=_environment(folder, url, EMMA18_LISTEN_PORT=str(port), **environment),
        )


@cache
def _template() -> Path:
    """A migrated database and collected static files, made once a test process; servers start from copies.

    On PostgreSQL the folder's name is also the name of the database to copy.
    """
    folder = Path(tempfile.mkdtemp(prefix="emma18_template_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    keep = ExitStack()
    url = keep.enter_context(_database("", name=folder.name))
    atexit.register(keep.close)
    for command in (["migrate"], ["collectstatic", "--noinput"]):
        subprocess.run(
            [sys.executable, "-m", "django", *command, "--verbosity", "0"],
            env=_environment(str(folder), url),
            cwd=ROOT,
            check=True,
        )
    return folder


def _environment(folder: str, database_url: str, **more: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("EMMA18_")},
        "DJANGO_SETTINGS_MODULE": "emma18_site.settings",
        "PYTHONPATH": str(ROOT),
        "EMMA18_DATA_DIR": folder,
        "EMMA18_DATABASE_URL": database_url,
        **more,
    }


@contextmanager
def _database(options: str, *, name: str = "") -> Iterator[str]:
    """A database of one's own beside the one EMMA18_DATABASE_URL names, or '' for SQLite in the data folder."""
    url = os.environ.get("EMMA18_DATABASE_URL", "")
    if not url:
        yield ""
        return
    name = name or f"emma18_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" {options}')
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
