"""Where the built-in provider listens and with which token: a small file between its process and the others."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Runtime:
    base_url: str
    token: str = field(repr=False)
    pid: int
    model: str


def write(path: Path, runtime: Runtime) -> None:
    """Replace the file whole, readable by its owner only."""
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(runtime), file)
    draft.replace(path)


def read(path: Path) -> Runtime | None:
    """The running provider, or None when there is none."""
    try:
        return Runtime(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
