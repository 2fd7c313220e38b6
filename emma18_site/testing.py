"""What `manage.py test` does: runs pytest on SQLite and again on PostgreSQL, and says aloud what could not run.

Knows where Chromium and PostgreSQL are found on a machine. Loads no settings: the tests have their own.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BYTECODE = REPOSITORY / ".pytest_cache" / "bytecode"
POSTGRES_FOLDERS = Path("/usr/lib/postgresql")  # Debian keeps the server's programs off PATH
POSTGRES_STARTS_WITHIN_S = 30
# What asks no database anything, or nothing that differs from one to the other.
ONCE = ("tests/upstream", "tests/bench", "tests/site/test_up.py", "tests/site/test_policies.py")
MISSING = {
    "browser": (
        "The browser tests did not run: no Chromium was found. Install one (Debian: apt-get install chromium), "
        "or name it in EMMA18_CHROMIUM."
    ),
    "postgres": (
        "The tests did not run on PostgreSQL: no server was found. Install one (Debian: apt-get install postgresql), "
        "or name an empty database in EMMA18_TEST_DATABASE_URL."
    ),
}


def run(arguments: list[str]) -> int:
    """pytest's exit code, the worst of the runs; 1 if something required is missing, 2 if the demand is unknown."""
    required = {name for name in os.environ.get("EMMA18_TEST_REQUIRE", "").split(",") if name}
    if not required <= MISSING.keys():
        print(f"EMMA18_TEST_REQUIRE knows {' and '.join(MISSING)}, separated by a comma.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that PostgreSQL is taken down
    chromium = find_chromium()
    codes = [_pytest("SQLite", "not postgres" if chromium else "not postgres and not browser", arguments, chromium)]
    missing = [] if chromium else ["browser"]
    with postgres() as url:
        if url:
            again = [*arguments, *(f"--ignore={path}" for path in ONCE)]
            codes.append(_pytest("PostgreSQL", "not browser and not embedded", again, chromium, url))
        else:
            missing.append("postgres")
    for name in missing:
        print(f"\n!!! {MISSING[name]}", file=sys.stderr)
    return 1 if required & set(missing) else _worst(codes)


def find_chromium() -> str | None:
    return os.environ.get("EMMA18_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def _pytest(database: str, marks: str, arguments: list[str], chromium: str | None, url: str = "") -> int:
    print(f"\n=== Tests on {database} ===", flush=True)
    environment = {**os.environ, "EMMA18_DATABASE_URL": url, "EMMA18_CHROMIUM": chromium or ""}
    # The tests start hundreds of Pythons, each of which would compile Django anew if none may keep what it compiled.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(BYTECODE)
    # Two at once, as many of them wait for servers to start; more would have them wait for each other.
    command = [sys.executable, "-m", "pytest", "-m", marks, "-n", "2", "--dist", "loadgroup", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode


def _worst(codes: list[int]) -> int:
    """A run that had nothing to do is fine as long as another had."""
    ran = [code for code in codes if code != pytest.ExitCode.NO_TESTS_COLLECTED]
    return max(ran, key=abs, default=int(pytest.ExitCode.NO_TESTS_COLLECTED))


@contextmanager
def postgres() -> Iterator[str | None]:
    """The address of a PostgreSQL that may be filled and emptied, or None if the machine has none."""
    if given := os.environ.get("EMMA18_TEST_DATABASE_URL"):
        yield given
        return
    programs = find_postgres()
    if programs is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="emma18-postgres-") as folder, _cluster(programs, Path(folder)) as url:
        yield url


def find_postgres() -> Path | None:
    """The folder of initdb and postgres: the one on PATH, else Debian's newest."""
    folders = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    folders += sorted(POSTGRES_FOLDERS.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@contextmanager
def _cluster(programs: Path, folder: Path) -> Iterator[str]:
    """A private server on a free loopback port. It is thrown away, so nothing is flushed to the disk."""
    user = _someone_but_root(folder)
    password = secrets.token_hex(16)
    password_file, data = folder / "password", folder / "data"
    password_file.write_text(password)
    options = [f"--pgdata={data}", "--username=emma18", "--encoding=UTF8", "--locale=C", "--no-sync"]
    options += ["--auth=scram-sha-256", f"--pwfile={password_file}"]
    made = subprocess.run(
        [str(programs / "initdb"), *options], capture_output=True, text=True, user=user, cwd=folder, check=False
    )
    if made.returncode:
        raise SystemExit(f"PostgreSQL's initdb failed:\n{made.stderr}")
    port = _free_port()
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *options], stdout=log, stderr=log, user=user, cwd=folder
        )
    try:
        url = f"postgresql://emma18:{password}@127.0.0.1:{port}/postgres"
        _wait_for(url, server, folder / "log")
        yield url
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nobody needs its data
        server.wait()


def _someone_but_root(folder: Path) -> int | None:
    """PostgreSQL refuses to run as root, so root lends the folder to another account."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, account.pw_uid, account.pw_gid)
        return account.pw_uid
    raise SystemExit("PostgreSQL does not run as root, and there is no account postgres or nobody to run it as.")


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + POSTGRES_STARTS_WITHIN_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
