"""Paper, brush and ink: shapes drawn smoothly on a sheet that becomes one layer of a scene. Knows nothing of places."""

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from upstream.embedded.storyboard.palettes import Palette, between
from upstream.embedded.storyboard.picture import Colour, Layer, Mask, Picture

SMOOTH = 2  # drawn at twice the size and scaled down, as Pillow's shapes have hard edges
FINE_UNIT = 1500  # of so many pixels they are not seen, and twice the size would take 800 MB
SIDE = 0.3  # of the frame's width, painted beyond either edge for the camera to move over
type Points = list[tuple[float, float]]


@dataclass(slots=True)
class Painter:
    """Paints at frame coordinates in pixels, wherever in the scene the sheet lies."""

    size: tuple[int, int]
    palette: Palette
    rng: random.Random

    @property
    def unit(self) -> float:
        """The smaller of width and height, so that upright frames are not overwhelmed."""
        return float(min(self.size))

    def sheet(self, left: float, top: float, right: float, bottom: float) -> "Sheet":
        box = [math.floor(left / 2) * 2, math.floor(top / 2) * 2, math.ceil(right / 2) * 2, math.ceil(bottom / 2) * 2]
        return Sheet(self, box[0], box[1], box[2] - box[0], box[3] - box[1])

    def wide_sheet(self, top: float) -> "Sheet":
        """From beyond the left edge to beyond the right one, and from `top` to below the frame."""
        width, height = self.size
        return self.sheet(-SIDE * width, top, (1 + SIDE) * width, height * 1.25)

    def ground(self, depth: float) -> Colour:
        return between(self.palette.far, self.palette.near, depth**0.8)

    def ink(self, colour: Colour) -> Colour:
        return between(colour, self.palette.ink, 0.55)


class Sheet:
    """Paper for one layer: shapes go on its art and on its mask at once."""

    def __init__(self, painter: Painter, left: int, top: int, width: int, height: int) -> None:
        self.painter = painter
        self._smooth = 1 if painter.unit > FINE_UNIT else SMOOTH
        self.left, self.top = left, top
        self.solid_top = math.inf
        size = (width * self._smooth, height * self._smooth)
        self._art = Image.new("RGB", size, painter.ground(0.5))
        self._mask = Image.new("L", size, 0)
        self._on_art, self._on_mask = ImageDraw.Draw(self._art), ImageDraw.Draw(self._mask)

    @property
    def right(self) -> float:
        return self.left + self._art.width / self._smooth

    @property
    def bottom(self) -> float:
        return self.top + self._art.height / self._smooth

    def _here(self, points: Points) -> Points:
        return [((x - self.left) * self._smooth, (y - self.top) * self._smooth) for x, y in points]

    def shape(self, points: Points, colour: Colour, *, opacity: int = 255) -> None:
        self._on_art.polygon(self._here(points), fill=colour)
        self._on_mask.polygon(self._here(points), fill=opacity)

    def stroke(self, points: Points, colour: Colour, width: float) -> None:
        thick = max(self._smooth, round(width * self._smooth))
        self._on_art.line(self._here(points), fill=colour, width=thick, joint="curve")
        self._on_mask.line(self._here(points), fill=255, width=thick, joint="curve")

    def disc(self, x: float, y: float, radius: float, colour: Colour, *, opacity: int = 255) -> None:
        (left, top), (right, bottom) = self._here([(x - radius, y - radius), (x + radius, y + radius)])
        self._on_art.ellipse((left, top, right, bottom), fill=colour)
        self._on_mask.ellipse((left, top, right, bottom), fill=opacity)

    def wash(self, top: Colour, bottom: Colour, *, over: float) -> None:
        """Change the colour of the paper downwards, over so many pixels. First of all: it covers what is drawn."""
        column = Image.new("RGB", (1, 256))
        for row in range(256):
            column.putpixel((0, row), between(top, bottom, row / 255))
        height = max(2, round(over * self._smooth))
        self._art.paste(bottom, (0, 0, *self._art.size))
        self._art.paste(column.resize((self._art.width, height), Image.Resampling.BILINEAR), (0, 0))

    def reveal(self, points: Points) -> None:
        """Show the washed paper inside this outline."""
        self._on_mask.polygon(self._here(points), fill=255)

    def layer(self, depth: float) -> Layer:
        art, mask = self._art.reduce(self._smooth), self._mask.reduce(self._smooth)
        return Layer(Picture.from_rgb(art), Mask.of(mask), self.left, self.top, depth, self.solid_top)

    def reveal_below(self, line: Points) -> None:
        """Show the washed paper from this line down, as far as there is paper."""
        self.reveal([*line, (self.right, self.bottom + 8), (self.left, self.bottom + 8)])
        self.solid_top = max(y for _, y in line) + 2
