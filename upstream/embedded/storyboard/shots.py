"""The three kinds of clip, as frames: a painted scene, a move over pictures, a video timed anew."""

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import av
from PIL import Image, ImageDraw, ImageOps

from upstream.embedded.storyboard import palettes, scenery
from upstream.embedded.storyboard.camera import Move
from upstream.embedded.storyboard.paper import Painter
from upstream.embedded.storyboard.picture import Picture, covering, draw_scene, ycc
from upstream.embedded.storyboard.prompt import Asked

SPARE = 1.16  # of a picture's size, for the camera to move over
DISSOLVE = 0.3  # of the time that one picture has
GRADE = 0.22  # how far a video's colours are drawn to the scene's
FALLING = 150  # flakes, drops or sparks


def painted(asked: Asked, move: Move, size: tuple[int, int], frames: int, rng: random.Random) -> Iterator[Picture]:
    time = "sand" if (asked.time, asked.place) == ("day", "dunes") else asked.time
    palette = palettes.choose(time, rng)
    scene = scenery.paint(asked.place, time, asked.weather, asked.subject, Painter(size, palette, rng))
    weather = _Weather(asked.weather, size, rng)
    for index in range(frames):
        share = index / max(1, frames - 1)
        picture = scene.sky.copy()
        draw_scene(picture, scene.layers, [move.at(share, layer.depth, size) for layer in scene.layers])
        weather.draw(picture, index)
        yield picture


def stills(files: Sequence[Path], move: Move, size: tuple[int, int], frames: int) -> Iterator[Picture]:
    """Over each picture in turn, dissolving from one to the next; the first and the last frame are theirs alone."""
    pictures = [_loaded(file, size) for file in files]
    count = len(pictures)
    for index in range(frames):
        share = index / max(1, frames - 1)
        placed = move.at(share, 0.6, size)
        at = share * count
        number = min(int(at), count - 1)
        shown = pictures[number].seen_at(placed, size)
        # Half of a dissolve lies on either side of the change.
        into = (at - round(at)) / DISSOLVE + 0.5
        if 0 < into < 1 and 0 < round(at) < count:
            others = pictures[round(at) - 1].seen_at(placed, size), pictures[round(at)].seen_at(placed, size)
            shown = others[0].blended(others[1], into)
        yield shown


def footage(
    files: Sequence[Path], asked: Asked, size: tuple[int, int], frames: int, rng: random.Random
) -> Iterator[Picture]:
    """The videos one after the other, slowed or sped up to fill the clip, in the colours of the scene asked for."""
    tables = _grade(palettes.choose(asked.time, rng))
    lengths = [seconds(file) for file in files]
    with ExitStack() as opened:
        source = _decoded(files, lengths, opened)
        time, shown = next(source)
        following = next(source, None)
        for index in range(frames):
            wanted = index / frames * sum(lengths)
            while following and following[0] <= wanted:
                time, shown = following
                following = next(source, None)
            fitted = covering((shown.width, shown.height), size)
            left, top = (fitted[0] - size[0]) // 4 * 2, (fitted[1] - size[1]) // 4 * 2
            picture = Picture.from_frame(shown, fitted).cropped((left, top, left + size[0], top + size[1]))
            yield Picture([plane.point(table) for plane, table in zip(picture.planes, tables, strict=True)])


def seconds(file: Path) -> float:
    with av.open(str(file)) as container:
        if container.duration is None:
            raise ValueError("its length is unknown")
        return container.duration / av.time_base


def _decoded(
    files: Sequence[Path], lengths: Sequence[float], opened: ExitStack
) -> Iterator[tuple[float, av.VideoFrame]]:
    """Each frame with its time from the beginning of the first file."""
    begin = 0.0
    for file, length in zip(files, lengths, strict=True):
        container = opened.enter_context(av.open(str(file)))
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            yield begin + (frame.time or 0.0), frame
        begin += length


def _grade(palette: palettes.Palette) -> list[list[int]]:
    _, blue, red = ycc(palettes.between(palette.sky[1], palette.far, 0.5))
    keep = list(range(256))
    return [
        keep,
        *([round(v + (target - 128) * GRADE + (128 - v) * GRADE * 0.5) for v in keep] for target in (blue, red)),
    ]


def _loaded(file: Path, size: tuple[int, int]) -> Picture:
    with Image.open(file) as image:
        turned = ImageOps.exif_transpose(image).convert("RGB")
    wanted = covering(turned.size, size, SPARE)
    return Picture.from_rgb(turned.resize(wanted, Image.Resampling.LANCZOS, reducing_gap=2.0))


class _Weather:
    """Snow, rain or sparks before everything else; they fall the same way in every take of the same seed."""

    def __init__(self, kind: str, size: tuple[int, int], rng: random.Random) -> None:
        self._kind, self._size = kind, size
        self._falling = [(rng.random(), rng.random(), rng.uniform(0.35, 1.0)) for _ in range(FALLING if kind else 0)]

    def draw(self, on: Picture, index: int) -> None:
        draw, (width, height), unit = ImageDraw.Draw(on.planes[0]), self._size, min(self._size)
        for x, y, near in self._falling:
            if self._kind == "rain":
                left, top = (x - index * 0.004) % 1 * width, (y + index * 0.045 * near) % 1 * height
                draw.line(
                    [(left, top), (left - unit * 0.006, top + unit * 0.04 * near)],
                    fill=150,
                    width=max(1, round(unit * 0.0016)),
                )
                continue
            rise = -0.0016 if self._kind == "dust" else 0.0042
            left, top = (x + index * 0.0011 * near) % 1 * width, (y + index * rise * near) % 1 * height
            radius = unit * 0.0042 * near * near
            draw.ellipse((left - radius, top - radius, left + radius, top + radius), fill=round(150 + 85 * near))
