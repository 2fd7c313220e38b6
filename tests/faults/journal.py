"""A provider that writes down every call it accepted before it answers, for tests in which our processes die.

`python -m tests.faults.journal --file FOLDER/journal` prints its base URL and serves until it is ended. A line of the
journal is the request id under which it was called.
"""

import argparse
import asyncio
import json
import os

from aiohttp import web

PROMPT_TOKENS, COMPLETION_TOKENS = 100, 50
CHUNKS = 10
CHUNK_EVERY_S = 0.01
MODEL = {
    "id": "journal/small",
    "context_length": 8192,
    "pricing": {"prompt": "0.00000015", "completion": "0.0000006"},
}
USAGE = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": COMPLETION_TOKENS,
    "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
}


def charge_nanousd() -> int:
    """What a call that came to its end costs."""
    return (PROMPT_TOKENS * 150_000 + COMPLETION_TOKENS * 600_000) // 1000


def _event(**chunk: object) -> bytes:
    return b"data: " + json.dumps({"id": "1", "object": "chat.completion.chunk", **chunk}).encode() + b"\n\n"


async def _models(request: web.Request) -> web.Response:
    return web.json_response({"data": [MODEL]})


async def _chat(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    os.write(request.app[JOURNAL], f"{request.headers['x-request-id']}\n".encode())
    if not body.get("stream"):
        message = {"role": "assistant", "content": "word " * CHUNKS}
        await asyncio.sleep(CHUNK_EVERY_S)
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return web.json_response({"id": "1", "object": "chat.completion", "choices": choices, "usage": USAGE})
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for _ in range(CHUNKS):
        await response.write(_event(choices=[{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]))
        await asyncio.sleep(CHUNK_EVERY_S)
    await response.write(_event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    await response.write(_event(choices=[], usage=USAGE) + b"data: [DONE]\n\n")
    return response


JOURNAL = web.AppKey("journal", int)


async def _serve(file: str) -> None:
    app = web.Application()
    app[JOURNAL] = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", _chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("http://{}:{}/v1".format(*runner.addresses[0]), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.faults.journal")
    parser.add_argument("--file", required=True)
    asyncio.run(_serve(parser.parse_args().file))
