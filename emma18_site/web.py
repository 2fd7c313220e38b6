"""The web server's process: `python -m emma18_site.web --host 127.0.0.1 --port 8018`.

Runs granian with our limits. Told to stop, it first brings what streams to an end, since granian only waits for it;
and it stops when the process that started it is gone.
"""

import argparse
import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from upstream import parent

PARENT_CHECKED_EVERY_S = 0.5
STOP_WITHIN_S = 6  # the supervisor kills what is left after 8

Application = Callable[[Any, Any, Any], Awaitable[None]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m emma18_site.web")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8018)
    options = parser.parse_args()
    _stop_when_orphaned()
    os.environ[parent.VARIABLE] = str(os.getpid())  # for the worker, which may have lost us before it asks
    server = Granian(
        "emma18_site.asgi:application",
        address=options.host,
        port=options.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=2048,
        backpressure=4096,  # an open stream counts, and 2,000 of them are carried
        http1_settings=HTTP1Settings(header_read_timeout=10_000),
        log_level=LogLevels.warn,
        workers_kill_timeout=STOP_WITHIN_S,
    )
    try:
        server.serve(target_loader=load, wrap_loader=False)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # once Python has put its handler away, the signal would end us


def load() -> Application:
    """The application, in the worker."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the inherited handler would swallow it until we serve
    threading.Thread(target=_leave_when_orphaned, args=[parent.process_id()], daemon=True).start()
    from emma18_site.asgi import application

    # Few requests leave circles of objects behind, and those can wait: to look for them as often as Python does, each
    # time among all requests under way, is about a twentieth of a busy server's time.
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)

    async def draining(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":  # granian's own handlers are in place by now
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _drain)
        await application(scope, receive, send)

    return draining


_drains: set[asyncio.Task[None]] = set()


def _drain() -> None:
    """Bring what streams to an end, then let granian stop: to it, SIGINT means the same as SIGTERM."""
    if not _drains:
        _drains.add(asyncio.ensure_future(_drain_and_stop()))


async def _drain_and_stop() -> None:
    from emma18_site.asgi import drain

    try:
        await drain()
    finally:
        os.kill(os.getpid(), signal.SIGINT)


def _stop_when_orphaned() -> None:
    """A timer's signal and not a thread, because granian forks."""
    supervisor = parent.process_id()

    def look(*_: object) -> None:
        if os.getppid() != supervisor:
            os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, PARENT_CHECKED_EVERY_S, PARENT_CHECKED_EVERY_S)


def _leave_when_orphaned(server: int) -> None:
    while os.getppid() == server:
        time.sleep(PARENT_CHECKED_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_WITHIN_S)
    os._exit(1)


if __name__ == "__main__":
    main()
