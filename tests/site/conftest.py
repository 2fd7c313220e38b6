import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

type Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def python(tmp_path) -> Python:
    """Runs Python with the site's settings, a fresh SQLite data folder and the EMMA18_* variables given."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("EMMA18_")}
        settings = {"EMMA18_DATA_DIR": str(tmp_path / "data"), "DJANGO_SETTINGS_MODULE": "emma18_site.settings"}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=ROOT, env=inherited | settings | environment, capture_output=True, text=True)

    return run
