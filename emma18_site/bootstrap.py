"""Finds a Python, makes .venv, installs the locked requirements there and starts the command again inside it.

Knows files, processes and version numbers. It must import nothing but the standard library and stay readable
for Python 3.8, because it runs before the right Python is found, and must know nothing of Django or settings.

Run as a module, it installs what a command needs (`python3 -m emma18_site.bootstrap test`), or is the project's
uv (`python3 -m emma18_site.bootstrap uv pip list --python .venv`).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PYTHONS = ((3, 12), (3, 13), (3, 14))
SQLITE_MINIMUM = (3, 37)  # Django 6.1
PROBE_TIMEOUT_S = 20
OUTPUT_LINES_SHOWN = 12

# What a Python says of itself. `-I` keeps the caller's PYTHONPATH and working directory out of the answer.
PROBE = """
import json, sqlite3, sys
executable = getattr(sys, "_base_executable", sys.executable)  # not the one of some virtual environment
print(json.dumps([sys.version_info[:2], sqlite3.sqlite_version_info, executable]))
"""


class SetupError(Exception):
    """The set-up cannot go on. Its text says what to do and, below that, what a tool said last."""


def prepare(argv: Sequence[str], repository: Path = REPOSITORY) -> None:
    """Returns inside an up-to-date .venv. Anywhere else the same command in there replaces this process."""
    command = argv[1] if len(argv) > 1 else "help"
    try:
        place_data_folder(command, argv[2:])
        environment = Environment(repository)
        locks = locks_for(command, argv[2:])
        installed = environment.has(locks)
        if not installed:
            environment.install(locks)
    except SetupError as refusal:
        sys.exit(refuse(refusal))
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. The next command carries on with the set-up.\n")
        sys.exit(130)
    if not (installed and environment.is_running_this()):
        os.execv(str(environment.python), [str(environment.python), *argv])


def refuse(refusal: Exception) -> int:
    sys.stderr.write(f"{refusal}\n")
    return 2


def locks_for(command: str, arguments: Sequence[str]) -> list[str]:
    """The names of the requirement files a command needs."""
    if command == "test":
        return ["server", "dev", "embedded"]
    locks = ["server"]
    if command == "up" and "--no-embedded" not in arguments:
        locks.append("embedded")
    if os.environ.get("EMMA18_REDIS_URL") or os.environ.get("EMMA18_REDIS_URL_FILE"):
        locks.append("redis")
    if os.environ.get("EMMA18_S3_URL") or os.environ.get("EMMA18_S3_URL_FILE"):
        locks.append("s3")
    return locks


def place_data_folder(command: str, arguments: Sequence[str]) -> None:
    """Settings read EMMA18_DATA_DIR when they load, which is before `up` could look at its own options."""
    if command != "up":
        return
    for index, argument in enumerate(arguments):
        name, has_value, value = argument.partition("=")
        if name == "--data":
            value = value if has_value else "".join(arguments[index + 1 : index + 2])
            if not value:
                raise SetupError("--data needs a folder, such as --data /var/lib/emma18.")
            os.environ["EMMA18_DATA_DIR"] = os.path.abspath(os.path.expanduser(value))


class Environment:
    """The repository's .venv. Stamps in it tell which locks it holds, a mark tells of an unfinished one."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.folder = repository / ".venv"
        self.python = self.folder / "bin" / "python"
        self.unfinished = self.folder / "emma18-unfinished"
        self.made_for = self.folder / "emma18-python"
        self.wish = os.environ.get("EMMA18_PYTHON") or None

    def lock(self, name: str) -> Path:
        return self.repository / "requirements" / f"{name}.txt"

    def stamp(self, name: str) -> Path:
        return self.folder / f"emma18-{name}.stamp"

    def fingerprint(self, name: str) -> str:
        """Of the lock and of the Python that .venv was made with."""
        made_with = (self.folder / "pyvenv.cfg").read_bytes()
        return hashlib.sha256(self.lock(name).read_bytes() + made_with).hexdigest()

    def has(self, locks: Sequence[str]) -> bool:
        return self.is_sound() and all(self.has_lock(name) for name in locks)

    def has_lock(self, name: str) -> bool:
        try:
            return self.stamp(name).read_text() == self.fingerprint(name)
        except FileNotFoundError:
            return False

    def is_sound(self) -> bool:
        """Its Python fits, is still there and is the one asked for, and no install in it was cut short."""
        if self.version() not in PYTHONS or not self.python.exists() or self.unfinished.exists():
            return False
        return self.wish is None or (self.made_for.exists() and self.made_for.read_text() == self.wish)

    def version(self) -> tuple[int, ...] | None:
        try:
            lines = (self.folder / "pyvenv.cfg").read_text().splitlines()
        except FileNotFoundError:
            return None
        facts = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines)}
        version = facts.get("version") or facts.get("version_info") or ""  # written by venv, written by uv
        return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())

    def is_running_this(self) -> bool:
        return os.path.realpath(sys.prefix) == os.path.realpath(self.folder)

    def install(self, locks: Sequence[str]) -> None:
        with only_one_installs(self.repository) as held:
            if self.has(locks):  # another command did it while this one waited
                return
            sys.stderr.write("Setting up EMMA18 in .venv, as it is new or its requirements have changed.\n")
            chosen = find_python(os.environ)
            uv = Uv(self.repository, chosen, held)
            if not self.is_sound():
                self.make(uv, chosen)
            self.unfinished.touch()
            for name in locks:
                self.install_lock(uv, name)
            self.unfinished.unlink()

    def make(self, uv: Uv, chosen: str | None) -> None:
        if self.folder.exists():
            shutil.rmtree(str(self.folder))
        # If none on this machine fits, uv looks for one of its own, or fetches one from the internet.
        python = chosen or ">=3.12,<3.15"
        arguments = ["--quiet", "--no-project", "--python", python, str(self.folder)]
        try:
            uv.run(f"Making .venv with Python {python}", "venv", *arguments)
        except SetupError as refusal:
            if chosen:
                raise
            raise SetupError(
                "There is no Python 3.12 to 3.14 here, and none could be fetched: install one, or name it in"
                f" EMMA18_PYTHON.\n{refusal}"
            ) from None
        self.made_for.write_text(self.wish or "")

    def install_lock(self, uv: Uv, name: str) -> None:
        if self.has_lock(name):
            return
        arguments = ["--quiet", "--require-hashes", "-r", str(self.lock(name))]
        if name == "embedded":
            arguments.append("--no-deps")
        uv.install(f"Installing requirements/{name}.txt", self.python, arguments)
        self.stamp(name).write_text(self.fingerprint(name))


