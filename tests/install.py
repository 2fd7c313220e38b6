"""Other people's programs, installed for a bench or a test by the registries' ordinary clients, each into a folder of
its own and once for its pins."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.server import ROOT

WITHIN_S = 900


class Missing(Exception):
    """A program that cannot take part, and why."""


def installed(name: str, folder: Path, pins: str, install: Callable[[Path], None]) -> Path:
    """The folder, filled by `install` unless that was done for these pins already. Raises Missing."""
    stamp = folder / "emma18.stamp"
    if stamp.exists() and stamp.read_text() == pins:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        install(folder)
    except FileNotFoundError as error:
        raise Missing(f"{name} could not be installed: there is no {error.filename} here.") from None
    except subprocess.TimeoutExpired:
        raise Missing(f"{name} could not be installed within {WITHIN_S // 60} minutes.") from None
    except subprocess.CalledProcessError as error:
        raise Missing(f"{name} could not be installed. The end of what was said:\n{error.stderr[-1000:]}") from None
    stamp.write_text(pins)
    return folder


def from_pypi(folder: Path, requirement: str) -> None:
    python = str(folder / "bin" / "python")
    for arguments in (
        ["venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--python", python, requirement],
    ):
        _run([sys.executable, "-m", "emma18_site.bootstrap", "uv", *arguments], cwd=ROOT)


def from_npm(folder: Path, wanted: Mapping[str, str], *, overrides: Mapping[str, str] | None = None) -> None:
    package = {"private": True, "dependencies": wanted, "overrides": overrides or {}}
    (folder / "package.json").write_text(json.dumps(package))
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    _run(["npm", "install", "--prefix", str(folder), *options], cwd=folder)


def _run(command: list[str], *, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=WITHIN_S)
