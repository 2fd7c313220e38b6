"""Looks at one media file in a process of its own: `python -m videos.looking video film.mp4 folder`.

Decoders of other people's files are where memory and time get lost, and worse. So they run here, niced, with bounded
memory, no Django, no database and no secret, and are killed when they take too long. Prints one JSON object with the
file's facts, and leaves pictures of it in the folder: see PICTURES.
"""

import json
import os
import re
import resource
import sys
from pathlib import Path
from typing import Any

MEMORY_BYTES = 3 << 30  # of addresses; 15 s of 4k take about 0.5 GB of real memory
NICENESS = 10
CPU_S = 300
TILES, TILES_A_ROW, TILE_PX = 20, 5, 320
POSTER_PX = 1280
MOST_PIXELS = 40_000_000  # of a picture: 6,000 x 6,000 is the largest that may be a reference
POSTER, SPRITE, LAST_FRAME = PICTURES = ("poster.jpg", "sprite.jpg", "last.png")


def main(kind: str, file: str, folder: str) -> None:
    os.nice(NICENESS)
    if sys.platform == "linux":  # elsewhere it is refused
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    look = {"clip": _clip, "video": _video, "image": _image, "audio": _audio}[kind]
    print(json.dumps(look(Path(file), Path(folder))))


def _clip(file: Path, folder: Path) -> dict[str, Any]:
    """A finished clip: its facts, and all its pictures."""
    facts = _video_facts(file)
    count = facts["frames"]
    tile_at = {count * tile // TILES: tile for tile in range(min(TILES, count))} if count else {}
    poster_at = count // 10
    tiles: dict[int, Any] = {}
    poster = last = None
    for number, frame in enumerate(_frames(file)):
        last = frame
        if number in tile_at:
            tiles[tile_at[number]] = _shrunk(frame.to_image(), TILE_PX)
        if number == poster_at:
            poster = frame.to_image()
        facts["frames"] = number + 1
    if poster is None or last is None:
        raise ValueError("no picture in it")
    _shrunk(poster, POSTER_PX).save(folder / POSTER, quality=85)
    last.to_image().save(folder / LAST_FRAME)
    facts["sprite_tiles"] = _sprite([tiles[index] for index in sorted(tiles)], folder / SPRITE)
    return facts


def _sprite(tiles: list[Any], file: Path) -> int:
    """All tiles on one sheet, row after row."""
    from PIL import Image

    width, height = tiles[0].size
    rows = -(-len(tiles) // TILES_A_ROW)
    sheet = Image.new("RGB", (width * min(len(tiles), TILES_A_ROW), height * rows))
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (index % TILES_A_ROW * width, index // TILES_A_ROW * height))
    sheet.save(file, quality=72)
    return len(tiles)


def _video(file: Path, folder: Path) -> dict[str, Any]:
    """A reference: its facts and a poster."""
    facts = _video_facts(file)
    _shrunk(next(iter(_frames(file))).to_image(), POSTER_PX // 2).save(folder / POSTER, quality=80)
    return facts


def _video_facts(file: Path) -> dict[str, Any]:
    import av

    with av.open(str(file)) as container:
        video = container.streams.video[0]
        seconds = _seconds(container, video)
        return {
            "width": video.width,
            "height": video.height,
            "duration_ms": round(seconds * 1000),
            "frames": sum(1 for packet in container.demux(video) if packet.size),
            "fps": float(video.average_rate or 0),
            "codec": video.codec_context.name,
            "has_audio": bool(container.streams.audio),
        }


def _frames(file: Path) -> Any:
    import av

    with av.open(str(file)) as container:
        video = container.streams.video[0]
        video.codec_context.thread_count = 2
        yield from container.decode(video)


def _seconds(container: Any, stream: Any) -> float:
    import av

    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float(container.duration or 0) / av.time_base


def _audio(file: Path, folder: Path) -> dict[str, Any]:
    import av

    with av.open(str(file)) as container:
        stream = container.streams.audio[0]
        # The head of an MP3 guesses, and that of a WAV may lie: what counts is what can be heard.
        samples = sum(frame.samples for frame in container.decode(stream))
        return {"duration_ms": round(1000 * samples / stream.rate)}


def _image(file: Path, folder: Path) -> dict[str, Any]:
    from PIL import Image

    if size := _heif_size(file):
        return {"width": size[0], "height": size[1]}
    with Image.open(file) as picture:
        width, height = picture.size
        if width * height <= MOST_PIXELS:
            picture.load()
            _shrunk(picture.convert("RGB"), POSTER_PX // 2).save(folder / POSTER, quality=80)
        return {"width": width, "height": height}


def _heif_size(file: Path) -> tuple[int, int] | None:
    """As its property boxes say, of which the largest is the picture's and others are of its tiles."""
    with file.open("rb") as begins:
        head = begins.read(256 << 10)
    if head[4:8] != b"ftyp":
        return None
    found = re.findall(rb"ispe.{4}(.{4})(.{4})", head, re.DOTALL)
    return max((int.from_bytes(width), int.from_bytes(height)) for width, height in found)


def _shrunk(picture: Any, most_px: int) -> Any:
    picture.thumbnail((most_px, most_px))
    return picture


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:  # whatever a decoder throws means the same: this cannot be looked at
        sys.exit(f"{type(error).__name__}")
