"""How models have done in a team's own requests of the last 24 hours: how many succeeded, how soon they began.

Read from receipts, at most once a minute a process and team: a page of the catalog never waits for it twice. Refusals
of ours say nothing of a model, and a caller who stopped a reply had one.
"""

import time
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, F
from django.db.models.functions import Substr
from django.utils import timezone

from accounts.ids import SLOT, first_id
from accounts.models import Receipt, Team

SPAN = timedelta(hours=24)
KEPT_S = 60.0
STEP_MS = 20  # to which the time of a first token is told
POINTS = 24
WIDTH, HEIGHT = 48, 16  # of a sparkline
GOOD, FAIR = 98.0, 95.0
_GOOD_ENDS = (Receipt.Outcome.DONE, Receipt.Outcome.STOPPED)


@dataclass(frozen=True, eq=False)
class Experience:
    """`line` is the success by the hour as an SVG path; `dip` where it was worst, if that was bad enough to show."""

    calls: int
    success: float  # percent
    first_token_ms: int | None
    line: str
    dip: tuple[float, float] | None

    @property
    def tone(self) -> str:
        return "" if self.success >= GOOD else "warn" if self.success >= FAIR else "bad"


_kept: dict[int, tuple[float, dict[str, Experience]]] = {}


def of(team: Team) -> dict[str, Experience]:
    """By model id; a model that was not called is not in it. One query, or none within a minute."""
    until, found = _kept.get(team.pk, (0.0, {}))
    if time.monotonic() >= until:
        found = _read(team)
        _kept[team.pk] = time.monotonic() + KEPT_S, found
    return found


def forget() -> None:
    """Read anew when next asked."""
    _kept.clear()


def _read(team: Team) -> dict[str, Experience]:
    since = timezone.now() - SPAN
    rows = (
        Receipt.objects.filter(team=team, request_id__gte=first_id("req", since=since), began_at__gte=since)
        .exclude(outcome=Receipt.Outcome.REFUSED)
        .annotate(slot=Substr("request_id", *SLOT), step=F("first_token_ms") / STEP_MS)
        .values_list("model_id", "slot", "outcome", "step")
        .annotate(calls=Count("pk"))
        .order_by("slot")
    )
    by_model: dict[str, list[tuple[str, bool, int | None, int]]] = {}
    slots: dict[str, None] = {}
    for model_id, slot, outcome, step, calls in rows:
        slots[slot] = None
        by_model.setdefault(model_id, []).append((slot, outcome in _GOOD_ENDS, step, calls))
    places = {slot: number * POINTS // len(slots) for number, slot in enumerate(slots)}
    return {model_id: _experience(counted, places) for model_id, counted in by_model.items()}


def _experience(counted: list[tuple[str, bool, int | None, int]], places: dict[str, int]) -> Experience:
    good = [0] * POINTS
    total = [0] * POINTS
    steps: dict[int, int] = {}
    for slot, is_good, step, calls in counted:
        place = places[slot]
        total[place] += calls
        good[place] += calls * is_good
        if step is not None:
            steps[step] = steps.get(step, 0) + calls
    rates = [(place, good[place] / total[place]) for place in range(POINTS) if total[place]]
    calls = sum(total)
    worst = min(rates, key=lambda rate: rate[1])
    return Experience(
        calls=calls,
        success=100 * sum(good) / calls,
        first_token_ms=_median(steps),
        line=_path(rates),
        dip=_point(*worst) if worst[1] * 100 < FAIR else None,
    )


def _median(steps: dict[int, int]) -> int | None:
    half, passed = sum(steps.values()) / 2, 0
    for step in sorted(steps):
        passed += steps[step]
        if passed >= half:
            return step * STEP_MS + STEP_MS // 2
    return None


def _path(rates: list[tuple[int, float]]) -> str:
    if len(rates) == 1:
        rates = [(0, rates[0][1]), (POINTS - 1, rates[0][1])]
    points = [_point(place, rate) for place, rate in rates]
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


def _point(place: int, rate: float) -> tuple[float, float]:
    return round(place * (WIDTH - 4) / (POINTS - 1) + 2, 1), round(3 + (1 - rate) * (HEIGHT - 5), 1)
