"""The Usage page's figures: the summary, the chart by day and the breakdown of a span of days.

Puts together what `usage.py` reads. Everything is decided here that page and export have to agree on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import floor
from typing import Any

from accounts import allowances, charts, raises, usage
from accounts.allowances import Allowance
from accounts.callers import Caller
from accounts.charts import Chart
from accounts.models import Budget
from accounts.usage import (
    DIMENSIONS,
    MEASURES,
    SHOWN_ROWS,
    SHOWN_SERIES,
    Choice,
    Figures,
    Filters,
    Names,
    Part,
    Span,
    Who,
)

NONE = "-"  # in an address: requests that reached no provider
LEAST_CHART_DAYS = 7  # a single bar says nothing: the days before it are drawn in grey
_SORTS = {
    "spend": lambda figures: figures.spent_nanousd,
    "requests": lambda figures: figures.requests,
    "in": lambda figures: figures.tokens_in,
    "out": lambda figures: figures.tokens_out,
}
SORTS = (*_SORTS, "name")
_SORT_FOR = {"spend": "spend", "tokens": "in", "requests": "requests"}
_SCOPES = {"member": Budget.Scope.MEMBER, "key": Budget.Scope.ACCESS_KEY, "model": Budget.Scope.MODEL}
_PLURALS = {"member": "members", "model": "models", "key": "keys", "provider": "providers"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page of usage is about. What nobody knows counts as not asked."""

    range: str = "month"
    by: str = "member"
    measure: str = "spend"
    sort: str = ""
    filters: Filters = field(default_factory=Filters)

    @classmethod
    def from_words(cls, words: Mapping[str, str]) -> "Asked":
        """From the parameters of an address."""
        by, measure, sort = words.get("by", ""), words.get("measure", ""), words.get("sort", "")
        measure = measure if measure in MEASURES else MEASURES[0]
        return cls(
            range=words.get("range", ""),
            by=by if by in DIMENSIONS else DIMENSIONS[0],
            measure=measure,
            sort=sort if sort in SORTS else _SORT_FOR[measure],
            filters=filters_from(words),
        )


def filters_from(words: Mapping[str, str]) -> Filters:
    provider = words.get("provider", "")
    return Filters(
        member=number_from(words.get("member", "")),
        model=words.get("model") or None,
        key=number_from(words.get("key", "")),
        provider="" if provider == NONE else provider or None,
    )


def number_from(word: str) -> int | None:
    """A row's number in an address; what no row can have is none."""
    return int(word) if word.isascii() and word.isdigit() and len(word) < 19 else None


