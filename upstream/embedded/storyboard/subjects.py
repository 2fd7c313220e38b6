"""Who or what a prompt is about, as one silhouette in the scene: a walker, a boat, a cup.

Each is drawn in its own measure, x to the right and y up from where it stands; its size is a share of the frame.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from upstream.embedded.storyboard.palettes import between
from upstream.embedded.storyboard.paper import Painter, Points
from upstream.embedded.storyboard.picture import Colour, Layer


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where a subject may stand: across the frame, down from the horizon, how large and how deep in the scene."""

    across: tuple[float, ...]
    below_horizon: float
    size: float
    depth: float


class _Pen:
    def __init__(self, painter: Painter, stand: _Stand, horizon: float) -> None:
        width, height = painter.size
        self.palette, self.rng = painter.palette, painter.rng
        self._unit = painter.unit * stand.size
        self._x, self._y = width * self.rng.choice(stand.across), horizon + height * stand.below_horizon
        reach = self._unit * 1.2
        self.sheet = painter.sheet(self._x - reach, self._y - reach * 1.1, self._x + reach, self._y + reach)
        self.dark = between(self.palette.near, self.palette.ink, 0.6)
        self.rim = between(self.dark, self.palette.light, 0.5)
        self.pale = between(self.palette.light, self.palette.far, 0.12)

    def _placed(self, points: Points) -> Points:
        return [(self._x + x * self._unit, self._y - y * self._unit) for x, y in points]

    def fill(self, points: Points, colour: Colour) -> None:
        self.sheet.shape(self._placed(points), colour)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        self.sheet.stroke(self._placed(points), colour, width * self._unit)

    def outlined(self, points: Points, colour: Colour, width: float) -> None:
        self.fill(points, colour)
        self.line([*points, points[0]], self.palette.ink, width)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        ((left, top),) = self._placed([(x, y)])
        self.sheet.disc(left, top, radius * self._unit, colour)


def stand(subject: str, painter: Painter, horizon: float) -> list[Layer]:
    """The subject as a layer of its own, or nothing if the prompt has none that can be drawn."""
    if subject not in _SUBJECTS:
        return []
    place, draw = _SUBJECTS[subject]
    pen = _Pen(painter, place, horizon)
    draw(pen)
    return [pen.sheet.layer(place.depth)]


def _arc(x: float, y: float, across: float, up: float, begin: int = 0, end: int = 360) -> Points:
    angles = (math.radians(degrees) for degrees in range(begin, end + 1, 4))
    return [(x + across * math.cos(angle), y + up * math.sin(angle)) for angle in angles]


def _figure(pen: _Pen) -> None:
    coat = [(-0.15, 0.78), (0.15, 0.78), (0.2, 0.3), (0.1, 0.0), (0.02, 0.0), (0.0, 0.34), (-0.03, 0.0), (-0.11, 0.0)]
    pen.fill([*coat, (-0.2, 0.3)], pen.dark)
    pen.disc(0, 0.9, 0.095, pen.dark)
    pen.line([(0.15, 0.77), (0.2, 0.3)], pen.rim, 0.018)


def _bust(pen: _Pen) -> None:
    shoulders = [
        (0.5 * math.sin(a), 0.46 * math.sqrt(max(math.cos(a), 0.0))) for a in map(math.radians, range(-90, 91, 3))
    ]
    head = [(x * (1.0 if y > 0.76 else 1 - 0.6 * (0.76 - y)), y) for x, y in _arc(0, 0.76, 0.155, 0.21)]
    pen.fill([*shoulders, (0.5, -0.2), (-0.5, -0.2)], pen.dark)
    pen.fill([(-0.08, 0.66), (0.08, 0.66), (0.1, 0.4), (-0.1, 0.4)], pen.dark)
    pen.fill(head, pen.dark)
    pen.line(head[74:] + head[:14], pen.rim, 0.01)
    pen.line(shoulders[40:52], pen.rim, 0.01)


def _boat(pen: _Pen) -> None:
    pen.outlined([(0.0, 1.15), (0.5, 0.16), (0.0, 0.16)], pen.pale, 0.012)
    pen.outlined([(-0.05, 0.95), (-0.05, 0.16), (-0.36, 0.16)], pen.pale, 0.012)
    pen.fill([(-0.55, 0.1), (0.62, 0.1), (0.42, -0.1), (-0.4, -0.1)], pen.dark)


