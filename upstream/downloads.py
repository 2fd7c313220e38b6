"""Fetches a finished clip from the link its provider gave, through the egress guard. Blocks; used by workers.

The link is the permission: no key is sent. Knows HTTP and bytes; knows no task, and not what is in the file.
"""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from upstream import answers, egress
from upstream.client import USER_AGENT
from upstream.errors import Garbled, Redirected, TimedOut
from upstream.video import CONNECT_S, sync_transport, told_apart

MOST_REDIRECTS = 3  # another EMMA18 sends us on to where its own provider keeps the file
SILENT_S = 30.0
REFUSAL_BYTES = 64 << 10
CHUNK_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Download:
    """`content_type` is what the server called it, which proves nothing."""

    size: int
    sha256: str
    content_type: str


def download(url: str, file: Path, *, is_local: bool = False, most_bytes: int, within_s: float) -> Download:
    """Write what is at the link into the file, and see it onto the disk. Raises `UpstreamError`, `Garbled` for what is
    too large or breaks off; and OSError where there is no room for it."""
    transport = sync_transport(egress.loopback_socket if is_local else egress.guarded_socket)
    deadline = time.monotonic() + within_s
    with httpx.Client(
        transport=transport, timeout=httpx.Timeout(SILENT_S, connect=CONNECT_S), trust_env=False
    ) as client:
        for _ in range(MOST_REDIRECTS + 1):
            headers = {"user-agent": USER_AGENT, "accept-encoding": "identity"}
            with told_apart("file"), client.stream("GET", url, headers=headers) as answer:
                if answer.has_redirect_location:
                    url = str(answer.url.join(answer.headers["location"]))
                    continue
                return _written(answer, file, most_bytes=most_bytes, deadline=deadline, within_s=within_s)
    raise Redirected("")


def _written(answer: httpx.Response, file: Path, *, most_bytes: int, deadline: float, within_s: float) -> Download:
    if answer.status_code != 200:
        beginning = next(answer.iter_raw(REFUSAL_BYTES), b"")
        raise answers.refusal(answer.status_code, answer.headers, beginning, secret="")
    declared = answer.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most_bytes:
        raise _too_large(most_bytes)
    digest, size = hashlib.sha256(), 0
    with file.open("wb") as copy:
        for data in answer.iter_raw(CHUNK_BYTES):
            size += len(data)
            if size > most_bytes:
                raise _too_large(most_bytes)
            if time.monotonic() > deadline:
                raise TimedOut(f"The provider's file took longer than {within_s:g} s.", may_have_billed=True)
            digest.update(data)
            copy.write(data)
        copy.flush()
        os.fsync(copy.fileno())
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Download(size, digest.hexdigest(), kind)


def _too_large(most_bytes: int) -> Garbled:
    return Garbled(f"The provider's file is larger than {most_bytes >> 20} MB.")
