"""The scripted provider of clips in a process of its own, writing down each create before it answers.

`python -m tests.faults.video_journal --file FILE --takes SECONDS` prints its address and serves until it is ended. A
line of the journal is a clip's id and when it will be made. Every clip is the same small film.
"""

import argparse
import asyncio
import os

from aiohttp import web

from tests import films
from tests.video_provider import FILES, JOURNAL, Clip, VideoProvider, application


async def _serve(journal_file: str, takes_s: float) -> None:
    journal = os.open(journal_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(clip: Clip) -> None:
        os.write(journal, f"{clip.id} {clip.created_at + takes_s}\n".encode())

    provider = VideoProvider(takes_s=takes_s)
    app = application(provider)
    film = films.film(0.5, (64, 36))

    async def file(_: web.Request) -> web.Response:
        return web.Response(body=film, content_type="video/mp4")

    app[JOURNAL] = note
    app.router.add_get(FILES + "{name}", file)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.base_url = "http://{}:{}".format(*runner.addresses[0])
    print(provider.base_url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.faults.video_journal")
    parser.add_argument("--file", required=True)
    parser.add_argument("--takes", type=float, required=True)
    options = parser.parse_args()
    asyncio.run(_serve(options.file, options.takes))