def _car(pen: _Pen) -> None:
    roof = [(-0.34, 0.15), (-0.2, 0.29), (0.12, 0.29), (0.27, 0.15), (0.47, 0.11)]
    glass = between(pen.dark, pen.palette.light, 0.55)
    pen.fill([(-0.5, 0.0), (-0.5, 0.12), *roof, (0.5, 0.0)], pen.dark)
    pen.fill([(-0.26, 0.15), (-0.17, 0.25), (-0.03, 0.25), (-0.03, 0.15)], glass)
    pen.fill([(0.0, 0.15), (0.0, 0.25), (0.1, 0.25), (0.19, 0.15)], glass)
    for wheel in (-0.3, 0.31):
        pen.disc(wheel, 0, 0.085, pen.palette.ink)
        pen.disc(wheel, 0, 0.04, pen.rim)


def _balloon(pen: _Pen) -> None:
    ink, stripe = pen.palette.ink, between(pen.palette.near, pen.palette.light, 0.2)
    skin = [(x, y if y > 0.5 else 0.5 + (y - 0.5) * 1.4) for x, y in _arc(0, 0.5, 0.34, 0.36)]
    pen.fill(skin, stripe)
    pen.fill([(x * 0.7, y) for x, y in skin], pen.pale)
    pen.fill([(x * 0.3, y) for x, y in skin], stripe)
    pen.line([*skin, skin[0]], ink, 0.01)
    for side in (-1, 1):
        pen.line([(side * 0.05, 0.02), (side * 0.04, -0.06)], ink, 0.008)
    pen.fill([(-0.05, -0.06), (0.05, -0.06), (0.04, -0.14), (-0.04, -0.14)], ink)


def _tent(pen: _Pen) -> None:
    pen.fill([(0, 0.5), (0.45, 0), (-0.45, 0)], between(pen.palette.light, (240, 150, 70), 0.5))
    pen.fill([(0, 0.5), (0.1, 0), (-0.1, 0)], pen.dark)
    pen.line([(-0.48, 0), (0, 0.52), (0.48, 0)], pen.palette.ink, 0.016)


def _bottle(pen: _Pen) -> None:
    pen.fill(_arc(0, 0, 0.26, 0.03), between(pen.palette.near, pen.palette.ink, 0.3))
    pen.fill([(-0.17, 0), (-0.17, 0.6), (-0.06, 0.72), (0.06, 0.72), (0.17, 0.6), (0.17, 0)], pen.dark)
    pen.fill([(-0.07, 0.74), (-0.07, 0.9), (0.07, 0.9), (0.07, 0.74)], pen.palette.ink)
    pen.fill([(-0.11, 0.14), (-0.11, 0.42), (0.11, 0.42), (0.11, 0.14)], pen.pale)
    pen.line([(-0.14, 0.06), (-0.14, 0.56)], pen.rim, 0.012)


def _cup(pen: _Pen) -> None:
    handle = _arc(0.42, 0.3, 0.14, 0.14, -92, 92)
    pen.line(handle, pen.palette.ink, 0.05)
    pen.line(handle, pen.pale, 0.034)
    pen.outlined(_arc(0, 0, 0.62, 0.08), pen.pale, 0.008)
    pen.outlined(_arc(0, 0.5, 0.42, 0.48, 180, 360), pen.pale, 0.008)
    pen.outlined(_arc(0, 0.5, 0.42, 0.09), between(pen.palette.near, (120, 72, 40), 0.5), 0.008)


def _birds(pen: _Pen) -> None:
    for _ in range(9):
        x, y, span = pen.rng.uniform(-0.8, 0.8), pen.rng.uniform(-0.45, 0.45), pen.rng.uniform(0.04, 0.09)
        wings = ((-1, 0.4), (-0.4, 0.5), (0, 0), (0.4, 0.5), (1, 0.4))
        pen.line([(x + across * span, y + up * span) for across, up in wings], pen.palette.ink, 0.01)


_SUBJECTS: dict[str, tuple[_Stand, Callable[[_Pen], None]]] = {
    "figure": (_Stand((0.4, 0.5, 0.58), 0.23, 0.2, 0.7), _figure),
    "bust": (_Stand((0.44, 0.5, 0.6), 0.6, 0.85, 0.85), _bust),
    "boat": (_Stand((0.4, 0.55), 0.12, 0.2, 0.5), _boat),
    "car": (_Stand((0.42, 0.55), 0.25, 0.36, 0.72), _car),
    "balloon": (_Stand((0.36, 0.5), -0.24, 0.26, 0.35), _balloon),
    "tent": (_Stand((0.4, 0.6), 0.2, 0.2, 0.66), _tent),
    "bottle": (_Stand((0.5,), 0.2, 0.46, 0.6), _bottle),
    "cup": (_Stand((0.5,), 0.22, 0.36, 0.62), _cup),
    "birds": (_Stand((0.3, 0.4), -0.34, 0.3, 0.45), _birds),
}
