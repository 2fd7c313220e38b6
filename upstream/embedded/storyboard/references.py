"""Reference files: fetching them by the egress guard's leave, and seeing whether they are what they should be."""

import asyncio
from pathlib import Path

import aiohttp
import yarl

from upstream import egress
from upstream.embedded.storyboard.order import LARGEST_BYTES, Invalid

MOST_REDIRECTS = 3
FETCHED_WITHIN_S = 60
CHUNK_BYTES = 256 << 10
_SIGNS = {
    "image": (
        (0, b"\xff\xd8\xff"),
        (0, b"\x89PNG"),
        (8, b"WEBP"),
        (0, b"BM"),
        (0, b"II*\0"),
        (0, b"MM\0*"),
        (0, b"GIF8"),
        (4, b"ftyp"),
    ),
    "video": ((4, b"ftyp"),),
    "audio": ((8, b"WAVE"), (0, b"ID3"), (0, b"\xff\xfb"), (0, b"\xff\xf3"), (0, b"\xff\xf2"), (0, b"\xff\xfa")),
}  # fmt: skip
_NAMES = {
    "image": "a JPEG, PNG, WebP, BMP, TIFF, GIF or HEIC picture",
    "video": "an MP4 or MOV video",
    "audio": "a WAV or MP3 recording",
}


def check_kind(kind: str, begins: bytes) -> None:
    """Raises Invalid unless the first bytes are those of a file of this kind, whatever it is called."""
    if not any(begins[at : at + len(sign)] == sign for at, sign in _SIGNS[kind]):
        raise Invalid(f"The {kind} reference is not {_NAMES[kind]}.", f"{kind}_url")


async def fetch(kind: str, url: str, file: Path) -> None:
    """The file behind an address that may be called. Raises Invalid with a sentence that names no address."""
    connector = aiohttp.TCPConnector(socket_factory=egress.guarded_socket, force_close=True)
    try:
        async with (
            asyncio.timeout(FETCHED_WITHIN_S),
            aiohttp.ClientSession(connector=connector, trust_env=False) as session,
        ):
            await _download(session, kind, yarl.URL(url), file)
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, egress.Blocked):
            raise Invalid(
                f"The {kind} reference is at a private address, called only if EMMA18_EGRESS_ALLOW lists it.",
                f"{kind}_url",
            ) from None
        raise _unreachable(kind) from None
    except TimeoutError:
        raise Invalid(f"The {kind} reference was not there within {FETCHED_WITHIN_S} s.", f"{kind}_url") from None
    except (aiohttp.ClientError, OSError, ValueError):
        raise _unreachable(kind) from None


async def _download(session: aiohttp.ClientSession, kind: str, url: yarl.URL, file: Path) -> None:
    for _ in range(MOST_REDIRECTS + 1):
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status in (301, 302, 303, 307, 308) and "location" in answer.headers:
                url = url.join(yarl.URL(answer.headers["location"]))
                continue
            if answer.status != 200:
                raise Invalid(f"The {kind} reference answered with {answer.status}.", f"{kind}_url")
            await _save(answer, kind, file)
            return
    raise Invalid(f"The {kind} reference redirects too often.", f"{kind}_url")


async def _save(answer: aiohttp.ClientResponse, kind: str, file: Path) -> None:
    size = 0
    with file.open("wb") as copy:
        async for data in answer.content.iter_chunked(CHUNK_BYTES):
            if not size:
                check_kind(kind, data)
            size += len(data)
            if size > LARGEST_BYTES[kind]:
                raise Invalid(f"The {kind} reference is larger than {LARGEST_BYTES[kind] >> 20} MB.", f"{kind}_url")
            copy.write(data)
    if not size:
        raise Invalid(f"The {kind} reference is empty.", f"{kind}_url")


def _unreachable(kind: str) -> Invalid:
    return Invalid(f"The {kind} reference could not be fetched from its address.", f"{kind}_url")
