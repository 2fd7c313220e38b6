"""Hands out files: clips with their pictures, and uploads. Whole or a range of bytes, never run as a page.

A file of this machine is read by threads of its own, piece by piece, so that neither the event loop, which carries the
streams of chats, nor memory holds more than a piece of it. One in remote storage is handed out by its signed address.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from accounts.models import Provider
from accounts.policies import anonymous
from accounts.refusals import BadRequest, NotFound, Unavailable
from videos import links, storage, wire
from videos.models import Media, Upload, VideoTask

CHUNK_BYTES = 256 << 10
KEPT_S = 3_600  # by the browser alone
POLL_AFTER_S = str(wire.POLL_AFTER_MS // 1000)
# Nothing in it runs, whatever it is; what is left lets a browser show a picture or play a film by itself.
SANDBOX = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"
_RANGE = re.compile(r"(\d{0,18})-(\d{0,18})")

readers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="files")


@dataclass(frozen=True, slots=True)
class Stored:
    """A file in the storage. `shown_name` is what a browser calls it when it is saved."""

    name: str
    content_type: str
    shown_name: str
    etag: str


@require_safe
@anonymous("the link is signed, and whoever has it may see the file")
def media(request: HttpRequest, public_id: str, file: str) -> HttpResponseBase:
    links.check(public_id, file, request.GET.get("exp", ""), request.GET.get("sig", ""))
    if file in (links.UPLOAD, links.THUMBNAIL):
        return respond(request, _of_upload(Upload.objects.filter(public_id=public_id).first(), file))
    task = VideoTask.objects.filter(public_id=public_id, deleted_at=None).select_related("provider").first()
    if task is None:
        raise NotFound("This video was deleted.")
    return task_file(request, task, file)


def task_file(request: HttpRequest, task: VideoTask, file: str) -> HttpResponseBase:
    """A finished task's file; until we have a copy, the provider's own."""
    if task.state != VideoTask.State.SUCCEEDED:
        raise BadRequest(f"This task has no file: its status is {wire.status(task)}.", code="no_content")
    if task.fetch == VideoTask.Fetch.STORED:
        return respond(request, _of_task(task.media, file))
    if task.fetch == VideoTask.Fetch.FAILED:
        raise NotFound(task.attention or "The file could not be had from its provider.", code="file_lost")
    link = {links.VIDEO: task.upstream_url, links.LAST_FRAME: task.upstream_last_frame_url}.get(file, "")
    # The renderer's links lead to a port of this machine that only we may call.
    is_public = task.provider is not None and task.provider.kind != Provider.Kind.EMBEDDED
    if link and is_public and task.upstream_url_expires_at and task.upstream_url_expires_at > timezone.now():
        return HttpResponseRedirect(link, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    raise Unavailable(f"{file} is not stored yet. Try again in a moment.", headers={"Retry-After": POLL_AFTER_S})


def _of_task(kept: Media, file: str) -> Stored:
    name, content_type = {
        links.VIDEO: (kept.file, kept.content_type),
        links.POSTER: (kept.poster, "image/jpeg"),
        links.SPRITE: (kept.sprite, "image/jpeg"),
        links.LAST_FRAME: (kept.last_frame, "image/png"),
    }.get(file, ("", ""))
    if not name:
        raise NotFound("There is no such file of this video.")
    return Stored(name, content_type, f"{kept.task.public_id}.{file}".replace(".video.", "."), f"{kept.sha256}-{file}")


def _of_upload(upload: Upload | None, file: str) -> Stored:
    name = "" if upload is None else upload.file if file == links.UPLOAD else upload.thumbnail
    if upload is None or not name:
        raise NotFound("This file is not here any more.")
    if file == links.THUMBNAIL:
        return Stored(name, "image/jpeg", f"{upload.public_id}.jpg", f"{upload.sha256}-{file}")
    return Stored(name, upload.content_type, upload.name, upload.sha256)


def respond(request: HttpRequest, stored: Stored) -> HttpResponseBase:
    disposition = str(content_disposition_header("download" in request.GET, stored.shown_name))
    if storage.is_remote():
        link = storage.link(stored.name, content_type=stored.content_type, disposition=disposition)
        return HttpResponseRedirect(link, headers={"Cache-Control": "private, max-age=300"})
    try:
        file = open(storage.media().path(stored.name), "rb")  # noqa: SIM115  # the response closes it
    except FileNotFoundError:
        raise NotFound("The file is missing from the storage. An admin can restore it from a backup.") from None
    etag = f'"{stored.etag}"'
    answer = _answer(request, file, os.fstat(file.fileno()).st_size, etag)
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": f"private, max-age={KEPT_S}",
        "Content-Type": stored.content_type,
        "Content-Disposition": disposition,
        "Content-Security-Policy": SANDBOX,
        "X-Content-Type-Options": "nosniff",
    }
    for name, value in headers.items():
        answer.headers[name] = value
    return answer


def _answer(request: HttpRequest, file: BinaryIO, size: int, etag: str) -> HttpResponseBase:
    if etag in re.findall(r'"[^"]*"', request.headers.get("If-None-Match", "")):
        file.close()
        return HttpResponse(status=304)
    begin, end = span = _span(request, size, etag)
    if begin >= end and size:
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}", "Content-Length": "0"})
    if request.method == "HEAD":
        file.close()
        answer: HttpResponseBase = HttpResponse()
    else:
        answer = StreamingHttpResponse(_pieces(file, begin, end))
        answer._resource_closers.append(file.close)  # type: ignore[attr-defined]  # as FileResponse does
    answer.headers["Content-Length"] = str(end - begin)
    if span != (0, size) or _is_range(request, etag):
        answer.status_code = 206
        answer.headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    return answer


def _is_range(request: HttpRequest, etag: str) -> bool:
    """A range counts only of the file that its asker has seen, where it says which."""
    return request.headers.get("Range", "").startswith("bytes=") and request.headers.get("If-Range", etag) == etag


def _span(request: HttpRequest, size: int, etag: str) -> tuple[int, int]:
    """Begin and end of what is asked for: of several ranges the first, as one that reads on asks again. All of it where
    the header is no range; nothing where the range lies outside."""
    if not _is_range(request, etag):
        return 0, size
    first = request.headers["Range"].removeprefix("bytes=").split(",")[0].strip()
    found = _RANGE.fullmatch(first)
    if found is None or first == "-":
        return size, size
    begin, last = found.groups()
    if not begin:
        return max(size - int(last), 0) if int(last) else size, size
    return int(begin), min(int(last) + 1, size) if last else size


async def _pieces(file: BinaryIO, begin: int, end: int) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    file.seek(begin)
    while begin < end:
        piece = await loop.run_in_executor(readers, file.read, min(CHUNK_BYTES, end - begin))
        if not piece:
            return
        begin += len(piece)
        yield piece
