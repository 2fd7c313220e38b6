"""The built-in provider's process: `python -m upstream.embedded --runtime-file <file>`.

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

from upstream.embedded import model, runtime

PARENT_CHECKED_EVERY_S = 0.5


def main() -> NoReturn:
    parser = argparse.ArgumentParser(prog="python -m upstream.embedded", description=__doc__)
    parser.add_argument("--runtime-file", type=Path, required=True, help="where to say address and token")
    file = parser.parse_args().runtime_file
    parent = os.getppid()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    token = secrets.token_urlsafe(32)
    try:
        server = model.serve(token)
    except (model.NotInstalled, RuntimeError) as error:
        sys.exit(str(error))
    here = runtime.Runtime(f"{server.listening_address}/v1", token, os.getpid(), model.MODEL_ID)
    runtime.write(file, here)
    print(f"{model.MODEL_ID} is ready.", flush=True)
    try:
        while os.getppid() == parent and not stop.wait(PARENT_CHECKED_EVERY_S):
            pass
    finally:
        if runtime.read(file) == here:  # a successor may have written its own
            file.unlink()
    os._exit(0)  # dropping the server would wait for replies that nobody reads any more


if __name__ == "__main__":
    main()
