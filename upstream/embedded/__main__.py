"""A process of the built-in provider: `python -m upstream.embedded --runtime-file <file>` serves the built-in model,
with `--weights <file> --model <id>` one of somebody's own.

Tells the file where it listens once it answers, removes it when it stops, and stops when its parent is gone.
"""

import argparse
import os
import secrets
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

from upstream import parent
from upstream.embedded import model, runtime

PARENT_CHECKED_EVERY_S = 0.5


def main() -> NoReturn:
    parser = argparse.ArgumentParser(prog="python -m upstream.embedded", description=__doc__)
    parser.add_argument("--runtime-file", type=Path, required=True, help="where to say address and token")
    parser.add_argument("--weights", type=Path, help="a .gguf file, in place of the built-in model")
    parser.add_argument("--model", default=model.MODEL_ID, help="the id of the model")
    asked = parser.parse_args()
    file = asked.runtime_file
    supervisor = parent.process_id()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    token = secrets.token_urlsafe(32)
    try:
        server = model.serve(token, asked.weights, asked.model)
    except model.NotInstalled as error:
        sys.exit(str(error))
    except RuntimeError as error:
        if asked.weights is None:
            sys.exit(str(error))
        _wait_for_another(asked.weights, supervisor, stop)
    here = runtime.Runtime(f"{server.listening_address}/v1", token, os.getpid(), asked.model)
    runtime.write(file, here)
    print(f"{asked.model} is ready.", flush=True)
    try:
        while os.getppid() == supervisor and not stop.wait(PARENT_CHECKED_EVERY_S):
            pass
    finally:
        if runtime.read(file) == here:  # a successor may have written its own
            file.unlink()
    os._exit(0)  # dropping the server would wait for replies that nobody reads any more


def _wait_for_another(weights: Path, supervisor: int, stop: threading.Event) -> NoReturn:
    """A file that cannot be loaded is no better a second later: whoever starts us again is kept waiting until it has
    changed."""
    print(
        f"{weights} cannot be loaded: it is damaged, or no language model that llama.cpp knows. Put another in its "
        "place, or take it out.",
        flush=True,
    )
    tried = _stamp(weights)
    while os.getppid() == supervisor and not stop.wait(PARENT_CHECKED_EVERY_S) and _stamp(weights) in (tried, None):
        pass
    os._exit(0)


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns


if __name__ == "__main__":
    main()
