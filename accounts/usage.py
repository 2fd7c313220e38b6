"""What a team's days of usage come to: spend, tokens and requests, by member, model, key and provider.

Reads UsageDay rows, which `receipts.py` adds up as requests end, never the receipts themselves: a page costs the same
however many requests there were. Days are the team's own, in its time zone. Members see their own usage, admins all.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.db.models import F, Min, QuerySet, Sum

from accounts.callers import Caller
from accounts.models import AccessKey, Membership, UsageDay, User

MEASURES = ("spend", "tokens", "requests")
DIMENSIONS = ("member", "model", "key", "provider")
SHOWN_SERIES = 4  # of a chart; what is left is one more
SHOWN_ROWS = 100  # of a breakdown; more than that is for the export

# Spans of days


@dataclass(frozen=True, slots=True)
class Span:
    """Days from `first` to `last`, of which those after `today` are still to come."""

    name: str
    first: date
    last: date
    today: date

    @property
    def until(self) -> date:
        """The last day there can be usage of."""
        return min(self.last, self.today)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    @property
    def passed_days(self) -> int:
        return (self.until - self.first).days + 1

    @property
    def words(self) -> str:
        """Such as 1–23 Nov, 28 Oct–3 Nov, 20 Nov."""
        first, last = self.first, self.until
        year = "" if last.year == self.today.year else f" {last.year}"
        if first == last:
            return f"{last.day} {last:%b}{year}"
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day}–{last.day} {last:%b}{year}"
        return f"{first.day} {first:%b}–{last.day} {last:%b}{year}"


_LENGTHS = {"today": 1, "7d": 7, "90d": 90}
SPANS = ("today", "7d", "month", "90d")


def span(name: str, *, today: date) -> Span:
    """The days that a name stands for: today, 7d, 90d, a month such as 2026-10, and this month for anything else."""
    if length := _LENGTHS.get(name):
        return Span(name, today - timedelta(days=length - 1), today, today)
    first = _month(name)
    if first is None or first >= today.replace(day=1):
        name, first = "month", today.replace(day=1)
    return Span(name, first, _next_month(first) - timedelta(days=1), today)


def _month(name: str) -> date | None:
    try:
        return date.fromisoformat(f"{name}-01") if len(name) == 7 else None
    except ValueError:
        return None


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def before(span: Span) -> Span:
    """As many days before it, to compare with; for a part of a month the same days of the month before."""
    if span.name in _LENGTHS:
        length = timedelta(days=span.passed_days)
        return Span(span.name, span.first - length, span.first - timedelta(days=1), span.today)
    last_of_before = span.first - timedelta(days=1)
    first = last_of_before.replace(day=1)
    if span.until == span.last:
        return Span(span.name, first, last_of_before, span.today)
    return Span(span.name, first, min(last_of_before, first + (span.until - span.first)), span.today)


def months(caller: Caller, *, today: date) -> list[date]:
    """The first days of the months before this one with usage to look at, newest first, a year of them at most."""
    earliest = visible_to(caller).aggregate(Min("day"))["day__min"]
    found: list[date] = []
    first = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    while earliest and first >= earliest.replace(day=1) and len(found) < 12:
        found.append(first)
        first = (first - timedelta(days=1)).replace(day=1)
    return found


# Asking


@dataclass(frozen=True, slots=True)
class Filters:
    """What usage is looked at. Nothing named is everything; a key of 0 is the playground."""

    member: int | None = None
    model: str | None = None
    key: int | None = None
    provider: str | None = None

    @property
    def are_set(self) -> bool:
        return any(getattr(self, each.name) is not None for each in fields(self))

    @property
    def are_several(self) -> bool:
        return sum(getattr(self, each.name) is not None for each in fields(self)) > 1

    def fit(self, who: "Who") -> bool:
        return all(getattr(self, name) in (None, getattr(who, name)) for name in DIMENSIONS)


class Who(NamedTuple):
    """Whose usage, of what, through which key (0 is the playground) and which provider ('' is none)."""

    member: int
    model: str
    key: int
    provider: str


@dataclass(slots=True)
class Figures:
    """Spent is charges less refunds, in nano-dollars. Refused requests are among the requests."""

    requests: int = 0
    failed: int = 0
    refused: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    spent_nanousd: int = 0

    def add(self, other: "Figures") -> None:
        self.requests += other.requests
        self.failed += other.failed
        self.refused += other.refused
        self.tokens_in += other.tokens_in
        self.tokens_out += other.tokens_out
        self.spent_nanousd += other.spent_nanousd

    def of(self, measure: str) -> int:
        match measure:
            case "tokens":
                return self.tokens_in + self.tokens_out
            case "requests":
                return self.requests
            case _:
                return self.spent_nanousd

    @property
    def succeeded_percent(self) -> float | None:
        """Of the requests that were let through."""
        passed = self.requests - self.refused
        return 100 * (passed - self.failed) / passed if passed > 0 else None


_COLUMNS = {"member": "user_id", "model": "model_id", "key": "access_key_id", "provider": "provider_name"}
_MEASURED = {
    "spend": Sum("spent_nanousd"),
    "tokens": Sum(F("tokens_in") + F("tokens_out")),
    "requests": Sum("requests"),
}
_SUMS = {f"total_{each.name}": Sum(each.name) for each in fields(Figures)}


def sees_all(caller: Caller) -> bool:
    return caller.has_role(Membership.Role.ADMIN)


def visible_to(caller: Caller) -> QuerySet[UsageDay]:
    """The team's usage for admins, one's own for everybody else."""
    found = UsageDay.objects.filter(team=caller.team)
    return found if sees_all(caller) else found.filter(user=caller.user)


def there_is(caller: Caller, filters: Filters) -> bool:
    """Whether there ever was such usage."""
    return visible_to(caller).filter(**_columns(filters)).exists()


def _columns(filters: Filters) -> dict[str, Any]:
    return {_COLUMNS[name]: value for name in DIMENSIONS if (value := getattr(filters, name)) is not None}


def _in(caller: Caller, span: Span, filters: Filters) -> QuerySet[UsageDay]:
    return visible_to(caller).filter(day__gte=span.first, day__lte=span.until, **_columns(filters))


def _figures(values: Iterable[int]) -> Figures:
    return Figures(*values)


def by_who(caller: Caller, span: Span, filters: Filters = Filters()) -> dict[Who, Figures]:
    """The span's figures at their finest, from which all but the days can be added up."""
    rows = _in(caller, span, filters).values_list(*(_COLUMNS[name] for name in Who._fields)).annotate(**_SUMS)
    return {Who(*row[:4]): _figures(row[4:]) for row in rows.order_by()}


