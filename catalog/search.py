"""Finding models: words, facets with counts, order and pages, all as an address says them. Knows lines, no database."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any
from urllib.parse import urlencode

from catalog.lines import STATES, Line

ROWS_FIRST, ROWS_MORE = 60, 120
MOST_COMPARED = 4
MOST_WORDS = 8
_FAR = 1 << 62  # where what is unknown stands in an order


@dataclass(frozen=True, slots=True)
class Group:
    """A facet: which of its values a line has. `is_all` where several chosen values must all be there."""

    name: str
    label: str
    values: Callable[[Line], tuple[str, ...]]
    labels: Mapping[str, str] | None = None  # None: a value is its own label
    is_all: bool = False


def _context(line: Line) -> tuple[str, ...]:
    size = line.context or 0
    return tuple(value for value, least in (("32k", 32_000), ("128k", 128_000), ("1m", 1_000_000)) if size >= least)


def _price(line: Line) -> tuple[str, ...]:
    if line.prompt is None:
        return ("unknown",) if line.video_price is None else ()
    if line.prompt == 0:
        return ("free",)
    return ("1" if line.prompt < 10**6 else "5" if line.prompt < 5 * 10**6 else "more",)


def _modes(line: Line) -> tuple[str, ...]:
    return (*(f"{mode}-in" for mode in line.inputs if mode != "text"), *(f"{mode}-out" for mode in line.outputs))


# Fewer than ten: a place is one digit.
GROUPS = (
    Group("available", "Available to me", lambda line: (line.state,), STATES),
    Group("provider", "Provider", lambda line: line.providers),
    Group(
        "modality",
        "Modality",
        _modes,
        {
            "text-out": "Text out",
            "video-out": "Video out",
            "image-out": "Images out",
            "audio-out": "Sound out",
            "image-in": "Images in",
            "pdf-in": "PDF in",
            "audio-in": "Sound in",
            "video-in": "Video in",
        },
    ),
    Group(
        "feature",
        "Features",
        lambda line: line.features,
        {"tools": "Tools", "json": "JSON mode", "vision": "Vision", "reasoning": "Reasoning"},
        is_all=True,
    ),
    Group("context", "Context", _context, {"32k": "32K and more", "128k": "128K and more", "1m": "1M and more"}),
    Group(
        "price",
        "Input price, per 1M",
        _price,
        {"free": "Free", "1": "Under $1", "5": "$1 to $5", "more": "$5 and more", "unknown": "Not known"},
    ),
)
_STATE_ORDER = {state: place for place, state in enumerate(STATES)}


def _known_first(value: float | None, *, falls: bool) -> tuple[bool, float]:
    return value is None, 0 if value is None else -value if falls else value


# Column: its label, and by what it is sorted; `falls` says that the largest comes first.
_SORTS: dict[str, tuple[str, Callable[[Line, bool], Any], bool]] = {
    "model": ("Model", lambda line, falls: line.model_id, False),
    "provider": ("Provider", lambda line, falls: (not line.providers, line.providers), False),
    "context": ("Context", lambda line, falls: _known_first(line.context, falls=falls), True),
    "in": ("In / 1M", lambda line, falls: _known_first(line.prompt, falls=falls), False),
    "out": ("Out / 1M", lambda line, falls: _known_first(line.completion, falls=falls), False),
    "success": (
        "Success, 24 h",
        lambda line, falls: _known_first(line.success, falls=falls),
        True,
    ),
    "first": (
        "First token",
        lambda line, falls: _known_first(line.first_token_ms, falls=falls),
        False,
    ),
    "available": ("Available to me", lambda line, falls: _STATE_ORDER[line.state], False),
}
DEFAULT_SORT = "available"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address asks for. A minus before the column turns its order round. Never fails: what makes no sense is
    left out."""

    text: str
    chosen: Mapping[str, frozenset[str]]  # by group
    sort: str
    is_turned: bool
    after: str
    compared: tuple[str, ...]
    vantage: str  # through whose eyes: see vantage.py

    @classmethod
    def of(cls, query: Any) -> "Wanted":
        """From a QueryDict."""
        sort = query.get("sort", "")
        column = sort.removeprefix("-")
        return cls(
            text=query.get("q", "").strip()[:200],
            chosen={group.name: frozenset(found) for group in GROUPS if (found := query.getlist(group.name)[:40])},
            sort=column if column in _SORTS else DEFAULT_SORT,
            is_turned=sort.startswith("-") and column in _SORTS,
            after=query.get("after", ""),
            compared=tuple(dict.fromkeys(query.getlist("with")))[:MOST_COMPARED],
            vantage=query.get("as", "")[:80],
        )

    @classmethod
    def searching(cls, text: str) -> "Wanted":
        """What fits these words, in the usual order."""
        return cls(text.strip()[:200], {}, DEFAULT_SORT, is_turned=False, after="", compared=(), vantage="")

    @property
    def is_filtered(self) -> bool:
        return bool(self.text or self.chosen)

    def address(self, *, sort: str = "", after: str = "", compares: bool = True) -> str:
        """The query that asks for the same, in another order or from another line on."""
        parts = [("q", self.text), ("as", self.vantage)]
        parts += [(name, value) for name, values in self.chosen.items() for value in sorted(values)]
        parts += [("with", model_id) for model_id in self.compared if compares]
        own = "-" * self.is_turned + self.sort if (self.sort, self.is_turned) != (DEFAULT_SORT, False) else ""
        parts += [("sort", sort or own), ("after", after)]
        return "?" + _encoded(tuple((name, value) for name, value in parts if value))


