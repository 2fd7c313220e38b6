"""A place on loopback where a provider keeps finished clips, which serves them well or lies where it is told to."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.video_provider import _serving


@dataclass
class FileHost:
    """What every GET answers with. `asked` are the paths that were asked for, with the Authorization that came."""

    base_url: str = ""
    body: bytes = b""
    status: int = 200
    content_type: str = "video/mp4"
    breaks_at: int | None = None  # bytes after which the connection breaks
    waits: bool = False  # after the first half, until it is told not to
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.base_url}/clip.mp4"


@contextmanager
def running_file_host() -> Iterator[FileHost]:
    host = FileHost()

    async def answer(request: web.Request) -> web.StreamResponse:
        host.asked.append((request.path, request.headers.get("authorization")))
        if there := host.redirects.get(request.path):
            return web.Response(status=302, headers={"Location": there})
        if host.status != 200:
            return web.Response(status=host.status, text="<html>No</html>", content_type="text/html")
        response = web.StreamResponse(headers={"Content-Type": host.content_type})
        response.content_length = len(host.body)
        await response.prepare(request)
        middle = len(host.body) // 2 if host.breaks_at is None else host.breaks_at
        await response.write(host.body[:middle])
        while host.waits:
            await asyncio.sleep(0.02)
        if host.breaks_at is not None:
            assert request.transport is not None
            request.transport.abort()
            return response
        await response.write(host.body[middle:])
        return response

    app = web.Application()
    app.router.add_get("/{name}", answer)
    with _serving(app) as host.base_url:
        yield host
