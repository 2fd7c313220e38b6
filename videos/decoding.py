"""Has a media file looked at by looking.py, in a process of its own. Knows no task and no limits."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

LOOKED_AT_S = 120


class Unreadable(Exception):
    """No decoder makes anything of it, or it takes too much memory or time."""


def look(kind: str, file: Path) -> dict[str, Any]:
    """The facts of a file, its pictures left beside it. Raises Unreadable."""
    command = [sys.executable, "-m", "videos.looking", kind, str(file), str(file.parent)]
    environment = {"PATH": "", "PYTHONPATH": str(settings.BASE_DIR)}  # nothing of ours that a decoder could give away
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=LOOKED_AT_S
        )
        facts: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    except (subprocess.TimeoutExpired, ValueError):
        facts = {}
    if not facts:
        raise Unreadable
    return facts
