"""The storyboard renderer's process: `python -m upstream.embedded.storyboard --data <folder> --runtime-file <file>`.

Tells the file where it listens once it answers, removes it when it stops, and stops when its parent is gone.
"""

import argparse
import asyncio
import os
import secrets
import signal
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from upstream import egress, parent
from upstream.embedded import runtime
from upstream.embedded.storyboard import server
from upstream.embedded.storyboard.order import MODEL_ID
from upstream.embedded.storyboard.studio import Studio
from upstream.embedded.storyboard.tasks import Tasks

PARENT_CHECKED_EVERY_S = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m upstream.embedded.storyboard", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder for tasks and films")
    parser.add_argument("--runtime-file", type=Path, required=True, help="where to say address and token")
    parser.add_argument("--at-once", type=int, default=1, help="how many clips to draw at the same time")
    parser.add_argument("--egress-allow", default="", help="private networks that references may be fetched from")
    parser.add_argument("--egress-loopback", action="store_true", help="references may be on this machine")
    options = parser.parse_args()
    egress.allow([part for part in options.egress_allow.split(",") if part], loopback=options.egress_loopback)
    asyncio.run(_serve(options))


async def _serve(options: argparse.Namespace) -> None:
    supervisor, stop = parent.process_id(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    token, tasks = secrets.token_urlsafe(32), Tasks(options.data)
    studio = Studio(tasks, at_once=options.at_once)
    runner = web.AppRunner(server.application(tasks, studio, token), access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    here = runtime.Runtime(f"http://{host}:{port}/v1", token, os.getpid(), MODEL_ID)
    drawing = asyncio.create_task(studio.run())
    runtime.write(options.runtime_file, here)
    print(f"{MODEL_ID} is ready.", flush=True)
    try:
        while os.getppid() == supervisor and not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PARENT_CHECKED_EVERY_S)
    finally:
        drawing.cancel()
        with suppress(asyncio.CancelledError):
            await drawing
        await runner.cleanup()
        if runtime.read(options.runtime_file) == here:  # a successor may have written its own
            options.runtime_file.unlink()


if __name__ == "__main__":
    main()
