"""What `up` does: looks whether it can start, prepares the data folder, runs the programs and says where they are.

Knows the installation's parts and their order. How programs are kept running is supervisor.py's.
"""

import asyncio
import errno
import fcntl
import hashlib
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core import checks
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from catalog import sync
from emma18_site import clusters
from emma18_site.supervisor import Program, Supervisor, tell
from upstream.embedded import model, own
from upstream.embedded.storyboard import order as storyboard

ASK_AGAIN_S = 0.05


class CannotStart(Exception):
    """A sentence that says what is in the way and what to do."""


def run(host: str, port: int, *, with_embedded: bool) -> None:
    """Serve until told to stop. Raises CannotStart."""
    with _only_one_runs():
        _check_address(host, port)
        _prepare_database()
        _collect_static_files()
        for left in (settings.EMBEDDED_RUNTIME_FILE, settings.STORYBOARD_RUNTIME_FILE):
            left.unlink(missing_ok=True)  # left by a kill -9, it would name a dead process
        web = [sys.executable, "-m", "emma18_site.web", "--host", host, "--port", str(port)]
        programs = [Program("The web server", web)]
        if with_embedded:
            file = str(settings.EMBEDDED_RUNTIME_FILE)
            embedded = [sys.executable, "-m", "upstream.embedded", "--runtime-file", file]
            programs.append(Program("The built-in model", embedded))
            programs += _own_models()
            programs.append(Program("The storyboard renderer", _storyboard(host)))
        programs += clusters.programs()
        settings.ADDRESS_FILE.write_text(_address(host, port))
        environment = {
            **os.environ,
            "EMMA18_LISTEN_HOST": host,
            "EMMA18_LISTEN_PORT": str(port),
            "EMMA18_DATA_DIR": str(settings.DATA_DIR),
        }
        asyncio.run(_supervise(programs, environment, host, port, with_embedded=with_embedded))


def _own_models() -> list[Program]:
    """One for each .gguf file that somebody has put into the folder of models: what one breaks, breaks itself alone."""
    settings.MODELS_DIR.mkdir(exist_ok=True)
    found = own.found(settings.MODELS_DIR)
    for problem in found.problems:
        tell(f"  {problem}")
    programs = []
    for model_id, file in found.files.items():
        says_where = own.runtime_file(settings.EMBEDDED_RUNTIME_FILE, model_id)
        says_where.parent.mkdir(mode=0o700, exist_ok=True)
        says_where.unlink(missing_ok=True)
        command = [sys.executable, "-m", "upstream.embedded", "--runtime-file", str(says_where)]
        programs.append(Program(f"The model {model_id}", [*command, "--weights", str(file), "--model", model_id]))
    return programs


def _storyboard(host: str) -> list[str]:
    """The renderer fetches references, so it is told what the egress guard of the web server is told."""
    command = [sys.executable, "-m", "upstream.embedded.storyboard", "--data", str(settings.STORYBOARD_DIR)]
    command += ["--runtime-file", str(settings.STORYBOARD_RUNTIME_FILE)]
    command += ["--egress-allow", ",".join(settings.EGRESS_ALLOW)]
    only_ours_come_in = host in ("localhost", "::1") or host.startswith("127.")
    if only_ours_come_in and settings.SIGNUP != "open":
        command.append("--egress-loopback")
    return command


async def _supervise(
    programs: list[Program], environment: dict[str, str], host: str, port: int, *, with_embedded: bool
) -> None:
    async def greet() -> None:
        await _answers(_reached_at(host), port)
        print(_greeting(host, port, with_embedded=with_embedded), flush=True)

    await Supervisor(programs, environment=environment, folder=settings.BASE_DIR).run(greet)
    tell("EMMA18 has stopped.")


def _address(host: str, port: int) -> str:
    name = f"[{_reached_at(host)}]" if ":" in host else _reached_at(host)
    return settings.PUBLIC_URL or f"http://{name}:{port}"


def _greeting(host: str, port: int, *, with_embedded: bool) -> str:
    small = f"{model.MODEL_ID}, a small model running on this machine"
    storyboards = f"{storyboard.MODEL_ID}, drawn on this machine"
    return "\n".join(
        [
            "",
            f"  EMMA18 is running at  {_address(host, port)}",
            "",
            f"  Data folder           {settings.DATA_DIR}",
            f"  Built-in model        {small if with_embedded else 'off'}",
            f"  Storyboards           {storyboards if with_embedded else 'off'}",
            "  To stop               Ctrl-C",
            "",
        ]
    )


def _reached_at(host: str) -> str:
    """Where this machine itself reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


async def _answers(host: str, port: int) -> None:
    """Returns when /readyz says 200."""
    request = f"GET /readyz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode()
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(request)
            status = await reader.readline()
            writer.close()
            if b" 200 " in status:
                return
        except OSError:
            pass
        await asyncio.sleep(ASK_AGAIN_S)


@contextmanager
def _only_one_runs() -> Iterator[None]:
    """Two on one data folder would overwrite each other's runtime file. The kernel frees the lock when we end."""
    folder = os.open(settings.DATA_DIR, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise CannotStart(
            f"EMMA18 is already running on {settings.DATA_DIR}: stop it first, or give this one a folder of its "
            "own with --data."
        ) from None
    finally:
        os.close(folder)


def _check_address(host: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise CannotStart(f"--port {port} is no port: choose one from 1 to 65535, such as 8018.")
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"Port {port} is in use: stop what listens there, or choose another with --port."
        elif error.errno == errno.EACCES:
            reason = f"This account may not listen on port {port}: choose one above 1023 with --port."
        else:
            reason = f"EMMA18 cannot listen on {host}, port {port} ({error}): choose others with --host and --port."
        raise CannotStart(reason) from None


def _prepare_database() -> None:
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            _timed("Preparing the database", lambda: call_command("migrate", verbosity=0, skip_checks=True))
        found = [issue for issue in checks.run_checks(databases=["default"]) if issue.is_serious()]
        clusters.schedule()
        sync.offer_own_models()
    except DatabaseError as error:
        where = "EMMA18_DATABASE_URL" if connection.vendor != "sqlite" else str(settings.DATA_DIR)
        reason = " ".join(str(error).split())
        raise CannotStart(f"The database cannot be used, look at {where}. It said: {reason}") from None
    finally:
        connection.close()
    if found:
        raise CannotStart("\n".join(f"{issue.msg} {issue.hint or ''}".strip() for issue in found))


def _collect_static_files() -> None:
    """Only when a source file, or the code that treats it, is not what it was."""
    stamp: Path = settings.DATA_DIR / "static.stamp"
    now = _static_fingerprint()
    if stamp.exists() and stamp.read_text() == now and (settings.STATIC_ROOT / "staticfiles.json").exists():
        return
    _timed("Collecting static files", lambda: call_command("collectstatic", interactive=False, verbosity=0))
    stamp.write_text(now)


def _static_fingerprint() -> str:
    digest = hashlib.sha256(settings.VERSION.encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            facts = os.stat(storage.path(path))
            digest.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _timed(title: str, step: Callable[[], object]) -> None:
    began = time.monotonic()
    step()
    tell(f"  {title} ... {time.monotonic() - began:.1f} s")
