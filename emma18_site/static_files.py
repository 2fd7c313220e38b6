"""Serves collected static files from WhiteNoise's index, as a plain ASGI app outside Django's middleware; and says
under which addresses.

WhiteNoise's own middleware is sync and would put a thread in front of every stream.
"""

from functools import cache
from typing import Any

from django.conf import settings
from whitenoise import WhiteNoise
from whitenoise.storage import CompressedManifestStaticFilesStorage

from accounts.asgi import Receive, Scope, Send


class Storage(CompressedManifestStaticFilesStorage):
    """Remembers the address of each file, of which a page names dozens, until the files are collected again."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._addresses: dict[str, str] = {}

    def url(self, name: str, force: bool = False) -> str:
        if force:
            return super().url(name, force)
        if name not in self._addresses:
            self._addresses[name] = super().url(name)
        return self._addresses[name]

    def save_manifest(self) -> None:
        super().save_manifest()
        self._addresses.clear()


@cache
def _index() -> WhiteNoise:
    # Names that carry a content hash never change; the manifest storage makes them.
    index = WhiteNoise(None, max_age=60, immutable_file_test=r"^.+\.[0-9a-f]{12}\..+$")
    index.add_files(str(settings.STATIC_ROOT), prefix=settings.STATIC_URL)
    return index


async def static_files(scope: Scope, receive: Receive, send: Send) -> None:
    file = _index().files.get(scope["path"]) if scope["method"] in ("GET", "HEAD") else None
    if file is None:
        await _answer(send, 404, [(b"content-type", b"text/plain")], b"There is no such file.")
        return
    environ = {
        f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}": value.decode("latin-1")
        for name, value in scope["headers"]
    }
    response = file.get_response(scope["method"], environ)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    content = b""
    if response.file is not None:
        with response.file:
            content = response.file.read()  # from the page cache, a few KB: cheaper than a thread
    await _answer(send, int(response.status), [*headers, (b"x-content-type-options", b"nosniff")], content)


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], content: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
