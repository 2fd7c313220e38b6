"""Paints the place a prompt names as a few layers of cut paper with inked edges, from the horizon to the near.

Everything random comes from the painter's generator.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageDraw

from upstream.embedded.storyboard import subjects
from upstream.embedded.storyboard.palettes import between
from upstream.embedded.storyboard.paper import SIDE, Painter, Points, Sheet
from upstream.embedded.storyboard.picture import Colour, Layer, Picture


@dataclass(frozen=True, slots=True)
class Scene:
    sky: Picture
    layers: list[Layer]


def paint(place: str, time: str, weather: str, subject: str, painter: Painter) -> Scene:
    horizon = painter.size[1] * (0.60 if place in ("sea", "room") else 0.56)
    layers = [*_lights(time, place, horizon, painter)]
    layers += _PLACES[place](painter, horizon, weather)
    layers += subjects.stand(subject, painter, horizon)
    return Scene(_sky(painter, place, time, horizon), layers)


def _sky(painter: Painter, place: str, time: str, horizon: float) -> Picture:
    width, height = painter.size
    top, low = painter.palette.sky
    column = Image.new("RGB", (1, 512))
    for row in range(512):
        share = min(1.0, row / 512 * height / horizon)
        column.putpixel((0, row), between(top, low, share**1.15))
    sky = column.resize((width, height), Image.Resampling.BICUBIC)
    if time in ("night", "space", "neon") and place != "room":
        _stars(sky, painter, horizon if place != "space" else height)
    return Picture.from_rgb(sky)


def _stars(sky: Image.Image, painter: Painter, lowest: float) -> None:
    draw, rng = ImageDraw.Draw(sky), painter.rng
    for _ in range(140):
        x, y = rng.uniform(0, sky.width), lowest * rng.random() ** 1.3
        radius = painter.unit * rng.choice((0.0009, 0.0012, 0.0022))
        under = sky.getpixel((min(int(x), sky.width - 1), min(int(y), sky.height - 1)))
        assert isinstance(under, tuple)
        colour = between((under[0], under[1], under[2]), painter.palette.light, rng.uniform(0.3, 0.9))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _lights(time: str, place: str, horizon: float, painter: Painter) -> list[Layer]:
    """Sun or moon with a soft halo."""
    if place == "room":
        return []
    if place == "space":
        return [_planet(painter)]
    width, unit, rng = painter.size[0], painter.unit, painter.rng
    x = width * rng.choice((0.3, 0.66, 0.72))
    low = time in ("sunrise", "sunset")
    y = horizon - unit * (rng.uniform(0.06, 0.12) if low else rng.uniform(0.28, 0.34))
    radius = unit * (0.085 if low else 0.05)
    halo = radius * 2.8
    sheet = painter.sheet(x - halo, y - halo, x + halo, y + halo)
    light = painter.palette.light
    if time not in ("neon",):
        sheet.wash(light, light, over=2)
        for ring in range(24, 0, -1):
            sheet.disc(x, y, radius * (1 + ring / 14), light, opacity=round(90 * (1 - ring / 25) ** 2))
    sheet.disc(x, y, radius, light)
    return [sheet.layer(0.03)]


def _planet(painter: Painter) -> Layer:
    width, height = painter.size
    radius, colours = painter.unit * 0.24, painter.palette
    x, y = width * painter.rng.uniform(0.55, 0.7), height * 0.4
    sheet = painter.sheet(x - radius * 2, y - radius * 1.4, x + radius * 2, y + radius * 1.4)
    sheet.disc(x, y, radius, painter.ground(0.35))
    for band in range(5):
        rise = radius * (-0.7 + band * 0.33)
        half = math.sqrt(max(radius**2 - rise**2, 0))
        colour = between(painter.ground(0.2), colours.light, 0.12 + 0.1 * (band % 2))
        sheet.stroke([(x - half * 0.96, y + rise), (x + half * 0.96, y + rise)], colour, radius * 0.06)
    ring = [(x + radius * 1.75 * math.cos(a), y + radius * 0.36 * math.sin(a) - radius * 0.3 * math.cos(a))
            for a in (math.radians(d) for d in range(-14, 196, 3))]  # fmt: skip
    sheet.stroke(ring, colours.light, radius * 0.03)
    return sheet.layer(0.12)


def _ridge(painter: Painter, base: float, height: float, roughness: float, peaks_apart: float) -> Points:
    """A jagged line by halving: each half is displaced by less."""
    left, right = _edges(painter)
    amount, rng = height, painter.rng
    pieces = max(2, round((right - left) / (peaks_apart * painter.unit / 2)))
    step = (right - left) / pieces
    points = [
        (
            left + (i + rng.uniform(-0.3, 0.3)) * step,
            base - height * (rng.uniform(0.5, 1.0) if i % 2 else rng.uniform(0.0, 0.3)),
        )
        for i in range(-1, pieces + 2)
    ]
    for _ in range(5):
        amount *= roughness
        finer: Points = []
        for (x1, y1), (x2, y2) in zip(points, points[1:], strict=False):
            finer += [(x1, y1), ((x1 + x2) / 2, (y1 + y2) / 2 + rng.uniform(-amount, amount) * 0.5)]
        points = [*finer, points[-1]]
    return points


def _land(painter: Painter, line: Points, depth: float, *, mist: float = 0.35) -> Sheet:
    """A sheet with everything below the line, paler towards the foot where the next one begins."""
    top = min(y for _, y in line)
    sheet = painter.wide_sheet(top - 4)
    colour = painter.ground(depth)
    foot = between(colour, painter.palette.sky[1], mist * (1 - depth))
    sheet.wash(colour, foot, over=painter.size[1] * 0.4)
    sheet.reveal_below(line)
    sheet.stroke(line, painter.ink(colour), painter.unit * 0.0028)
    return sheet


def _edges(painter: Painter) -> tuple[float, float]:
    width = painter.size[0]
    return -SIDE * width - 4, (1 + SIDE) * width + 4


def _mountains(painter: Painter, horizon: float, weather: str) -> list[Layer]:
    layers = []
    rises = ((0.03, 0.40, 0.92, 0.13), (0.13, 0.30, 0.8, 0.38), (0.26, 0.15, 1.0, 0.74))
    for drop, height, apart, depth in rises:
        base, tall = horizon + drop * painter.size[1], height * painter.unit
        line = _ridge(painter, base, tall, 0.44, apart)
        sheet = _land(painter, line, depth)
        if depth < 0.7:
            _facets(sheet, painter, line, base - tall * 0.3, depth, is_snowy=weather == "snow" or depth < 0.3)
        layers.append(sheet.layer(depth))
    return layers


def _facets(sheet: Sheet, painter: Painter, line: Points, floor: float, depth: float, *, is_snowy: bool) -> None:
    """The lit side of each peak, with a torn lower edge."""
    base = painter.ground(depth)
    lit = between(base, painter.palette.light, 0.62 if is_snowy else 0.16)
    peaks = [i for i in range(8, len(line) - 8) if line[i][1] == min(y for _, y in line[i - 8 : i + 9])]
    for peak in peaks:
        x, y = line[peak]
        if y > floor:
            continue
        rise, rng = floor - y, painter.rng
        near = [point for point in line[peak : peak + 14] if point[1] < floor and point[0] - x < rise * 1.1]
        if len(near) < 3:
            continue
        torn: Points = []
        end_x = near[-1][0]
        for step in range(1, 6):
            share = step / 6
            drop = rise * (0.55 + 0.4 * (step % 2)) * rng.uniform(0.75, 1.0)
            torn.append(
                (end_x + (x - rise * 0.12 - end_x) * share, min(near[-1][1], floor) * (1 - share) + (y + drop) * share)
            )
        sheet.shape([*near, *torn], lit)
        sheet.stroke(near, painter.ink(base), painter.unit * 0.0028)


def _waves(painter: Painter, base: float, height: float, length: float) -> Points:
    left, right = _edges(painter)
    phase = [painter.rng.uniform(0, math.tau) for _ in range(3)]

    def at(x: float) -> float:
        along = x / length
        return (math.sin(along + phase[0]) + 0.45 * math.sin(along * 2.1 + phase[1])
                + 0.16 * math.sin(along * 5.3 + phase[2])) * height / 1.6  # fmt: skip

    steps = 240  # fine enough for the longest waves
    return [(x, base + at(x)) for x in (left + (right - left) * i / steps for i in range(steps + 1))]


def _hills(painter: Painter, horizon: float, weather: str) -> list[Layer]:
    layers = []
    for drop, height, length, depth in ((0.0, 0.05, 0.30, 0.12), (0.09, 0.06, 0.36, 0.4), (0.22, 0.07, 0.5, 0.75)):
        line = _waves(painter, horizon + drop * painter.size[1], height * painter.unit, length * painter.unit)
        layers.append(_land(painter, line, depth).layer(depth))
    return layers


def _dunes(painter: Painter, horizon: float, weather: str) -> list[Layer]:
    layers = []
    for drop, depth in ((0.02, 0.15), (0.14, 0.42), (0.28, 0.78)):
        line = _waves(painter, horizon + drop * painter.size[1], 0.08 * painter.unit, 0.33 * painter.unit)
        sheet = _land(painter, line, depth, mist=0.5)
        shade = between(painter.ground(depth), painter.palette.ink, 0.16)
        crests = [i for i in range(12, 216) if line[i][1] == min(y for _, y in line[i - 12 : i + 13])]
        for crest in crests:  # the lee side lies in shadow
            x, y = line[crest]
            foot = line[min(crest + 24, 240)]
            fall = foot[1] - y
            lee = [
                (x + (foot[0] - x) * s, y + fall * (0.9 * s + 0.9 * s * (1 - s) * 2))
                for s in (i / 10 for i in range(11))
            ]
            sheet.shape([*line[crest : crest + 25], *reversed(lee)], shade)
        sheet.stroke(line, painter.ink(painter.ground(depth)), painter.unit * 0.0028)
        layers.append(sheet.layer(depth))
    return layers


def _forest(painter: Painter, horizon: float, weather: str) -> list[Layer]:
    layers = []
    for drop, tall, depth in ((0.02, 0.13, 0.15), (0.12, 0.2, 0.42), (0.30, 0.36, 0.8)):
        line = _waves(painter, horizon + drop * painter.size[1], 0.03 * painter.unit, 0.3 * painter.unit)
        colour, rng, unit = painter.ground(depth), painter.rng, painter.unit
        sheet = painter.wide_sheet(min(y for _, y in line) - tall * unit * 1.2)
        foot = between(colour, painter.palette.sky[1], 0.4 * (1 - depth))
        sheet.wash(colour, foot, over=unit * (tall + 0.25))
        x = line[0][0]
        while x < line[-1][0]:
            ground = min(line, key=lambda point: abs(point[0] - x))[1]
            height = tall * unit * rng.uniform(0.6, 1.15)
            _pine(sheet, x, ground + unit * 0.02, height, foot, painter.ink(colour), snowy=weather == "snow")
            x += height * rng.uniform(0.22, 0.5)
        sheet.reveal_below(line)
        layers.append(sheet.layer(depth))
    return layers


def _pine(sheet: Sheet, x: float, foot: float, height: float, pale: Colour, ink: Colour, *, snowy: bool) -> None:
    outline: Points = [(x, foot - height)]
    for side in (1, -1):
        steps: Points = []
        for tier in range(1, 5):
            reach = height * 0.05 * (tier + 0.6)
            drop = foot - height + height * 0.24 * tier
            steps += [(x + side * reach, drop), (x + side * reach * 0.55, drop - height * 0.015)]
        outline += steps if side > 0 else []
        if side < 0:
            outline += list(reversed(steps))
    sheet.reveal(outline)
    sheet.stroke([(x, foot - height), (x, foot)], ink, max(0.5, height * 0.006))
    if snowy:
        for tier in (1, 2, 3):
            drop = foot - height + height * 0.24 * tier
            sheet.stroke([(x, drop - height * 0.1), (x + height * 0.045 * tier, drop)], pale, height * 0.018)


def _city(painter: Painter, horizon: float, weather: str) -> list[Layer]:
    layers = []
    height = painter.size[1]
    for tall, depth, lit in ((0.42, 0.14, 0.1), (0.36, 0.4, 0.22), (0.2, 0.78, 0.34)):
        base = horizon + height * (0.1 + depth * 0.2)
        sheet = painter.wide_sheet(base - (tall + 0.14) * height)
        colour = painter.ground(depth)
        foot = between(colour, painter.palette.sky[1], 0.45 * (1 - depth))
        sheet.wash(colour, foot, over=height * (tall + 0.35))
        sheet.reveal_below([(sheet.left, base), (sheet.right, base)])
        x = float(sheet.left)
        while x < sheet.right:
            x = _building(sheet, x, base, tall * height, depth, lit)
        layers.append(sheet.layer(depth))
    return layers


def _building(sheet: Sheet, x: float, base: float, tall: float, depth: float, lit: float) -> float:
    """Draw one and return where the next begins."""
    painter = sheet.painter
    rng, unit = painter.rng, painter.unit
    wide, top = unit * rng.uniform(0.06, 0.15) * (0.7 + depth), base - tall * rng.uniform(0.35, 1.0)
    ink = painter.ink(painter.ground(depth))
    corners: Points = [(x, base), (x, top), (x + wide, top), (x + wide, base)]
    sheet.reveal(corners)
    sheet.stroke(corners, ink, unit * 0.002)
    if rng.random() < 0.3:
        sheet.stroke([(x + wide / 2, top), (x + wide / 2, top - unit * 0.05)], ink, unit * 0.002)
    cell = unit * (0.012 + 0.01 * depth)
    for row in range(int((base - top) / (cell * 2)) - 1):
        for column in range(int(wide / (cell * 1.8)) - 1):
            if rng.random() < lit:
                left, up = x + cell * (0.9 + 1.8 * column), top + cell * (1 + 2 * row)
                glow = between(painter.ground(depth), painter.palette.light, rng.uniform(0.45, 0.95))
                sheet.shape(
                    [(left, up), (left + cell, up), (left + cell, up + cell * 1.2), (left, up + cell * 1.2)], glow
                )
    return x + wide + (unit * rng.uniform(0.0, 0.02) if rng.random() < 0.5 else 0)


def _sea(painter: Painter, horizon: float, weather: str) -> list[Layer]:
    width, unit, rng = painter.size[0], painter.unit, painter.rng
    left, right = _edges(painter)
    coast = _ridge(painter, horizon + unit * 0.006, unit * 0.07, 0.4, 0.8)
    layers = [_land(painter, coast, 0.1).layer(0.1)]
    flat: Points = [(left, horizon), (right, horizon)]
    sheet = _land(painter, flat, 0.3, mist=0.0)
    sheet.wash(
        between(painter.ground(0.3), painter.palette.sky[1], 0.35), painter.ground(0.8), over=painter.size[1] * 0.42
    )
    for _ in range(170):
        fall = rng.random() ** 1.5
        y, long = (
            horizon + unit * 0.01 + fall * painter.size[1] * 0.5,
            unit * (0.015 + 0.13 * fall) * rng.uniform(0.5, 1.4),
        )
        x = rng.uniform(left, right)
        shine = rng.uniform(0.08, 0.4) * (1 - 0.6 * abs(x - width / 2) / width)
        colour = between(painter.ground(0.35 + fall * 0.4), painter.palette.light, max(0.0, shine))
        sheet.stroke([(x, y), (x + long, y)], colour, unit * (0.0012 + 0.004 * fall))
    layers.append(sheet.layer(0.35))
    for drop, depth in ((0.2, 0.65), (0.33, 0.9)):
        line = _waves(painter, horizon + drop * painter.size[1], 0.018 * unit, 0.11 * unit)
        layers.append(_land(painter, line, depth, mist=0.2).layer(depth))
    return layers


def _space(painter: Painter, horizon: float, weather: str) -> list[Layer]:
    line = _ridge(painter, painter.size[1] * 0.86, painter.unit * 0.12, 0.5, 1.1)
    return [_land(painter, line, 0.8).layer(0.8)]


def _room(painter: Painter, horizon: float, weather: str) -> list[Layer]:
    width, height, unit = *painter.size, painter.unit
    wall = painter.wide_sheet(-0.3 * height)
    pale, deep = (
        between(painter.palette.far, painter.palette.sky[1], 0.6),
        between(painter.palette.far, painter.palette.near, 0.15),
    )
    wall.wash(deep, pale, over=height)
    wall.reveal_below([(wall.left, wall.top), (wall.right, wall.top)])
    x, y, pane = width * painter.rng.choice((0.16, 0.66)), height * 0.12, unit * 0.13
    for row in range(2):
        for column in range(2):
            left, up = x + column * pane * 1.06, y + row * pane * 1.22
            corners = [(left, up), (left + pane, up), (left + pane, up + pane * 1.15), (left, up + pane * 1.15)]
            wall.shape(corners, painter.palette.light)
            wall.stroke([*corners, corners[0]], painter.ink(pale), unit * 0.003)
    flat: Points = [(_edges(painter)[0], horizon + unit * 0.1), (_edges(painter)[1], horizon + unit * 0.1)]
    table = _land(painter, flat, 0.55, mist=0.3)
    return [wall.layer(0.1), table.layer(0.6)]


_PLACES: dict[str, Callable[[Painter, float, str], list[Layer]]] = {
    "mountains": _mountains,
    "hills": _hills,
    "dunes": _dunes,
    "forest": _forest,
    "city": _city,
    "sea": _sea,
    "space": _space,
    "room": _room,
}
