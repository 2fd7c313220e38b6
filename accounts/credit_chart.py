"""Credit over time and where it leads, as places for an SVG. Knows amounts and days, not what they are of.

The plot is `WIDTH` wide, however wide it is drawn, and `HEIGHT` pixels high.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from accounts.charts import STEPS, nice_step

WIDTH, HEIGHT = 1000, 88
CLOSE = 20.0  # percent of the width within which two labels would touch, on phones
SHOWN_MARKS = 2


@dataclass(frozen=True, slots=True)
class Point:
    """A moment, in days from the left edge, and the credit then. `added_nanousd` is what was just added."""

    days: float
    nanousd: int
    added_nanousd: int = 0


@dataclass(frozen=True, slots=True)
class Label:
    x: str
    anchor: str
    day: date


@dataclass(frozen=True, slots=True)
class Mark:
    """Credit that was added: where its step stands, and where its words end or begin."""

    step: str  # a path
    x: str
    anchor: str
    nanousd: int
    is_labelled: bool


@dataclass(frozen=True, slots=True)
class CreditChart:
    """`ahead` is the path to where it runs out, or to the right edge; empty where nothing is spent."""

    line: str
    area: str
    ahead: str
    dot: str  # a path of no length, whose round end is the dot however wide the plot is drawn
    dot_x: str
    dot_y: str
    dot_anchor: str
    scale: Sequence[int]
    lines: Sequence[str]
    labels: Sequence[Label]
    marks: Sequence[Mark]
    width: int = WIDTH
    height: int = HEIGHT


def drawn(
    points: Sequence[Point],
    *,
    available_nanousd: int,
    first: date,
    past: float,
    ahead: int,
    lasts_days: int | None,
) -> CreditChart:
    """From `first` at the left over `past` days to now, and `ahead` days on. `points` are in order of time."""
    top = STEPS * nice_step(max([available_nanousd, *(point.nanousd for point in points)]))
    length = past + ahead

    def x(days: float) -> float:
        return days * WIDTH / length

    def y(nanousd: int) -> float:
        return HEIGHT - nanousd * HEIGHT / top

    places = [f"{x(point.days):.1f} {y(point.nanousd):.1f}" for point in points]
    now_x, now_y = x(past), y(available_nanousd)
    line = "M" + "L".join([*places, f"{now_x:.1f} {now_y:.1f}"])
    way = ""
    if lasts_days:
        left = max(0, available_nanousd - available_nanousd * ahead // lasts_days)
        way = f"M{now_x:.1f} {now_y:.1f}L{WIDTH} {y(left):.1f}"
    return CreditChart(
        line=line,
        area=f"{line}V{HEIGHT}H{x(points[0].days):.1f}z",
        ahead=way,
        dot=f"M{now_x:.1f} {now_y:.1f}h0",
        dot_x=f"{now_x / WIDTH * 100:.2f}%",
        dot_y=f"{now_y - 9:.1f}",
        dot_anchor="start" if now_x < WIDTH * 0.6 else "end",
        scale=[top * (STEPS - step) // STEPS for step in range(0, STEPS + 1, 2)],
        lines=[f"{HEIGHT * step / STEPS:g}" for step in range(0, STEPS, 2)],
        labels=labels(first, length),
        marks=list(_marks(points, x, y)),
    )


def _marks(points: Sequence[Point], x: Callable[[float], float], y: Callable[[int], float]) -> Iterator[Mark]:
    """The largest have words, as long as they do not touch."""
    taken: list[float] = []
    steps = [(before, point) for before, point in pairwise(points) if point.added_nanousd]
    for before, point in sorted(steps, key=lambda step: step[1].added_nanousd, reverse=True):
        at = x(point.days) / WIDTH * 100
        is_labelled = len(taken) < SHOWN_MARKS and all(abs(at - other) > 1.5 * CLOSE for other in taken)
        if is_labelled:
            taken.append(at)
        step = f"M{x(point.days):.1f} {y(before.nanousd):.1f}V{y(point.nanousd):.1f}"
        yield Mark(step, f"{at:.2f}%", "end" if at > 1.5 * CLOSE else "start", point.added_nanousd, is_labelled)


def labels(first: date, length: float) -> list[Label]:
    """Both ends, and the months that begin in between where there is room."""
    last = first + timedelta(days=round(length))
    found = [Label("0%", "start", first)]
    month = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
    while month < last:
        at = (month - first).days / length * 100
        if CLOSE < at < 100 - CLOSE:
            found.append(Label(f"{at:.2f}%", "middle", month))
        month = (month + timedelta(days=32)).replace(day=1)
    return [*found, Label("100%", "end", last)]
