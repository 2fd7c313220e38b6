"""Where files lie: a folder of this machine, or S3-compatible storage where EMMA18_S3_URL names one.

Names are made from what is in a file and from the installation's secret: nobody can guess one, and whoever stores the
same file twice, such as after a kill, stores it under the same name. What arrives is written beside the storage first
and appears in it whole or not at all.
"""

import hashlib
import hmac
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages

STALE_S = 86_400
LINK_S = 3_600


def media() -> Storage:
    return storages["media"]


def is_remote() -> bool:
    return bool(settings.S3_URL)


def name_for(owner: str, sha256: str, extension: str) -> str:
    """`owner` is the public id of what the file belongs to."""
    key = f"videos.storage:{settings.SECRET_KEY}".encode()
    token = hmac.new(key, f"{owner}/{sha256}/{extension}".encode(), hashlib.sha256).hexdigest()[:40]
    return f"{token[:2]}/{token}.{extension}"


@contextmanager
def incoming() -> Iterator[Path]:
    """A folder for what is on its way in, gone at the end. After a kill it is left to `tidy`."""
    folder = settings.INCOMING_DIR / secrets.token_hex(16)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def keep(file: Path, name: str) -> None:
    """Move a file in. It is safe when this returns. Raises OSError where there is no room."""
    if is_remote():
        with file.open("rb") as content:
            media().save(name, File(content))
        return
    place = Path(media().path(name))
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("rb+") as content:
        os.fsync(content.fileno())
    os.replace(file, place)
    for folder in (place.parent, place.parent.parent):
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """A rename is safe from loss of power only then."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def remove(*names: str) -> None:
    for name in filter(None, names):
        media().delete(name)


def link(name: str, *, content_type: str, disposition: str, lasts_s: int = LINK_S) -> str:
    """A signed address in remote storage, which answers as we would."""
    asked = {"ResponseContentType": content_type, "ResponseContentDisposition": disposition}
    address: str = media().url(name, parameters=asked, expire=lasts_s)  # type: ignore[call-arg]  # S3's own
    return address


def read(name: str) -> bytes:
    with media().open(name) as file:
        content: bytes = file.read()
        return content


@contextmanager
def reading(name: str) -> Iterator[IO[bytes]]:
    """A file of which no more is in memory than is read at once. Raises FileNotFoundError."""
    with media().open(name) as file:
        if not is_remote():
            yield file
            return
        # To be read itself, a file of S3 would be loaded whole first.
        with closing(file.obj.get()["Body"]) as body:  # type: ignore[attr-defined]  # S3's own
            yield body


def tidy() -> None:
    """Remove what was on its way in when its process was killed."""
    with suppress(FileNotFoundError):
        for folder in settings.INCOMING_DIR.iterdir():
            if folder.stat().st_mtime < time.time() - STALE_S:
                shutil.rmtree(folder, ignore_errors=True)
