"""Copies a finished clip from its provider into our storage, before the provider's link dies.

Every failure leaves the file due, with a pause; only what cannot be had at all is given up, and says so to people.
"""

import errno
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.db import Error, connection
from django.db.models import Q
from django.utils import timezone

from accounts import queue
from accounts.models import Provider
from accounts.refusals import Refusal
from upstream.downloads import Download, download
from upstream.errors import Refused, UpstreamError
from videos import decoding, lifecycle, media, pace, sniffing, storage
from videos.models import VideoTask
from videos.sites import client

logger = logging.getLogger(__name__)

MOST_BYTES = 1 << 30
WITHIN_S = 450.0
HELD_EVERY_S = 10.0
GONE = (401, 403, 404, 410)
TOLD_AFTER = 5  # failures in a row
BAD_FILES = 5  # times that what came was no clip
MOST_WAITING = 50
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
FULL_FOR = timedelta(minutes=1)

FULL = "Storage is full: the file is copied once there is room. Its provider keeps it for about a day."
EXPIRED = "The file expired at its provider before it could be copied. The clip was made, so it stays charged."
NOT_A_CLIP = "What the provider delivers is not a whole MP4. Look there for the file; it stays charged."
NOWHERE = "Its provider named no link to the file. Look there for it; it stays charged."


class NotAClip(Exception):
    """What came is no MP4, or not all of one."""


def enqueue_due() -> int:
    """Have fetched what is due and nobody is at: what a signal was lost for, and what failed before."""
    now = timezone.now()
    is_free = Q(fetch_lease_until=None) | Q(fetch_lease_until__lt=now)
    due = VideoTask.objects.filter(is_free, fetch=VideoTask.Fetch.DUE, fetch_at__lte=now).order_by("fetch_at")
    room = max(MOST_WAITING - queue.waiting("media"), 0)
    found = list(due.values_list("pk", flat=True)[:room])
    for pk in found:
        queue.enqueue("videos.jobs.fetch", pk, cluster="media")
    return len(found)


def fetch(task_id: int) -> None:
    """If the file is due and free. May run twice, late or be killed without harm."""
    task = lifecycle.take_fetch(task_id)
    if task is None:
        return
    with _held(task), storage.incoming() as folder:
        try:
            _fetch(task, folder)
        except NotAClip:
            _again(task, NOT_A_CLIP, give_up=task.fetch_failures + 1 >= BAD_FILES)
        except (UpstreamError, Refusal) as error:
            logger.warning("file not fetched", extra={"task": task.public_id, "why": str(error)})
            _again(task, f"The file could not be copied so far. {error}")
        except OSError as error:
            logger.error("file not stored", extra={"task": task.public_id, "why": error.strerror})
            if error.errno in NO_ROOM:
                lifecycle.fetch_later(task, at=timezone.now() + FULL_FOR, attention=FULL)
            else:
                _again(task, f"The file could not be stored so far ({error.strerror}).")


def _again(task: VideoTask, sentence: str, *, give_up: bool = False) -> None:
    """Later; when it has failed for a while, people are told why."""
    if give_up:
        lifecycle.give_up_file(task, sentence)
        return
    failures = task.fetch_failures + 1
    attention = sentence[:300] if failures >= TOLD_AFTER else ""
    lifecycle.fetch_later(task, at=pace.backoff(failures, timezone.now()), attention=attention)


def _fetch(task: VideoTask, folder: Path) -> None:
    file = folder / "clip.mp4"
    if not task.upstream_url and not _has_new_link(task):
        lifecycle.give_up_file(task, NOWHERE)
        return
    try:
        got = _downloaded(task, file)
    except Refused as refused:
        if refused.status not in GONE:
            raise
        if not _has_new_link(task):
            lifecycle.give_up_file(task, EXPIRED)
            return
        try:
            got = _downloaded(task, file)
        except Refused as again:
            if again.status not in GONE:
                raise
            lifecycle.give_up_file(task, EXPIRED)
            return
    _check(file, got)
    try:
        facts = decoding.look("clip", file)
    except decoding.Unreadable:  # it is paid for: better kept without pictures than not kept
        logger.error("clip cannot be looked at", extra={"task": task.public_id, "sha256": got.sha256})
        facts = {}
    media.keep(task, media.Found(file, got.size, got.sha256, facts))


def _downloaded(task: VideoTask, file: Path) -> Download:
    is_local = task.provider is not None and task.provider.kind == Provider.Kind.EMBEDDED
    return download(task.upstream_url, file, is_local=is_local, most_bytes=MOST_BYTES, within_s=WITHIN_S)


def _has_new_link(task: VideoTask) -> bool:
    """Ask the provider once what became of the task: it may have minted another link."""
    if task.provider is None:
        return False
    here = client(task.provider)
    try:
        told = here.get(task.upstream_id)
    except Refused as refused:
        if refused.status in GONE:
            return False
        raise
    finally:
        here.close()
    if not told.video_url or told.video_url == task.upstream_url:
        return False
    lifecycle.note_link(task, told.video_url, told.last_frame_url or "")
    return True


def _check(file: Path, got: Download) -> None:
    """Raises NotAClip. What the server calls it counts only where it says that it is text."""
    is_text = got.content_type.startswith("text/") or got.content_type in ("application/json", "application/xml")
    found = sniffing.sniff_file(file)
    if is_text or found is None or found.kind != "video" or not sniffing.is_whole_mp4(file):
        raise NotAClip


@contextmanager
def _held(task: VideoTask) -> Iterator[None]:
    """Keep the lease for as long as this process lives: a thread, as one read or one look may last."""
    is_over = threading.Event()

    def hold() -> None:
        try:
            while not is_over.wait(HELD_EVERY_S):
                try:
                    lifecycle.hold_fetch(task)
                except Error:  # the next time may succeed; if not, somebody else does it again
                    logger.warning("lease not held", extra={"task": task.public_id})
        finally:
            connection.close()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
