"""The set-up before the right Python is found, with shell scripts as the Pythons and installers of a machine."""

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from emma18_site import bootstrap

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty bin folder on PATH and nothing of pyenv's. The running Python is too old."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    monkeypatch.setattr(sys, "executable", str(_python(bin_folder / "python-at-hand", (3, 11))))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_dir=str(tmp_path / "home")))
    return tmp_path


def _script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def _python(path: Path, version: tuple[int, int], sqlite: tuple[int, int, int] = (3, 45, 0)) -> Path:
    """Says what it is when probed, and has no pip."""
    return _script(path, f"[ $1 = -I ] && echo '{json.dumps([version, sqlite, str(path)])}'")


def _found(machine: Path, **environment: str) -> str | None:
    return bootstrap.find_python({"PATH": str(machine / "bin"), **environment})


def test_the_newest_fitting_python_on_path_is_taken(machine: Path) -> None:
    _python(machine / "bin" / "python3.12", (3, 12))
    newest = _python(machine / "bin" / "python3.14", (3, 14))

    assert _found(machine) == str(newest)


def test_a_shim_that_points_nowhere_is_passed_over(machine: Path) -> None:
    _script(machine / "bin" / "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    real = _python(machine / "bin" / "python3.12", (3, 12))

    assert _found(machine) == str(real)


@pytest.mark.parametrize("version", [(3, 11), (3, 15), (2, 7)])
def test_a_python_too_old_or_too_new_is_passed_over(machine: Path, version: tuple[int, int]) -> None:
    _python(machine / "bin" / "python3", version)

    assert _found(machine) is None


def test_a_python_whose_sqlite_is_too_old_is_passed_over(machine: Path) -> None:
    _python(machine / "bin" / "python3.13", (3, 13), sqlite=(3, 36, 0))

    assert _found(machine) is None


def test_pyenv_is_looked_through_from_its_newest_python_on(machine: Path) -> None:
    for version in ("3.9.18", "3.12.1", "3.12.10", "3.15.0"):
        _python(machine / "pyenv" / "versions" / version / "bin" / "python3", bootstrap.version_of(version)[:2])

    found = _found(machine, PYENV_ROOT=str(machine / "pyenv"))

    assert found == str(machine / "pyenv" / "versions" / "3.12.10" / "bin" / "python3")


def test_pyenv_is_found_in_the_accounts_home_whatever_home_says(machine: Path) -> None:
    python = _python(machine / "home" / ".pyenv" / "versions" / "3.12.1" / "bin" / "python3", (3, 12))

    assert _found(machine, HOME="/nonexistent") == str(python)


def test_the_python_asked_for_comes_before_all_others(machine: Path) -> None:
    _python(machine / "bin" / "python3.14", (3, 14))
    asked = _python(machine / "elsewhere" / "python", (3, 12))

    assert _found(machine, EMMA18_PYTHON=str(asked)) == str(asked)


def test_a_python_asked_for_that_does_not_fit_is_refused_by_name(machine: Path) -> None:
    _python(machine / "bin" / "python3.14", (3, 14))

    with pytest.raises(bootstrap.SetupError, match="EMMA18_PYTHON=.*/python-at-hand"):
        _found(machine, EMMA18_PYTHON=sys.executable)


UV = """
case "$*" in *--help) exit;; esac
echo "$1" >> asked
[ "$1" = pip ] && [ -e no-network ] && exit 1
[ "$1" = venv ] || exit 0
for made; do :; done
mkdir -p "$made/bin"
touch "$made/bin/python"
echo "version = 3.13.0" > "$made/pyvenv.cfg"
"""


@pytest.fixture
def repository(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a lock, on a machine with a Python and a uv that writes down what it is asked to do."""
    folder = machine / "repository"
    (folder / "requirements").mkdir(parents=True)
    (folder / "requirements" / "server.txt").write_text("django==6.1.3\n")
    _python(machine / "bin" / "python3.13", (3, 13))
    _script(machine / "bin" / "uv", UV)
    monkeypatch.setenv("PATH", f"{machine / 'bin'}:/usr/bin:/bin")
    monkeypatch.delenv("EMMA18_PYTHON", raising=False)
    return folder


def _asked(repository: Path) -> list[str]:
    """What uv was asked to do since the last look."""
    asked = repository / "asked"
    commands = asked.read_text().split()
    asked.unlink()
    return commands


def _install(repository: Path) -> None:
    bootstrap.Environment(repository).install(["server"])


def _is_current(repository: Path) -> bool:
    return bootstrap.Environment(repository).has(["server"])


def test_the_first_install_makes_the_environment_and_is_then_current(repository: Path) -> None:
    _install(repository)

    assert _asked(repository) == ["venv", "pip"]
    assert _is_current(repository)


def test_a_changed_lock_is_installed_into_the_same_environment(repository: Path) -> None:
    _install(repository)
    _asked(repository)
    (repository / "requirements" / "server.txt").write_text("django==6.1.4\n")

    assert not _is_current(repository)
    _install(repository)

    assert _asked(repository) == ["pip"]
    assert _is_current(repository)


def test_after_an_install_cut_short_the_environment_is_made_anew(repository: Path) -> None:
    (repository / "no-network").touch()
    with pytest.raises(bootstrap.SetupError, match="requirements/server.txt failed"):
        _install(repository)
    (repository / "no-network").unlink()
    _asked(repository)

    assert not _is_current(repository)
    _install(repository)

    assert _asked(repository) == ["venv", "pip"]
    assert _is_current(repository)


def test_another_python_asked_for_makes_the_environment_anew(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(repository)
    _asked(repository)
    monkeypatch.setenv("EMMA18_PYTHON", str(_python(repository.parent / "bin" / "python3.12", (3, 12))))

    assert not _is_current(repository)
    _install(repository)

    assert _asked(repository) == ["venv", "pip"]
    assert _is_current(repository)


def test_an_environment_whose_python_is_gone_is_made_anew(repository: Path) -> None:
    _install(repository)
    (repository / ".venv" / "bin" / "python").unlink()
    _asked(repository)

    _install(repository)

    assert _asked(repository) == ["venv", "pip"]


@pytest.mark.parametrize(
    ("command", "locks"),
    [
        (["up"], ["server", "embedded"]),
        (["up", "--no-embedded"], ["server"]),
        (["test", "-k", "chat"], ["server", "dev", "embedded"]),
        (["migrate"], ["server"]),
    ],
)
def test_a_command_installs_what_it_needs_and_no_more(command: list[str], locks: list[str]) -> None:
    assert bootstrap.locks_for(command[0], command[1:]) == locks


def test_the_client_of_redis_is_installed_where_redis_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMMA18_REDIS_URL", "redis://127.0.0.1:6379/0")

    assert bootstrap.locks_for("up", ["--no-embedded"]) == ["server", "redis"]


@pytest.mark.parametrize("arguments", [["--data", "kept"], ["--port", "1", "--data=kept"]])
def test_the_data_option_is_in_place_before_settings_load(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMMA18_DATA_DIR", "before")
    monkeypatch.chdir(tmp_path)

    bootstrap.place_data_folder("up", arguments)

    assert os.environ["EMMA18_DATA_DIR"] == str(tmp_path / "kept")


def test_the_locks_name_hashes_and_no_host() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text and "--find-links" not in text and "--index-url" not in text


def test_the_set_up_imports_nothing_but_the_standard_library() -> None:
    code = "import sys; from emma18_site import bootstrap; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"]

    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert {name for name in names if not name.startswith("_")} <= sys.stdlib_module_names | {"emma18_site"}


def test_environment_that_is_a_link_to_another_folder_is_known_again(machine: Path, monkeypatch: pytest.MonkeyPatch):
    (machine / "kept").mkdir()
    (machine / ".venv").symlink_to(machine / "kept")
    monkeypatch.setattr(sys, "prefix", str(machine / ".venv"))

    assert bootstrap.Environment(machine).is_running_this()
