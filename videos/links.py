"""Links to files of tasks and to uploads that open without a key, for a day from when they are made. Knows signatures,
no files.

Clients of Ark download without a header, so the link itself is the permission. A task's answer mints new ones each
time it is read.
"""

import hashlib
import hmac
import time
from datetime import timedelta

from django.conf import settings

from accounts.refusals import NotFound
from videos.models import Upload, VideoTask

LASTS = timedelta(days=1)
VIDEO, LAST_FRAME, POSTER, SPRITE = FILES = ("video.mp4", "last_frame.png", "poster.jpg", "sprite.jpg")
UPLOAD, THUMBNAIL = "file", "thumbnail.jpg"


def path(owner: VideoTask | Upload, file: str, *, expires: int | None = None) -> str:
    expires = expires or int(time.time() + LASTS.total_seconds())
    return f"/m/{owner.public_id}/{file}?exp={expires}&sig={_signature(owner.public_id, file, expires)}"


def check(public_id: str, file: str, expires: str, signature: str) -> None:
    """Raises NotFound for a link that is not ours or too old."""
    is_number = expires.isascii() and expires.isdigit() and len(expires) <= 12
    is_ours = is_number and hmac.compare_digest(
        _signature(public_id, file, int(expires)).encode(), signature.encode(errors="replace")
    )
    if not is_ours or int(expires) < time.time():
        raise NotFound("This link is not valid or has run out. Read the task again: it comes with a new one.")


def _signature(public_id: str, file: str, expires: int) -> str:
    key = f"videos.links:{settings.SECRET_KEY}".encode()
    return hmac.new(key, f"{public_id}/{file}?{expires}".encode(), hashlib.sha256).hexdigest()[:40]
