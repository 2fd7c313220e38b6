"""What is written over every frame: that it is a storyboard, the shot's words, the camera's move, the time."""

import math
from dataclasses import dataclass

from PIL import Image, ImageDraw

from upstream.embedded.storyboard import lettering
from upstream.embedded.storyboard.camera import Move
from upstream.embedded.storyboard.picture import BLACK, WHITE, Mask, Picture
from upstream.frame_sizes import FRAMES_PER_SECOND

LABEL = "STORYBOARD"
LABEL_REST = "not a generated video"
UNTITLED = "Untitled shot"  # also where no font of this machine can set the prompt
FADE_FRAMES = 6
READ_IN_S = 2.0  # no line of the shot stays for less


@dataclass(frozen=True, slots=True)
class _Mark:
    mask: Mask
    at: tuple[int, int]


class Slate:
    """Drawn once, laid over each frame. All measures follow the smaller side of the frame."""

    def __init__(
        self, size: tuple[int, int], *, title: str, lines: tuple[str, ...], move: Move, frames: int, corner: str
    ) -> None:
        self._size, self._frames = size, frames
        self._unit = min(size)
        self._margin = round(self._unit * 0.05)
        self._foot = round(self._unit * 0.062)
        self._light, self._dark = Image.new("L", size, 0), Image.new("L", size, 0)
        self._bar = max(2, round(self._unit * 0.004) * 2)
        self._clock = lettering.font(self._points(0.0235), weight=500, is_mono=True)
        beats = _joined(list(lines) or [""], max(1, int(frames / FRAMES_PER_SECOND / READ_IN_S)))
        self._corner_width = self._corner(corner)
        self._lower_third(title, beats, move)
        self._pill(self._margin, [(LABEL, 600), (LABEL_REST, 400)])
        self._clock_left = self._clock_pill()
        self._viewfinder()
        top, bottom = _even(self._margin * 2 + self._unit * 0.06), _even(size[1] - self._scrim)
        self._strips = [
            (Mask.of(self._dark.crop(box)), Mask.of(self._light.crop(box)), (0, box[1]))
            for box in ((0, 0, size[0], top), (0, bottom, size[0], size[1]))
        ]

    def draw(self, on: Picture, index: int) -> None:
        for dark, light, at in self._strips:
            on.tint(BLACK, dark, at)
            on.tint(WHITE, light, at)
        self._draw_beat(on, index)
        clock = lettering.mask(_timecode(index), self._clock)
        on.tint(WHITE, Mask.of(_evened(clock)), (self._clock_left, self._text_top))
        filled = _even(self._size[0] * (index + 1) / self._frames)
        if filled:
            on.tint(WHITE, Mask.of(Image.new("L", (filled, self._bar), 235)), (0, self._size[1] - self._bar))

    def _points(self, share: float) -> int:
        return max(11, round(self._unit * share))

    def _lower_third(self, title: str, beats: list[str], move: Move) -> None:
        width, height = self._size
        room = min(width - 3 * self._margin - self._corner_width, self._unit * 1.25)
        face, text = lettering.font_for(title, self._points(0.056), weight=600)
        titles = lettering.wrapped(text or UNTITLED, face, room, 2)
        beat_points = self._points(0.0295)
        sets = []
        for beat in beats:
            beat_face, beat_text = lettering.font_for(beat, beat_points, weight=400)
            sets.append((beat_face, lettering.wrapped(beat_text, beat_face, room, 3)))
        line, leading = round(self._unit * 0.066), round(beat_points * 1.42)
        most = max(len(lines) for _, lines in sets)
        y = height - self._foot - most * leading - len(titles) * line
        self._scrim = min(height, round(height - y + self._unit * 0.22))
        self._shade(self._scrim)
        self._move(move, y - round(self._unit * 0.052))
        for text in titles:
            self._light.paste(255, (self._margin, y), lettering.mask(text, face))
            y += line
        y += round(self._unit * 0.006)
        self._beats = [self._block(lines, beat_face, leading, y) for beat_face, lines in sets]

    def _block(self, lines: list[str], face: object, leading: int, top: int) -> _Mark:
        top = _even(top)
        block = Image.new("L", (self._size[0] - self._margin, max(2, _even(len(lines) * leading + leading))), 0)
        for number, line in enumerate(lines):
            block.paste(222, (0, number * leading), lettering.mask(line, face))  # type: ignore[arg-type]
        block = block.crop((0, 0, block.width, min(block.height, self._size[1] - top)))
        return _Mark(Mask.of(_evened(block)), (_even(self._margin), top))

    def _draw_beat(self, on: Picture, index: int) -> None:
        each = self._frames / len(self._beats)
        number = min(int(index / each), len(self._beats) - 1)
        into = index - number * each
        share = min(1.0, (into + 1) / FADE_FRAMES) if number else 1.0
        beat = self._beats[number]
        on.tint(WHITE, beat.mask if share >= 1 else beat.mask.faded(share), beat.at)

    def _shade(self, height: int) -> None:
        column = Image.new("L", (1, height))
        for row in range(height):
            share = row / height
            column.putpixel((0, row), round(176 * share * share * (3 - 2 * share)))
        self._dark.paste(column.resize((self._size[0], height)), (0, self._size[1] - height))
        track = (0, self._size[1] - self._bar, self._size[0], self._size[1])
        self._light.paste(70, track)

    def _move(self, move: Move, top: int) -> None:
        face = lettering.font(self._points(0.0235), weight=500)
        side = round(self._unit * 0.032)
        sign = _sign(move, side)
        self._light.paste(255, (self._margin, top), sign)
        label = lettering.mask(move.name, face)
        self._light.paste(235, (self._margin + round(side * 1.4), top + (side - label.height) // 2), label)

    def _pill(self, left: int, words: list[tuple[str, int]]) -> None:
        points = self._points(0.0225)
        faces = [(text, lettering.font(points, weight=weight)) for text, weight in words]
        gap, padding, height = round(points * 0.55), round(points * 0.75), self._pill_height()
        wide = sum(face.getlength(text) for text, face in faces) + gap * (len(faces) - 1) + 2 * padding
        draw = ImageDraw.Draw(self._dark)
        draw.rounded_rectangle((left, self._margin, left + wide, self._margin + height), height * 0.28, fill=172)
        x = left + padding
        for text, face in faces:
            image = lettering.mask(text, face)
            self._light.paste(255, (x, self._margin + (height - image.height) // 2), image)
            x += round(face.getlength(text)) + gap

    def _pill_height(self) -> int:
        return round(self._points(0.0225) * 2.0)

    def _clock_pill(self) -> int:
        """Where its digits begin."""
        wide, padding, height = (
            self._clock.getlength(_timecode(0)),
            round(self._points(0.0225) * 0.7),
            self._pill_height(),
        )
        left = self._size[0] - self._margin - wide - 2 * padding
        box = (left, self._margin, self._size[0] - self._margin, self._margin + height)
        ImageDraw.Draw(self._dark).rounded_rectangle(box, height * 0.28, fill=172)
        self._text_top = _even(self._margin + (height - sum(self._clock.getmetrics())) / 2)
        return _even(left + padding)

    def _corner(self, text: str) -> int:
        face = lettering.font(self._points(0.0235), weight=500)
        image = lettering.mask(text, face)
        at = (self._size[0] - self._margin - image.width, self._size[1] - self._foot - image.height)
        self._light.paste(190, at, image)
        return image.width

    def _viewfinder(self) -> None:
        draw, inset, arm = ImageDraw.Draw(self._light), round(self._margin * 0.5), round(self._unit * 0.03)
        width, height = self._size[0] - 1, self._size[1] - 1 - self._bar
        thick = max(1, round(self._unit * 0.0024))
        for x, turn in ((inset, 1), (width - inset, -1)):
            for y, down in ((inset, 1), (height - inset, -1)):
                draw.line([(x + turn * arm, y), (x, y), (x, y + down * arm)], fill=170, width=thick)


def _sign(move: Move, side: int) -> Image.Image:
    """An arrow along the move; brackets closing in or opening for moves in depth; a square for none."""
    scale = 4
    full = side * scale
    image = Image.new("L", (full, full), 0)
    draw, thick, middle = ImageDraw.Draw(image), max(2, round(full * 0.09)), full / 2
    reach = full * 0.4
    if move.arrow != (0.0, 0.0):
        across, down = move.arrow
        tip, tail = (middle + across * reach, middle + down * reach), (middle - across * reach, middle - down * reach)
        draw.line([tail, tip], fill=255, width=thick)
        for side_ in (-1, 1):
            wing = (tip[0] - (across + side_ * down) * reach * 0.62, tip[1] - (down - side_ * across) * reach * 0.62)
            draw.line([wing, tip], fill=255, width=thick)
    elif move.zoom == 1 and move.dolly == 0:
        draw.rectangle(
            (middle - reach, middle - reach * 0.7, middle + reach, middle + reach * 0.7), outline=255, width=thick
        )
    else:
        outer, inner = (reach, reach * 0.45)
        for x in (-1, 1):
            for y in (-1, 1):
                far, near = (
                    (middle + x * outer, middle + y * outer),
                    (middle + x * inner * 0.6, middle + y * inner * 0.6),
                )
                tip, tail = (far, near) if move.begins_close else (near, far)
                draw.line([tail, tip], fill=255, width=thick)
                for wing in (
                    (math.copysign(reach * 0.42, tail[0] - tip[0]), 0),
                    (0, math.copysign(reach * 0.42, tail[1] - tip[1])),
                ):
                    draw.line([(tip[0] + wing[0], tip[1] + wing[1]), tip], fill=255, width=thick)
    return image.resize((side, side), Image.Resampling.LANCZOS)


def _joined(lines: list[str], most: int) -> list[str]:
    """No more lines than there is time to read, each about as many sentences."""
    if len(lines) <= most:
        return lines
    each = math.ceil(len(lines) / most)
    return [" ".join(lines[start : start + each]) for start in range(0, len(lines), each)]


def _timecode(index: int) -> str:
    seconds, frame = divmod(index, FRAMES_PER_SECOND)
    return f"{seconds // 60:02}:{seconds % 60:02}:{frame:02}"


def _evened(image: Image.Image) -> Image.Image:
    width, height = image.width + image.width % 2, image.height + image.height % 2
    return image if (width, height) == image.size else image.crop((0, 0, width, height))


def _even(value: float) -> int:
    return int(value) // 2 * 2