class Uv:
    """The installer: the machine's own uv if there is one, else one borrowed into a folder of its own."""

    def __init__(self, repository: Path, chosen: str | None, held: int) -> None:
        self.held = held
        self.repository = repository
        self.pips = [python for python in (chosen, sys.executable) if python and has_pip(python)]
        self.environ = dict(os.environ)
        for name, value in self.wishes().items():
            self.environ.setdefault(name, value)
        self.path = uv_on_path() or self.borrowed(chosen)

    def wishes(self) -> dict[str, str]:
        """uv trusts the machine's certificates only if told to, and does not read pip's configuration."""
        wishes = {"UV_SYSTEM_CERTS": "true"}
        if not os.access(os.path.expanduser("~"), os.W_OK):
            wishes["UV_NO_CACHE"] = "true"  # it would keep its downloads there
        if self.pips:
            said = subprocess.run([self.pips[0], "-m", "pip", "config", "list"], stdout=subprocess.PIPE, text=True)
            for key, _, value in (line.partition("=") for line in said.stdout.splitlines()):
                name = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}.get(key.rpartition(".")[2])
                if name:
                    wishes[name] = value.strip("'\"")
        return wishes

    def borrowed(self, chosen: str | None) -> str:
        folder = self.repository / ".venv-tools"
        lock = self.repository / "requirements" / "uv.txt"
        complete = folder / "emma18-uv.stamp"
        wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
        if not complete.exists() or complete.read_text() != wanted:
            shutil.rmtree(str(folder), ignore_errors=True)
            pip = [self.pips[0] if self.pips else self.python_with_pip(chosen, folder / "pip"), "-m", "pip"]
            arguments = [
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--require-hashes",
                "-r",
                str(lock),
            ]
            self.step("Borrowing uv", [*pip, *arguments, "--target", str(folder)])
            complete.write_text(wanted)
        return str(folder / "bin" / "uv")

    def python_with_pip(self, chosen: str | None, folder: Path) -> str:
        try:
            self.step("Making a folder for pip", [chosen or sys.executable, "-m", "venv", str(folder)])
        except SetupError as refusal:
            raise SetupError(
                f"There is no uv and no pip to install with: install uv or python3-venv.\n{refusal}"
            ) from None
        return str(folder / "bin" / "python")

    def install(self, title: str, python: Path, arguments: Sequence[str]) -> None:
        try:
            self.run(title, "pip", "install", "--python", str(python), *arguments)
        except SetupError:
            if not self.pips:
                raise
            # pip knows proxies, mirrors and logins that uv does not.
            pip = [
                self.pips[0],
                "-m",
                "pip",
                "--disable-pip-version-check",
                "--python",
                str(python),
                "install",
            ]
            self.step(f"{title} with pip, as uv could not", [*pip, *arguments])

    def run(self, title: str, *arguments: str) -> None:
        self.step(title, [self.path, *arguments])

    def step(self, title: str, command: Sequence[str]) -> None:
        """Runs one command of the set-up, telling the seconds it takes."""
        started = time.monotonic()
        sys.stderr.write(f"  {title} ... ")
        sys.stderr.flush()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command,
                cwd=str(self.repository),
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[self.held],
            )
            code = wait_telling(process, title, started)
            sys.stderr.write(f"{time.monotonic() - started:.1f} s\n")
            if code != 0:
                output.seek(0)
                lines = output.read().decode(errors="replace").splitlines()[-OUTPUT_LINES_SHOWN:]
                raise SetupError(
                    f"{title} failed: check the network and the free disk space, then try again. It said:\n"
                    + "\n".join(f"    {line}" for line in lines)
                )


