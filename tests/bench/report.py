"""What a bench of the gateway found: the figures, their medians, the table and the goals. Measures nothing."""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field

from tests.bench.load import Measured

DIRECT, OURS = "direct", "EMMA18"
CONNECTIONS = 64

ALONE, ADDED, RATE, CPU, FIRST, RSS, COLD = "alone", "added", "rate", "cpu", "first", "rss", "cold"
STREAMS_TIME, STREAMS_RATIO, STREAMS_DELAY = "streams time", "streams ratio", "streams delay"
STREAMS_CPU, STREAMS_DONE = "streams cpu", "streams done"


@dataclass(frozen=True, slots=True)
class Column:
    """The heading's two lines, and the digits after the point."""

    above: str
    below: str
    digits: int


COLUMNS = {
    ADDED: Column("added p50", "at 1, ms", 2),
    RATE: Column("requests/s", f"at {CONNECTIONS}", 0),
    CPU: Column("CPU us", "/request", 0),
    FIRST: Column("first chunk", "p50, ms", 2),
    STREAMS_RATIO: Column("streams", "x direct", 2),
    STREAMS_DONE: Column("streams", "done, %", 0),
    STREAMS_DELAY: Column("chunk delay", "p99, ms", 1),
    STREAMS_CPU: Column("CPU us", "/chunk", 0),
    RSS: Column("RSS", "MB", 0),
    COLD: Column("cold start", "s", 1),
}
RATIOS = {
    RATE: "requests/s",
    CPU: "CPU a request",
    ADDED: "added p50",
    FIRST: "time to the first chunk",
    STREAMS_RATIO: "time of the streams",
    RSS: "memory",
}


@dataclass(frozen=True, slots=True)
class Goal:
    """`limit` is the least multiple of a peer's figure, or the most of our own where no peer is named."""

    sentence: str
    measure: str
    limit: float
    peer: str = ""


GOALS = [
    Goal("at least 25 times LiteLLM's requests/s", RATE, 25, "LiteLLM"),
    Goal("at least 3 times Portkey's requests/s", RATE, 3, "Portkey"),
    Goal("at most 2.5 ms added at p50, one at a time", ADDED, 2.5),
    Goal("at most 2 ms to the first chunk at p50", FIRST, 2.0),
    Goal("streams done within 1.05 times the direct time", STREAMS_RATIO, 1.05),
]


@dataclass(slots=True)
class Results:
    """Of each contender the figures of all rounds, by measure; what was answered, and what was not."""

    names: list[str]
    done: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    failed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    failures: dict[str, str] = field(default_factory=dict)
    _figures: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, measure: str, figure: float) -> None:
        self._figures[name, measure].append(figure)

    def count(self, name: str, measured: Measured) -> None:
        self.done[name] += measured.done
        self.failed[name] += measured.failed
        if measured.failed:
            self.failures.setdefault(name, measured.failure)

    def last(self, name: str, measure: str) -> float:
        return self._figures[name, measure][-1]

    def median(self, name: str, measure: str) -> float | None:
        figures = self._figures.get((name, measure))
        return statistics.median(figures) if figures else None

    def ratio(self, measure: str, peer: str) -> float | None:
        """Our figure over the peer's; None where either is missing."""
        ours, theirs = self.median(OURS, measure), self.median(peer, measure)
        return ours / theirs if ours is not None and theirs else None


def text(results: Results) -> str:
    """All of it, to be printed."""
    lines = [*_table(results), *_ratios(results), "", *(_verdict(goal, results) for goal in GOALS), ""]
    for name, failure in results.failures.items():
        asked = results.done[name] + results.failed[name]
        lines.append(f"{name} failed {results.failed[name]:,} of {asked:,} requests, first with: {failure}")
    if not results.failures:
        lines.append(f"All {sum(results.done.values()):,} requests were answered in full.")
    return "\n".join(lines)


def _table(results: Results) -> list[str]:
    measures = [measure for measure in COLUMNS if results.median(OURS, measure) is not None]
    columns = [COLUMNS[measure] for measure in measures]
    rows = [["", *(column.above for column in columns)], ["", *(column.below for column in columns)]]
    for name in results.names:
        cells = [_figure(results.median(name, measure), COLUMNS[measure].digits) for measure in measures]
        rows.append([name, *cells])
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return [*lines[:2], "  ".join("-" * width for width in widths), *lines[2:]]


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _ratios(results: Results) -> list[str]:
    lines = []
    for peer in results.names[results.names.index(OURS) + 1 :]:
        ratios = [(results.ratio(measure, peer), words) for measure, words in RATIOS.items()]
        told = ", ".join(f"{ratio:.2g} x the {words}" for ratio, words in ratios if ratio is not None)
        lines.append(f"{OURS} to {peer}: {told}")
    return ["", *lines] if lines else []


def _verdict(goal: Goal, results: Results) -> str:
    value = results.ratio(goal.measure, goal.peer) if goal.peer else results.median(OURS, goal.measure)
    if value is None:
        return f"not measured  {goal.sentence}"
    is_reached = value >= goal.limit if goal.peer else value <= goal.limit
    return f"{'reached' if is_reached else 'missed':12}  {goal.sentence}: {value:.4g}"