def by_day(caller: Caller, span: Span, filters: Filters, dimension: str, measure: str) -> list[tuple[date, Any, int]]:
    """How much of the measure fell on each day and value of a dimension."""
    rows = _in(caller, span, filters).values_list("day", _COLUMNS[dimension])
    return list(rows.annotate(amount=_MEASURED[measure]).order_by())


def in_all(caller: Caller, span: Span, filters: Filters) -> Figures:
    return _figures((_in(caller, span, filters).aggregate(**_SUMS)[name] or 0) for name in _SUMS)


def models_since(caller: Caller, day: date) -> QuerySet[UsageDay, str]:
    """The ids of the models that were asked for on that day or later."""
    return visible_to(caller).filter(day__gte=day).values_list("model_id", flat=True).distinct().order_by()


# Adding up


def added(many: Iterable[Figures]) -> Figures:
    total = Figures()
    for figures in many:
        total.add(figures)
    return total


@dataclass(slots=True)
class Part:
    """One value of a dimension, what it comes to, and the model most requests were for."""

    value: Any
    figures: Figures = field(default_factory=Figures)
    models: Counter[str] = field(default_factory=Counter)

    @property
    def top_model(self) -> str:
        return self.models.most_common(1)[0][0] if self.models else ""


def parts(found: Mapping[Who, Figures], dimension: str) -> list[Part]:
    by_value: dict[Any, Part] = {}
    for who, figures in found.items():
        value = getattr(who, dimension)
        part = by_value.get(value)
        if part is None:
            part = by_value[value] = Part(value)
        part.figures.add(figures)
        part.models[who.model] += figures.requests
    return list(by_value.values())


def values(found: Iterable[Who], dimension: str) -> set[Any]:
    return {getattr(who, dimension) for who in found}


# Names


@dataclass(frozen=True, slots=True)
class Choice:
    """Something a filter offers."""

    value: str
    name: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Names:
    """What members and keys are called, those who left and were revoked included."""

    members: Mapping[int, str]
    keys: Mapping[int, AccessKey]

    def of(self, dimension: str, value: Any) -> str:
        match dimension:
            case "member":
                return self.members.get(value, "somebody who left")
            case "key":
                return self.key(value)
            case "provider":
                return value or "none reached"
            case _:
                return value

    def key(self, key_id: int | None) -> str:
        if not key_id:
            return "playground"
        return self.keys[key_id].label if key_id in self.keys else "a removed key"


def names(*, members: Iterable[int], keys: Iterable[int | None]) -> Names:
    people = User.objects.filter(pk__in=set(members)).values_list("pk", "name")
    rows = AccessKey.objects.only("name", "last_four", "public_id").in_bulk({key for key in keys if key})
    return Names(dict(people), rows)


# All of it


def on(caller: Caller, day: date, filters: Filters) -> QuerySet[UsageDay]:
    """The rows of one day, as they are kept."""
    rows = _in(caller, Span("", day, day, day), filters)
    return rows.order_by("user_id", "access_key_id", "model_id", "provider_name")
