"""Stacked bars by day, as places and sizes for an SVG. Knows numbers, not what they count.

The plot is `WIDTH` wide, however wide it is drawn, and as many pixels high as it says. All bars of a series are one
path: a page with hundreds of rectangles takes several times as long to write.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import floor, log10

WIDTH, HEIGHT = 1000, 152
STEPS = 4
GAP = 1  # between the pieces of a bar
LEAST = 1.5  # of a piece that is there at all
CONTEXT = 0  # stands for a series on days outside of what was asked for
_NICE = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Bars:
    """All pieces of one series, 1 being the bottom one, as a path."""

    series: int
    path: str


@dataclass(frozen=True, slots=True)
class Column:
    """The whole height of a day with something in it, to point at."""

    day: str
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Label:
    day: date
    x: str
    anchor: str
    is_today: bool
    is_minor: bool  # where there is little room, it goes


@dataclass(frozen=True, slots=True)
class Chart:
    """`scale` is what the lines across stand for, from the top; `lines` where they are."""

    bars: Sequence[Bars]
    columns: Sequence[Column]
    labels: Sequence[Label]
    scale: Sequence[int]
    lines: Sequence[str]
    width: int = WIDTH
    height: int = HEIGHT


def stacked(days: Sequence[date], amounts: Mapping[date, Sequence[int]], *, today: date, first: date) -> Chart:
    """A bar a day, of one amount a series. Days before `first` are context: bars of one piece, without a series."""
    highest = max((sum(each) for each in amounts.values()), default=0)
    top = STEPS * nice_step(highest)
    width = WIDTH / len(days)
    bar = width * (0.82 if len(days) > 10 else 0.5)
    paths: dict[int, list[str]] = {}
    columns = []
    for number, day in enumerate(days):
        pieces = list(_pieces(amounts.get(day, ()), top, is_context=day < first))
        left = number * width + (width - bar) / 2
        for series, y, height in pieces:
            paths.setdefault(series, []).append(f"M{left:.2f} {y:.1f}h{bar:.2f}v{height:.1f}h-{bar:.2f}z")
        if pieces and day >= first:
            columns.append(Column(day.isoformat(), f"{number * width:.2f}", f"{width:.2f}"))
    return Chart(
        [Bars(series, "".join(path)) for series, path in sorted(paths.items())],
        columns,
        _labels(days, today),
        [top * (STEPS - step) // STEPS for step in range(STEPS + 1)] if highest else [0],
        [f"{HEIGHT * step / STEPS:g}" for step in range(STEPS)] if highest else [],
    )


def nice_step(highest: int) -> int:
    """The least round step of which a few reach as high as that. At least 1."""
    if highest <= STEPS:
        return 1
    raw = highest / STEPS
    magnitude = 10 ** floor(log10(raw))
    step = next(nice * magnitude for nice in _NICE if nice * magnitude >= raw * 0.999999)
    return max(1, round(step))


def _pieces(amounts: Sequence[int], top: int, *, is_context: bool) -> Iterator[tuple[int, float, float]]:
    """Series, upper edge and height of each piece of a bar, from the bottom."""
    y = float(HEIGHT)
    for series, amount in [(CONTEXT, sum(amounts))] if is_context else enumerate(amounts, start=1):
        if amount > 0:
            height = max(LEAST, amount * HEIGHT / top)
            y = max(0.0, y - height)
            yield series, y, max(LEAST, height - GAP)


def _labels(days: Sequence[date], today: date) -> list[Label]:
    """Few enough not to touch: all days of a week, the fifth days of a month, the first and the middle of many."""
    width = 100 / len(days)
    close, near = (0, 0) if len(days) <= 7 else (2, 7) if len(days) <= 31 else (12, 18)  # in days; near on a phone
    labels = []
    for number, day in enumerate(days):
        if day == today or (_is_labelled(day, number, len(days)) and not 0 < abs((day - today).days) <= close):
            at_start, at_end = number == 0 and len(days) > 7, number == len(days) - 1 and len(days) > 7
            anchor = "start" if at_start else "end" if at_end else "middle"
            x = 0.0 if at_start else 100.0 if at_end else (number + 0.5) * width
            is_round = number == 0 or day.day in (1, 10, 20, 30)
            is_minor = len(days) > 7 and day != today and (not is_round or abs((day - today).days) <= near)
            labels.append(Label(day, f"{x:.3f}%", anchor, day == today, is_minor))
    return labels


def _is_labelled(day: date, number: int, count: int) -> bool:
    if count <= 7:
        return True
    if count <= 31:
        return day.day == 1 or (day.day % 5 == 0 and day.day <= 30)
    return day.day in (1, 15) and number > 3
