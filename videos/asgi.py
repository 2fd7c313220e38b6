"""Uploads of references, beside Django: the body goes to disk as it arrives, and only of whom we know.

The body is the file itself, the query says which kind it is to be and how it is called. The answer is a fragment of
HTML for the form: the file with its picture, or why it cannot be taken. Sent again after a break, it begins anew.
"""

import asyncio
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.db import connection
from django.http import parse_cookie
from django.template.loader import render_to_string

from accounts import policies
from accounts.asgi import (
    BODY_UNREAD,
    Receive,
    Scope,
    Send,
    StreamingRoute,
    declared_length,
    header,
    in_database,
    incoming,
    send_refusal,
)
from accounts.callers import Caller
from accounts.ids import bind_request_id
from accounts.models import Membership
from accounts.refusals import BadRequest, Forbidden, MethodNotAllowed, Refusal, TooLarge, Unauthorized, Unavailable
from videos import fetching, links, storage, uploads
from videos.models import Upload
from videos.modes import INPUTS
from videos.references import ROLE_LABELS

MOST_BYTES = 64 << 20
WRITTEN_AT_ONCE = 1 << 20

# Few: each waits for a decoder in a process of its own, two of which are all that a machine should give to it.
_checkers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="upload-checks")
_writers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="upload-writes")


async def upload(scope: Scope, receive: Receive, send: Send) -> None:
    request_id = bind_request_id()
    try:
        kind, name = _asked(scope)
        caller = await in_database(_caller, header(scope, b"cookie"))
        if declared_length(scope) > MOST_BYTES:
            raise TooLarge(f"The file is larger than {INPUTS[kind].most_mb} MB.", headers=BODY_UNREAD)
        with ExitStack() as stack:
            kept = await _received(receive, kind, stack)
            content = await asyncio.get_running_loop().run_in_executor(_checkers, _kept, caller, kind, name, *kept)
        await _send_html(send, 200, content, request_id)
    except Refusal as refusal:
        if isinstance(refusal, BadRequest | TooLarge):
            content = await in_database(_fragment, refusal=refusal)
            await _send_html(send, 422, content, request_id, refusal.headers)
        else:
            await send_refusal(send, refusal, request_id=request_id)


def _asked(scope: Scope) -> tuple[str, str]:
    """The kind and the name. Refused before anything is read: what is no POST from a page of ours."""
    if scope["method"] != "POST":
        raise MethodNotAllowed("Files are sent with POST.", headers={"Allow": "POST"} | BODY_UNREAD)
    if not _is_from_our_page(scope):
        raise Forbidden("Files are taken from this site's own pages only. Reload the page.", headers=BODY_UNREAD)
    query = parse_qs(scope["query_string"].decode("latin-1"))
    kind = query.get("kind", [""])[0]
    if kind not in INPUTS:
        raise BadRequest("A reference is an image, a video or an audio file.", headers=BODY_UNREAD)
    return kind, query.get("name", [""])[0]


def _is_from_our_page(scope: Scope) -> bool:
    """Browsers say with every POST from where it comes, which no page can change. What says nothing is no page."""
    origin = header(scope, b"origin")
    if origin in getattr(settings, "CSRF_TRUSTED_ORIGINS", ()):
        return True
    return bool(origin) and urlsplit(origin).netloc == header(scope, b"host")


def _caller(cookies: str) -> Caller:
    caller = policies.caller_with_session(cookies) if settings.SESSION_COOKIE_NAME in parse_cookie(cookies) else None
    if caller is None:
        raise Unauthorized("You are signed out. Log in again, then send the file.", headers=BODY_UNREAD)
    if not caller.has_role(Membership.Role.MEMBER):
        sentence = f"Your role in {caller.team} is {caller.role}. Ask an owner or admin to let you make videos."
        raise Forbidden(sentence, headers=BODY_UNREAD)
    return caller


async def _received(receive: Receive, kind: str, stack: ExitStack) -> tuple[Path, str]:
    """The file on disk and its digest. One that is too large is read to its end all the same, for a browser shows no
    answer that comes while it still sends; but it is not written."""
    loop = asyncio.get_running_loop()
    cap, size, digest = INPUTS[kind].most_mb << 20, 0, hashlib.sha256()
    try:
        folder = await loop.run_in_executor(_writers, stack.enter_context, storage.incoming())
        path = folder / "upload"
        file = stack.enter_context(path.open("wb"))
        pending = bytearray()

        def write(data: bytes) -> None:
            digest.update(data)
            file.write(data)
            file.flush()

        async for part in incoming(receive):
            size += len(part)
            if size > MOST_BYTES:
                raise TooLarge(f"The file is larger than {INPUTS[kind].most_mb} MB.", headers=BODY_UNREAD)
            if size <= cap:
                pending += part
            if len(pending) >= WRITTEN_AT_ONCE:
                await loop.run_in_executor(_writers, write, bytes(pending))
                pending.clear()
        await loop.run_in_executor(_writers, write, bytes(pending))
    except OSError as error:
        raise _no_room(error) from None
    if size > cap:
        uploads.refuse_too_large(kind)
    if not size:
        raise BadRequest("The file is empty. Choose another.")
    return path, digest.hexdigest()


def _no_room(error: OSError) -> Refusal:
    if error.errno in fetching.NO_ROOM:
        return Unavailable("Storage is full. Tell an admin, then send the file again.", headers=BODY_UNREAD)
    return Unavailable("The file could not be stored. Try again.", headers=BODY_UNREAD)


def _kept(caller: Caller, kind: str, name: str, path: Path, sha256: str) -> bytes:
    """On a thread of its own, with a connection of its own for as long as it takes."""
    try:
        return _fragment(upload=uploads.keep(caller, kind, path, name=name, sha256=sha256))
    except OSError as error:
        raise _no_room(error) from None
    finally:
        connection.close()


def _fragment(*, upload: Upload | None = None, refusal: Refusal | None = None) -> bytes:
    thumbnail = links.path(upload, links.THUMBNAIL) if upload and upload.thumbnail else ""
    address = uploads.SCHEME + upload.public_id if upload else ""
    roles = {role: ROLE_LABELS[role] for role in INPUTS[upload.kind].roles} if upload else {}
    context = {"upload": upload, "refusal": refusal, "thumbnail": thumbnail, "address": address, "roles": roles}
    return render_to_string("videos/_upload.html", context).encode()


async def _send_html(
    send: Send, status: int, content: bytes, request_id: str, headers: dict[str, str] | None = None
) -> None:
    sent = {
        "content-type": "text/html; charset=utf-8",
        "content-length": str(len(content)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-request-id": request_id,
        **(headers or {}),
    }
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})


ROUTES = [StreamingRoute(re.compile(r"/videos/uploads/"), "signed in: member", upload)]