@dataclass(frozen=True, slots=True)
class Series:
    """A colour of the chart: 1 to 4 are what is most, 5 is all the rest."""

    number: int
    name: str
    amount: int


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the breakdown. `share` is of the whole in percent, `width` of the longest line."""

    name: str
    series: int
    figures: Figures
    share: float
    width: str
    top_model: str
    allowance: Allowance | None

    @property
    def share_words(self) -> str:
        if not 0 < self.share < 1:
            return f"{self.share:.0f}%"
        return "<1%"


@dataclass(frozen=True, slots=True)
class Day:
    """A line of the table that says what the chart shows."""

    iso: str
    words: str
    amounts: Sequence[int]
    total: int


@dataclass(frozen=True, slots=True)
class Column:
    """Of the breakdown; `sort` is its name in an address."""

    sort: str
    label: str
    is_chosen: bool

    @property
    def is_number(self) -> bool:
        return self.sort != "name"


@dataclass(frozen=True, slots=True)
class Report:
    asked: Asked
    span: Span
    before: Span
    total: Figures
    change_percent: float | None  # of the spending, against the days before
    chart: Chart
    series: Sequence[Series]
    days: Sequence[Day]
    rows: Sequence[Row]
    more_rows: int
    counts: Mapping[str, int]
    choices: Mapping[str, Sequence[Choice]]
    months: Sequence[date]
    shows_all: bool
    shows_budgets: bool

    @property
    def requests_a_day(self) -> float:
        return self.total.requests / self.span.passed_days

    @property
    def fall_percent(self) -> float:
        return -(self.change_percent or 0)

    @property
    def succeeded(self) -> str:
        """In percent, never rounded up to all."""
        percent = self.total.succeeded_percent or 0
        return "100" if percent == 100 else f"{floor(percent * 10) / 10:.1f}"

    @property
    def columns(self) -> list[Column]:
        labels = {"name": self.asked.by.capitalize(), "spend": "Spend", "requests": "Requests"}
        labels |= {"in": "Tokens in", "out": "Out"}
        return [Column(sort, label, sort == self.asked.sort) for sort, label in labels.items()]

    @property
    def is_empty(self) -> bool:
        return not self.total.requests

    @property
    def sum_line(self) -> str:
        """The chart in a sentence."""
        days = self.span.passed_days
        return (
            f"{self.asked.measure} by day and {self.asked.by}, {self.span.words}, {days} day{'' if days == 1 else 's'}"
        )


def report(caller: Caller, asked: Asked, *, now: datetime) -> Report:
    """Six queries and the names, however much was used."""
    today = raises.today(caller.team)
    span = usage.span(asked.range, today=today)
    everything = usage.by_who(caller, span)
    chosen = {who: figures for who, figures in everything.items() if asked.filters.fit(who)}
    total = usage.added(chosen.values())
    names = usage.names(members=usage.values(everything, "member"), keys=usage.values(everything, "key"))
    parts = usage.parts(chosen, asked.by)
    parts.sort(key=lambda part: (-part.figures.of(asked.measure), str(part.value)))
    earlier = usage.before(span)
    by_day = _by_day(caller, span, asked)
    series, number_of = _series(parts, asked, names)
    amounts = _stacked(by_day, number_of, len(series))
    has_budgets = asked.by in _SCOPES and (asked.by != "model" or usage.sees_all(caller))
    left = allowances.of(caller.team, _SCOPES[asked.by], at=now) if has_budgets else {}
    return Report(
        asked=asked,
        span=span,
        before=earlier,
        total=total,
        change_percent=_change(total, usage.in_all(caller, earlier, asked.filters)),
        chart=charts.stacked(_chart_days(span), amounts, today=today, first=span.first),
        series=series,
        days=_days(span, amounts, len(series)),
        rows=_rows(parts, asked, names, number_of, left)[:SHOWN_ROWS],
        more_rows=max(0, len(parts) - SHOWN_ROWS),
        counts={dimension: len(usage.values(chosen, dimension)) for dimension in DIMENSIONS},
        choices={
            dimension: _choices(everything, dimension, asked, names)
            for dimension in DIMENSIONS
            if dimension != "member" or usage.sees_all(caller)
        },
        months=usage.months(caller, today=today),
        shows_all=usage.sees_all(caller),
        shows_budgets=any(part.value in left for part in parts),
    )


def _change(now: Figures, before: Figures) -> float | None:
    return 100 * (now.spent_nanousd / before.spent_nanousd - 1) if before.spent_nanousd > 0 else None


def _chart_days(span: Span) -> list[date]:
    missing = LEAST_CHART_DAYS - len(span.days)
    return [span.first - timedelta(days=number) for number in range(missing, 0, -1)] + span.days


def _by_day(caller: Caller, span: Span, asked: Asked) -> list[tuple[date, Any, int]]:
    drawn = Span(span.name, _chart_days(span)[0], span.last, span.today)
    return usage.by_day(caller, drawn, asked.filters, asked.by, asked.measure)


def _series(parts: Sequence[Part], asked: Asked, names: Names) -> tuple[list[Series], dict[Any, int]]:
    """What is most, then the rest as one, if there is more than one left. And the number of each value's series."""
    drawn = [part for part in parts if part.figures.of(asked.measure) > 0]
    single = drawn[: SHOWN_SERIES + 1] if len(drawn) <= SHOWN_SERIES + 1 else drawn[:SHOWN_SERIES]
    rest = drawn[len(single) :]
    series = [
        Series(number, names.of(asked.by, part.value), part.figures.of(asked.measure))
        for number, part in enumerate(single, start=1)
    ]
    if rest:
        amount = sum(part.figures.of(asked.measure) for part in rest)
        series.append(Series(SHOWN_SERIES + 1, f"{len(rest)} other {_PLURALS[asked.by]}", amount))
    return series, {part.value: number for number, part in enumerate(single, start=1)}


def _stacked(
    by_day: Sequence[tuple[date, Any, int]], number_of: Mapping[Any, int], count: int
) -> dict[date, list[int]]:
    """The amounts of each day, series by series. A refund can make a day's spending negative: that is no bar."""
    amounts: dict[date, list[int]] = {}
    for day, value, amount in by_day:
        of_day = amounts.setdefault(day, [0] * max(count, 1))
        of_day[number_of.get(value, len(of_day)) - 1] += max(0, amount)
    return amounts


def _days(span: Span, amounts: Mapping[date, Sequence[int]], count: int) -> list[Day]:
    nothing = [0] * count
    found = [(day, amounts.get(day, nothing)) for day in span.days[: span.passed_days]]
    return [Day(day.isoformat(), f"{day:%a} {day.day} {day:%b}", of_day, sum(of_day)) for day, of_day in found]


def _rows(
    parts: Sequence[Part],
    asked: Asked,
    names: Names,
    number_of: Mapping[Any, int],
    left: Mapping[Any, Allowance],
) -> list[Row]:
    amounts = [max(0, part.figures.of(asked.measure)) for part in parts]
    whole, longest = sum(amounts) or 1, max(amounts, default=0) or 1
    rows = [
        Row(
            name=names.of(asked.by, part.value),
            series=number_of.get(part.value, SHOWN_SERIES + 1),
            figures=part.figures,
            share=100 * amount / whole,
            width=f"{100 * amount / longest:.1f}%",
            top_model=part.top_model,
            allowance=left.get(part.value),
        )
        for part, amount in zip(parts, amounts, strict=True)
    ]
    if asked.sort == "name":
        return sorted(rows, key=lambda row: row.name.lower())
    return sorted(rows, key=lambda row: -_SORTS[asked.sort](row.figures))


def _choices(everything: Mapping[Who, Figures], dimension: str, asked: Asked, names: Names) -> list[Choice]:
    """What a filter offers: whatever there is in the span, and what is chosen."""
    chosen = getattr(asked.filters, dimension)
    values = usage.values(everything, dimension) | ({chosen} - {None})
    choices = [Choice(word_for(value), names.of(dimension, value), value == chosen) for value in values]
    return sorted(choices, key=lambda choice: choice.name.lower())


def word_for(value: Any) -> str:
    return NONE if value == "" else str(value)
