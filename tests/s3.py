"""The least of an S3-compatible storage, on loopback: objects are put, read, headed and deleted; nothing is verified
but that requests are signed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.video_provider import _serving

PIECE = 64 << 10
KEY, SECRET = "test-key", "test+secret/of=s3"


@dataclass
class Bucket:
    url: str = ""  # as EMMA18_S3_URL takes it
    objects: dict[str, bytes] = field(default_factory=dict)
    sent: int = 0  # bytes, as far as they were read


@contextmanager
def running_s3() -> Iterator[Bucket]:
    bucket = Bucket()

    async def answer(request: web.Request) -> web.StreamResponse:
        key = request.match_info["key"]
        is_signed = "X-Amz-Signature" in request.query or "Signature=" in request.headers.get("authorization", "")
        if not is_signed:
            return web.Response(status=403)
        if request.method == "PUT":
            bucket.objects[key] = await request.read()
        elif request.method == "DELETE":
            bucket.objects.pop(key, None)
        elif key not in bucket.objects:
            return web.Response(status=404)
        kind = request.query.get("response-content-type", "application/octet-stream")
        told = {"ETag": '"1"', "Content-Type": kind}
        if request.method != "GET":
            return web.Response(headers=told)
        film = bucket.objects[key]
        response = web.StreamResponse(headers=told | {"Content-Length": str(len(film))})
        await response.prepare(request)
        for begin in range(0, len(film), PIECE):
            await response.write(film[begin : begin + PIECE])
            bucket.sent = begin + PIECE
        return response

    app = web.Application(client_max_size=1 << 27)
    app.router.add_route("*", "/films/{key:.*}", answer)
    with _serving(app) as address:
        bucket.url = address.replace("http://", f"http://{KEY}:test%2Bsecret%2Fof%3Ds3@") + "/films/team?region=eu-1"
        yield bucket
