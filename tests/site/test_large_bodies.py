"""Of a large request nothing is left lying once it is answered."""

import asyncio
import gc
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest

from emma18_site import page_threads
from emma18_site.asgi import BODY_CAP, application

TASKS = "/api/v1/video/seedance/tasks"


@pytest.fixture(autouse=True)
def no_thread_kept() -> Iterator[None]:
    yield
    while page_threads._idle:
        page_threads._let_go(page_threads._idle.pop())


async def status_of(path: str, key: str, body: bytes) -> int:
    """As a server asks the application."""
    messages: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        if not messages:  # they do not leave
            await asyncio.Event().wait()
        return messages.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {"host": "localhost", "authorization": f"Bearer {key}", "content-length": str(len(body))}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 50_000),
        "scheme": "http",
    }
    await application(scope, receive, send)
    return int(sent[0]["status"])


async def test_no_request_outlives_its_answer_where_the_collector_looks_seldom(transactional_db, access_key, caplog):
    caplog.set_level("ERROR", logger="django.request")  # what pytest keeps of a warning has the request
    image = "data:image/png;base64," + "A" * BODY_CAP
    body = json.dumps({"mode": "i2v", "prompt": "Hello.", "model": "none/such", "image_url": image}).encode()
    gc.collect()
    gc.disable()
    try:
        status = await status_of(TASKS, access_key, body)
        left = [each for each in gc.get_objects() if isinstance(each, HttpRequest) and each.path == TASKS]
    finally:
        gc.enable()

    assert (status, left) == (404, [])


@pytest.mark.parametrize("filler", ["A", "["])
async def test_a_long_conversation_about_a_large_picture_keeps_nobody_waiting(transactional_db, access_key, filler):
    """The request is read on the thread that serves all others. A letter at a time that took it four seconds."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + filler * (20 << 20)}}
    messages = [{"role": "user", "content": [picture]}, *[{"role": "user", "content": "Hello!"}] * 210]
    body = json.dumps({"model": "none/such", "messages": messages}).encode()
    began = time.thread_time()

    assert await status_of("/api/v1/chat/completions", access_key, body) == 404

    spent = time.thread_time() - began
    assert spent < 1, spent
