"""What a model cost over time at one provider, as places for an SVG. Knows prices and days, not whose they are.

The plot is `WIDTH` wide, however wide it is drawn, and `HEIGHT` pixels high.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from accounts.charts import STEPS, nice_step
from accounts.credit_chart import Label, labels

WIDTH, HEIGHT = 1000, 80
APART = 15  # pixels between two labels at the right


@dataclass(frozen=True, slots=True)
class Point:
    """Pico-dollars a token from a day on."""

    since: date
    prompt: int
    completion: int


@dataclass(frozen=True, slots=True)
class Line:
    """`dots` is a path of no lengths, each a change; `end_y` where the label of what it costs now stands."""

    path: str
    dots: str
    picousd: int
    end_y: str


@dataclass(frozen=True, slots=True)
class PriceChart:
    completion: Line
    prompt: Line
    scale: Sequence[int]
    lines: Sequence[str]
    labels: Sequence[Label]
    width: int = WIDTH
    height: int = HEIGHT


def drawn(points: Sequence[Point], *, today: date) -> PriceChart | None:
    """From the first day on until today; `points` are in order of time. None for fewer than two days with a price."""
    by_day = {min(point.since, today): point for point in points}
    days = sorted(by_day)
    if len(days) < 2:
        return None
    length = max(1, (today - days[0]).days)
    top = STEPS * nice_step(max(max(point.prompt, point.completion) for point in by_day.values()))

    def x(day: date) -> float:
        return (day - days[0]).days * WIDTH / length

    def y(picousd: int) -> float:
        return HEIGHT - picousd * HEIGHT / top

    prompts = [(x(day), by_day[day].prompt) for day in days]
    completions = [(x(day), by_day[day].completion) for day in days]
    completion_y, prompt_y = _apart(y(completions[-1][1]), y(prompts[-1][1]))
    return PriceChart(
        completion=_line(completions, y, end_y=completion_y),
        prompt=_line(prompts, y, end_y=prompt_y),
        scale=[top, top // 2, 0],
        lines=["0", f"{HEIGHT / 2:g}", f"{HEIGHT}"],
        labels=labels(days[0], length),
    )


def _line(steps: Sequence[tuple[float, int]], y: Callable[[int], float], *, end_y: float) -> Line:
    (first_x, first), *rest = steps
    path = f"M{first_x:.1f} {y(first):.1f}" + "".join(f"H{at:.1f}V{y(price):.1f}" for at, price in rest)
    changes = [(at, price) for (_, before), (at, price) in pairwise(steps) if price != before]
    dots = "".join(f"M{at:.1f} {y(price):.1f}h0" for at, price in changes)
    return Line(f"{path}H{WIDTH}", dots, steps[-1][1], f"{end_y:.1f}")


def _apart(upper: float, lower: float) -> tuple[float, float]:
    """The same two heights, moved so far that their labels do not touch."""
    sign = 1 if lower >= upper else -1
    missing = max(0.0, APART - abs(lower - upper)) / 2
    return upper - sign * missing, lower + sign * missing
