"""What a file is, by its own first bytes: never by its name, nor by what its sender calls it. Knows no pixels."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LOOKED_AT_BYTES = 64


@dataclass(frozen=True, slots=True)
class FileType:
    """`format` is the word of it in the table of modes.py."""

    kind: str
    format: str
    content_type: str


_MP4 = FileType("video", "mp4", "video/mp4")
_MP3 = FileType("audio", "mp3", "audio/mpeg")
_TIFF = FileType("image", "tiff", "image/tiff")
_SIGNS = (
    (0, b"\xff\xd8\xff", FileType("image", "jpeg", "image/jpeg")),
    (0, b"\x89PNG\r\n\x1a\n", FileType("image", "png", "image/png")),
    (0, b"GIF87a", FileType("image", "gif", "image/gif")),
    (0, b"GIF89a", FileType("image", "gif", "image/gif")),
    (0, b"II*\0", _TIFF),
    (0, b"MM\0*", _TIFF),
    (0, b"ID3", _MP3),
)
# What the file says it is compatible with first.
_BRANDS = {
    b"qt  ": FileType("video", "mov", "video/quicktime"),
    b"heic": FileType("image", "heic", "image/heic"),
    b"heix": FileType("image", "heic", "image/heic"),
    b"mif1": FileType("image", "heif", "image/heif"),
    **dict.fromkeys(
        (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"hvc1", b"dash", b"M4V ", b"mmp4"),
        _MP4,
    ),
}


def sniff(begins: bytes) -> FileType | None:
    """None for what is not one of the kinds of file that may be a reference or a clip."""
    for at, sign, found in _SIGNS:
        if begins[at : at + len(sign)] == sign:
            return found
    if begins[4:8] == b"ftyp":
        return _BRANDS.get(begins[8:12])
    if begins[:4] == b"RIFF":
        return {
            b"WEBP": FileType("image", "webp", "image/webp"),
            b"WAVE": FileType("audio", "wav", "audio/wav"),
        }.get(begins[8:12])
    # Two bytes alone are letters too: the size of the file, or a frame's settings, must fit as well.
    if begins[:2] == b"BM" and begins[6:10] == b"\0\0\0\0":
        return FileType("image", "bmp", "image/bmp")
    if len(begins) > 2 and begins[0] == 0xFF and begins[1] & 0xE6 == 0xE2 and begins[2] & 0xF0 not in (0, 0xF0):
        return _MP3
    return None


def sniff_file(path: Path) -> FileType | None:
    with path.open("rb") as file:
        return sniff(file.read(LOOKED_AT_BYTES))


def is_whole_mp4(path: Path) -> bool:
    """Whether the boxes of an MP4 fill it exactly, with an index among them. One that was cut short ends in a box."""
    size, at, found = path.stat().st_size, 0, set()
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            length, name = _box(file, size - at)
            if length < 8 or at + length > size:
                return False
            found.add(name)
            at += length
    return {b"ftyp", b"moov"} <= found


def _box(file: BinaryIO, rest: int) -> tuple[int, bytes]:
    head = file.read(16)
    length, name = int.from_bytes(head[:4]), head[4:8]
    if length == 1:
        return int.from_bytes(head[8:16]), name
    return (rest if length == 0 else length), name