@lru_cache(maxsize=1 << 10)
def _encoded(parts: tuple[tuple[str, str], ...]) -> str:
    return urlencode(parts)


@dataclass(frozen=True, slots=True)
class Value:
    group: str
    value: str
    label: str
    number: int  # within its group, for ids on the page
    count: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Column:
    """`address` is what its heading asks for; `order` is ascending, descending or empty, as aria-sort says it."""

    name: str
    label: str
    address: str
    order: str


@dataclass(frozen=True, slots=True)
class Found:
    lines: Sequence[Line]  # of this page
    count: int
    more: str  # the address of the next page, empty on the last
    facets: Sequence[tuple[Group, Sequence[Value]]]
    columns: Sequence[Column]


def search(lines: Sequence[Line], wanted: Wanted) -> Found:
    found, counts = _filtered(lines, wanted)
    _, key, falls = _SORTS[wanted.sort]
    turned = falls != wanted.is_turned
    if wanted.sort in ("model", "provider", "available"):
        found.sort(key=attrgetter("model_id"))
        found.sort(key=lambda line: key(line, False), reverse=wanted.is_turned)
    else:
        found.sort(key=lambda line: (*key(line, turned), line.model_id))
    start = 1 + next((place for place, line in enumerate(found) if line.model_id == wanted.after), -1)
    page = found[start : start + (ROWS_MORE if start else ROWS_FIRST)]
    end = start + len(page)
    return Found(
        lines=page,
        count=len(found),
        more=wanted.address(after=page[-1].model_id) if page and end < len(found) else "",
        facets=[(group, values) for group in GROUPS if (values := _values(group, counts[group.name], wanted))],
        columns=[_column(name, wanted) for name in _SORTS],
    )


type _Facets = tuple[tuple[str, ...], ...]  # in the order of GROUPS


@lru_cache(maxsize=1 << 14)
def _facets_of(line: Line) -> tuple[_Facets, tuple[str, ...]]:
    """By group; and all of them as they are counted, the group's place before the value."""
    facets = tuple(group.values(line) for group in GROUPS)
    return facets, tuple(f"{place}{value}" for place, values in enumerate(facets) for value in values)


def _filtered(lines: Sequence[Line], wanted: Wanted) -> tuple[list[Line], dict[str, Mapping[str, int]]]:
    """The lines that pass everything; and for each group how many of each value pass everything but that group.

    Within a group that wants all, a further value narrows what is found: it counts what passes everything.
    """
    for word in wanted.text.lower().split()[:MOST_WORDS]:
        lines = [line for line in lines if word in line.haystack]
    active = [
        (place, wanted.chosen[group.name], group.is_all)
        for place, group in enumerate(GROUPS)
        if group.name in wanted.chosen
    ]
    found = list(lines) if not active else []
    nearly: dict[int, list[tuple[str, ...]]] = {place: [] for place, _, is_all in active if not is_all}
    for line in lines if active else ():
        facets, _ = _facets_of(line)
        missed = [
            place
            for place, chosen, is_all in active
            if (not chosen.issubset(facets[place]) if is_all else chosen.isdisjoint(facets[place]))
        ]
        if not missed:
            found.append(line)
        elif len(missed) == 1 and missed[0] in nearly:
            nearly[missed[0]].append(facets[missed[0]])
    passed = Counter(chain.from_iterable([_facets_of(line)[1] for line in found]))
    counts: dict[str, Counter[str]] = {
        group.name: Counter(chain.from_iterable(nearly.get(place, ()))) for place, group in enumerate(GROUPS)
    }
    for key, count in passed.items():
        counts[GROUPS[int(key[0])].name][key[1:]] += count
    return found, dict(counts)


def _values(group: Group, counted: Mapping[str, int], wanted: Wanted) -> list[Value]:
    """Those that something has or that are chosen: a chosen one must be there to be taken back."""
    chosen = wanted.chosen.get(group.name, frozenset())
    if group.labels is None:
        order = sorted({*counted, *chosen}, key=lambda value: (-counted.get(value, 0), value.lower()))[:40]
        labels: Mapping[str, str] = {value: value for value in order}
    else:
        labels = group.labels
    return [
        Value(group.name, value, label, number, counted.get(value, 0), value in chosen)
        for number, (value, label) in enumerate(labels.items())
        if value in counted or value in chosen
    ]


def _column(name: str, wanted: Wanted) -> Column:
    label, _, falls = _SORTS[name]
    if name != wanted.sort:
        return Column(name, label, wanted.address(sort=name), "")
    is_falling = falls != wanted.is_turned
    turned = wanted.address(sort=name if wanted.is_turned else f"-{name}")
    return Column(name, label, turned, "descending" if is_falling else "ascending")
