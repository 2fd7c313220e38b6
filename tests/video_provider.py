"""A scripted provider of clips on loopback that speaks as Ark or as EMMA18, and lies where it is told to.

Its journal says which creates it took. Clips are made when `make` is called, or by themselves after `takes_s`.
"""

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEY = "ark-key-of-a-test"
FILES = "/files/"  # whoever has the link may have the file
DIES = "dies"  # in place of a status: the connection breaks without an answer


@dataclass
class Clip:
    id: str
    body: dict[str, Any]
    key: str
    created_at: float
    status: str = "queued"
    finished_at: float | None = None
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass
class VideoProvider:
    """`next_create` are statuses to answer the next creates with, and whether the clip is taken all the same; the
    others count for each call of that kind while they are set."""

    base_url: str = ""
    clips: dict[str, Clip] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)  # method and path
    hidden: set[str] = field(default_factory=set)  # ids that the list leaves out
    next_create: deque[tuple[int | str, bool]] = field(default_factory=deque)
    list_status: int = 200
    get_status: int = 200
    retry_after: str = ""
    takes_s: float | None = None
    lags_s: float = 0.0
    forgets_marks: bool = False
    hops: list[str] = field(default_factory=list)  # as each create said

    def make(self, status: str = "succeeded", *clips: Clip, **fields: Any) -> None:
        """Say of these clips, or of all that are under way, that they stand so."""
        for clip in clips or list(self.clips.values()):
            if clip.status in ("queued", "running") or clips:
                clip.status, clip.fields, clip.finished_at = status, fields, time.time()

    @property
    def only(self) -> Clip:
        [clip] = self.clips.values()
        return clip

    def tell(self, clip: Clip) -> dict[str, Any]:
        asked = clip.body
        told: dict[str, Any] = {
            "id": clip.id,
            "model": asked["model"],
            "status": clip.status,
            "error": None,
            "created_at": int(clip.created_at),
            "updated_at": int(time.time()),
            "resolution": asked["resolution"],
            "ratio": "16:9",
            "duration": asked["duration"],
            "framespersecond": 24,
            "seed": 78674,
        }
        if not self.forgets_marks:
            told["execution_expires_after"] = asked.get("execution_expires_after", 172_800)
        if clip.status == "succeeded":
            told["content"] = {"video_url": f"{self.base_url}/files/{clip.id}.mp4"}
            told["usage"] = {"completion_tokens": 108_000, "total_tokens": 108_000}
        return told | clip.fields


async def _create(request: web.Request) -> web.StreamResponse:
    provider, body = request.app[PROVIDER], await request.json()
    key = request.headers.get("idempotency-key", "")
    provider.hops.append(request.headers.get("x-emma18-hops", ""))
    status, is_taken = provider.next_create.popleft() if provider.next_create else (200, True)
    is_flat = "content" not in body
    clip = next((each for each in provider.clips.values() if is_flat and each.key == key), None)
    if is_taken and clip is None:
        clip = Clip(f"cgt-{len(provider.clips) + 1:06}", body, key, time.time())
        provider.clips[clip.id] = clip
        if journal := request.app.get(JOURNAL):
            journal(clip)
    await asyncio.sleep(provider.lags_s)
    if status == DIES:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
    if status != 200:
        return _error(provider, int(status))
    assert clip is not None
    return web.json_response({"id": clip.id})


async def _get(request: web.Request) -> web.Response:
    provider = request.app[PROVIDER]
    clip = provider.clips.get(request.match_info["id"])
    if provider.get_status != 200 or clip is None:
        return _error(provider, 404 if clip is None else provider.get_status)
    return web.json_response(provider.tell(_grown(provider, clip)))


async def _list(request: web.Request) -> web.Response:
    provider, query = request.app[PROVIDER], request.query
    if provider.list_status != 200:
        return _error(provider, provider.list_status)
    await asyncio.sleep(provider.lags_s)
    ids, size, number = query.getall("filter.task_ids", []), int(query["page_size"]), int(query.get("page_num", 1))
    found = [provider.clips[id] for id in ids if id in provider.clips] if ids else [*provider.clips.values()][::-1]
    found = [clip for clip in found if clip.id not in provider.hidden]
    page = found[(number - 1) * size : number * size]
    return web.json_response({"total": len(found), "items": [provider.tell(_grown(provider, clip)) for clip in page]})


async def _cancel(request: web.Request) -> web.Response:
    provider = request.app[PROVIDER]
    clip = provider.clips[request.match_info["id"]]
    if clip.status == "running":
        return _error(provider, 400)
    if clip.status == "queued":
        clip.status = "cancelled"
    else:
        del provider.clips[clip.id]
    return web.json_response({})


def _grown(provider: VideoProvider, clip: Clip) -> Clip:
    if provider.takes_s is not None and clip.status in ("queued", "running"):
        age_s = time.time() - clip.created_at
        if age_s >= provider.takes_s:
            clip.status, clip.finished_at = "succeeded", clip.created_at + provider.takes_s
        elif age_s >= provider.takes_s / 3:
            clip.status = "running"
    return clip


def _error(provider: VideoProvider, status: int) -> web.Response:
    headers = {"Retry-After": provider.retry_after} if provider.retry_after else {}
    body = {"error": {"code": f"Code{status}", "message": f"This is a {status} of the test's provider."}}
    if status in (502, 504):  # of something before the provider
        return web.Response(status=status, text="<html>Bad gateway</html>", content_type="text/html")
    return web.json_response(body, status=status, headers=headers)


@web.middleware
async def _noted(request: web.Request, handler: Any) -> web.StreamResponse:
    provider = request.app[PROVIDER]
    provider.calls.append((request.method, request.path))
    if request.headers.get("authorization") != f"Bearer {KEY}" and not request.path.startswith(FILES):
        return _error(provider, 401)
    answer: web.StreamResponse = await handler(request)
    return answer


PROVIDER = web.AppKey("provider", VideoProvider)
JOURNAL: web.AppKey[Any] = web.AppKey("journal")


def application(provider: VideoProvider) -> web.Application:
    app = web.Application(middlewares=[_noted], client_max_size=1 << 27)
    app[PROVIDER] = provider
    for path in ("/contents/generations/tasks", "/video/seedance/tasks"):
        app.router.add_post(path, _create)
        app.router.add_get(path, _list)
        app.router.add_get(path + "/{id}", _get)
        app.router.add_delete(path + "/{id}", _cancel)
        app.router.add_post(path + "/{id}/cancel", _cancel)
    return app


@dataclass
class Hook:
    """What arrived at a caller's address: headers and body of each message."""

    url: str = ""
    status: int = 200
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def states(self) -> list[str]:
        return [json.loads(body)["status"] for _, body in self.received]


@contextmanager
def _serving(app: web.Application) -> Iterator[str]:
    """Serve in a thread; gives the address."""
    loop, started, address = asyncio.new_event_loop(), threading.Event(), []
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def serve() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append("http://{}:{}".format(*runner.addresses[0]))
        started.set()

    thread = threading.Thread(target=lambda: (loop.run_until_complete(serve()), loop.run_forever()), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield address[0]
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def running_video_provider() -> Iterator[VideoProvider]:
    provider = VideoProvider()
    with _serving(application(provider)) as provider.base_url:
        yield provider


@contextmanager
def running_hook() -> Iterator[Hook]:
    hook = Hook()

    async def take(request: web.Request) -> web.Response:
        hook.received.append((dict(request.headers), await request.read()))
        return web.Response(status=hook.status)

    app = web.Application()
    app.router.add_post("/hook", take)
    with _serving(app) as address:
        hook.url = f"{address}/hook"
        yield hook