def wait_telling(process: subprocess.Popen[bytes], title: str, started: float) -> int:
    """Waits for the end; on a terminal the seconds are counted in place."""
    while True:
        try:
            return process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            if sys.stderr.isatty():
                sys.stderr.write(f"\r  {title} ... {time.monotonic() - started:.0f} s ")
                sys.stderr.flush()


def has_pip(python: str) -> bool:
    return runs([python, "-m", "pip", "--version"])


def uv_on_path() -> str | None:
    found = shutil.which("uv")
    return found if found and runs([found, "pip", "install", "--require-hashes", "--help"]) else None


def runs(command: Sequence[str]) -> bool:
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


@contextmanager
def only_one_installs(repository: Path) -> Iterator[int]:
    """Yields the held lock. Installers inherit it and hold on to it, even if this process is killed."""
    held = os.open(str(repository / "requirements"), os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("Waiting for another command that is installing.\n")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield held
    finally:
        os.close(held)


def find_python(environ: Mapping[str, str]) -> str | None:
    """The first Python that fits: EMMA18_PYTHON, this one, those on PATH, pyenv's. None: there is none."""
    wish = environ.get("EMMA18_PYTHON")
    if wish:
        asked = ask_python(shutil.which(wish) or wish)
        if asked is None:
            raise SetupError(
                f"EMMA18_PYTHON={wish} is no Python 3.12 to 3.14 with SQLite >= {dotted(SQLITE_MINIMUM)}:"
                " set it to the path of one, or unset it."
            )
        return asked
    tried = set()
    for candidate in candidates(environ):
        if candidate not in tried:
            tried.add(candidate)
            asked = ask_python(candidate)
            if asked:
                return asked
    return None


def candidates(environ: Mapping[str, str]) -> Iterator[str]:
    yield sys.executable
    for name in ("python3.14", "python3.13", "python3.12", "python3"):
        for folder in environ.get("PATH", os.defpath).split(os.pathsep):
            path = os.path.join(folder, name)
            if os.access(path, os.X_OK):
                yield path
    for versions in pyenv_folders(environ):
        for made in sorted(versions.glob("3.*"), key=lambda folder: version_of(folder.name), reverse=True):
            yield str(made / "bin" / "python3")


def pyenv_folders(environ: Mapping[str, str]) -> Iterator[Path]:
    if environ.get("PYENV_ROOT"):
        yield Path(environ["PYENV_ROOT"]) / "versions"
    yield account_home() / ".pyenv" / "versions"


def account_home() -> Path:
    """From the account database: HOME may be empty or point elsewhere."""
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a container's user without an account
        return Path(os.path.expanduser("~"))


def ask_python(path: str) -> str | None:
    """The real path of this Python, if it runs and fits; a pyenv shim that points nowhere does not run."""
    try:
        answer = subprocess.run(
            [path, "-I", "-c", PROBE],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_TIMEOUT_S,
        )
        version, sqlite, executable = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    fits = tuple(version[:2]) in PYTHONS and tuple(sqlite) >= SQLITE_MINIMUM
    return str(executable) if fits else None


def version_of(text: str) -> tuple[int, ...]:
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()


def dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)


def main(arguments: Sequence[str]) -> None:
    if arguments[:1] != ["uv"]:
        Environment(REPOSITORY).install(locks_for(arguments[0] if arguments else "help", arguments[1:]))
        return
    with only_one_installs(REPOSITORY) as held:
        uv = Uv(REPOSITORY, find_python(os.environ), held)
    os.execve(uv.path, [uv.path, *arguments[1:]], uv.environ)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SetupError as refused:
        sys.exit(refuse(refused))
