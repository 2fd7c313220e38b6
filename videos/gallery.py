"""The gallery: which of a team's videos are wanted, a page of them, and how many there are of each kind.

Pages are found by the row they end at, never by counting rows, so the last one costs what the first does. Everybody in
a team sees all its videos, as its access keys do. Reads rows only.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet, Value
from django.db.models.functions import StrIndex
from django.utils import timezone

from accounts.models import Team, User
from accounts.prepared import Prepared
from videos import filing, glances, ratings
from videos.glances import Glance
from videos.models import COST, STARS, Tag, Tagging, VideoTask, folded
from videos.modes import MODELS, MODES, TERMINAL_STATUSES

State = VideoTask.State

PAGE = 30
LONGEST_TEXT = 200
FEW_MATCHES = 500
MOST_OF_A_FACET = 30
NONE = "none"  # in no collection

STATUSES = {
    "queued": (State.SUBMITTING, State.SUBMIT_UNKNOWN, State.QUEUED),
    "running": (State.RUNNING,),
    **{status: (State(status),) for status in TERMINAL_STATUSES},
}
REVIEWS = {
    "needs_review": "No review yet",
    "in_review": "In review",
    "approved": "Approved",
    "changes_requested": "Changes requested",
    "rejected": "Rejected",
}
SPANS = {"today": "Today", "7d": "Last 7 days", "30d": "Last 30 days"}
_DAYS = {"today": 0, "7d": 6, "30d": 29}
VIEWS = ("large", "small", "list")


@dataclass(frozen=True, slots=True)
class Order:
    """`value` is what rows are sorted by before their age; None where their age is all."""

    label: str
    value: Any = None
    is_ascending: bool = False


ORDERS = {
    "newest": Order("Newest"),
    "oldest": Order("Oldest", is_ascending=True),
    "rated": Order("Best rated", STARS),
    "dear": Order("Most expensive", COST),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which videos, in which order. Nothing named in a facet is all of it."""

    state: tuple[str, ...] = ()
    review: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    mode: tuple[str, ...] = ()
    person: tuple[str, ...] = ()
    rating: tuple[str, ...] = ()
    collection: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    date: str = ""
    text: str = ""
    sort: str = "newest"
    matches: tuple[int, ...] | None = None  # what has the text in it, once that was looked for

    @property
    def chosen(self) -> dict[str, tuple[str, ...]]:
        """Of each facet that anything is chosen of."""
        return {name: values for name in FACETS if (values := getattr(self, name))}

    @property
    def is_narrowed(self) -> bool:
        return replace(self, sort="newest", matches=None) != Wanted()


@dataclass(frozen=True, slots=True)
class Facet:
    label: str
    column: str
    values: Callable[[str], Iterable[Any]]  # of the column, for a word of the address
    word: Callable[[Any], str]  # the other way round


_STATUS_OF = {state: status for status, states in STATUSES.items() for state in states}
FACETS = {
    "state": Facet("State", "state", lambda word: STATUSES.get(word, ()), lambda state: _STATUS_OF[State(state)]),
    "review": Facet("Review", "review_status", lambda word: [word], str),
    "model": Facet("Model", "model_id", lambda word: [word], str),
    "mode": Facet("Mode", "mode", lambda word: [word], str),
    "person": Facet("Person", "user_id", lambda word: [int(word)], str),
    "rating": Facet("Rating", "rating", lambda word: [int(word) or None], lambda stars: str(stars or 0)),
}
# Beside the facets teams have these, which they make themselves, as many as they like.
LABELS = {name: facet.label for name, facet in FACETS.items()} | {"tag": "Tag", "collection": "Collection"}
_COLLECTION = re.compile(r"co_[0-9A-Z]{26}")
_KNOWN = {"state": tuple(STATUSES), "review": tuple(REVIEWS), "mode": tuple(MODES), "rating": ratings.STARS}


def wanted_from(words: Mapping[str, list[str]]) -> Wanted:
    """What an address asks for; what it asks for that there is not is left out."""
    last = {name: (values or [""])[-1] for name, values in words.items()}
    chosen: dict[str, Any] = {
        name: tuple(dict.fromkeys(filter(_is_known(name), words.get(name, [])))) for name in LABELS
    }
    return Wanted(
        **chosen,
        date=date if (date := last.get("date", "")) in SPANS else "",
        text=last.get("q", "").replace("\0", "").strip()[:LONGEST_TEXT],
        sort=sort if (sort := last.get("sort", "")) in ORDERS else "newest",
    )


def _is_known(name: str) -> Callable[[str], bool]:
    if name == "person":
        return lambda word: word.isascii() and word.isdigit() and len(word) < 10
    if name == "model":
        return lambda word: word.isprintable() and 0 < len(word) <= 200
    if name == "collection":
        return lambda word: word == NONE or bool(_COLLECTION.fullmatch(word))
    if name == "tag":
        return lambda word: word.isprintable() and 0 < len(word) <= filing.TAG_CHARACTERS
    return lambda word: word in _KNOWN[name]


@dataclass(frozen=True, slots=True)
class Page:
    """`more` is the cursor of what follows, "" where nothing does."""

    glances: list[Glance]
    more: str


def of(team: Team) -> QuerySet[VideoTask]:
    return VideoTask.objects.filter(team=team, deleted_at=None)


def page(team: Team, wanted: Wanted, *, after: str = "", size: int = PAGE) -> Page:
    """One query. A cursor that was made up begins anew."""
    order = ORDERS[wanted.sort]
    found = _narrowed(of(team), wanted)
    cursor = _cursor(after)
    if order.value is None:
        if cursor:
            found = found.filter(pk__gt=cursor[1]) if order.is_ascending else found.filter(pk__lt=cursor[1])
        found = found.order_by("pk" if order.is_ascending else "-pk")
    else:
        found = found.alias(value=order.value).order_by("-value", "-pk")
        if cursor:
            # The first condition says no more than the second, but where in the index to begin.
            further = Q(value__lt=cursor[0]) | Q(value=cursor[0], pk__lt=cursor[1])
            found = found.filter(Q(value__lte=cursor[0]), further)
    sorted_by = Value(0) if order.value is None else order.value
    read = list(found.values_list(*glances.FIELDS, sorted_by)[: size + 1])
    more = f"{read[size - 1][-1]}.{read[size - 1][0]}" if len(read) > size else ""
    return Page([Glance(*row[:-1]) for row in read[:size]], more)


def _cursor(after: str) -> tuple[int, int] | None:
    value, dot, pk = after.partition(".")
    is_cursor = dot and value.isascii() and value.isdigit() and pk.isascii() and pk.isdigit() and len(after) <= 36
    return (int(value), int(pk)) if is_cursor and max(int(value), int(pk)) < 2**63 else None


def _narrowed(tasks: QuerySet[VideoTask], wanted: Wanted) -> QuerySet[VideoTask]:
    for name, words in wanted.chosen.items():
        facet = FACETS[name]
        values = [value for word in words for value in facet.values(word)]
        condition = Q(**{f"{facet.column}__in": [value for value in values if value is not None]})
        if None in values:
            condition |= Q(**{f"{facet.column}__isnull": True})
        tasks = tasks.filter(condition)
    return _filed(_counted(tasks, wanted), wanted)


def _filed(tasks: QuerySet[VideoTask], wanted: Wanted) -> QuerySet[VideoTask]:
    """By indexes of their own: few of many are found without reading the others."""
    if wanted.tag:
        tasks = tasks.filter(pk__in=Tagging.objects.filter(tag__name__in=wanted.tag).values("task"))
    if wanted.collection:
        condition = Q(collection__in=[word for word in wanted.collection if word != NONE])
        tasks = tasks.filter(condition | Q(collection=None) if NONE in wanted.collection else condition)
    return tasks


def _counted(tasks: QuerySet[VideoTask], wanted: Wanted) -> QuerySet[VideoTask]:
    """By what holds for the figures at all facets too."""
    if wanted.date:
        tasks = tasks.filter(created_at__gte=_since(wanted.date))
    if wanted.matches is not None:
        return tasks.filter(pk__in=wanted.matches)
    if not wanted.text:
        return tasks
    return tasks.alias(place=StrIndex("prompt_folded", Value(folded(wanted.text)))).filter(place__gt=0)


def looked_for(team: Team, wanted: Wanted) -> Wanted:
    """With what has the text in it, where that is not much: to find little, all prompts must be read, and once is
    enough for both the page and how many there are. Of much, a page is found by reading little. One query, or none."""
    if not wanted.text:
        return wanted
    pks = _counted(of(team), wanted).values_list("pk", flat=True)[: FEW_MATCHES + 1]
    return replace(wanted, matches=tuple(pks)) if len(pks) <= FEW_MATCHES else wanted


def _since(span: str) -> datetime:
    """By the clock the page is shown by."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=_DAYS[span])


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet, and how many videos choosing it beside the other facets would show."""

    word: str
    label: str
    count: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Found:
    """How many there are as wanted, and in all. `is_least` where there are more than that."""

    count: int
    total: int
    is_least: bool = False


def found(team: Team, wanted: Wanted) -> Found:
    """Two queries at most. What a text that is in many prompts leaves is not counted to its end, as all prompts would
    have to be read for it."""
    total = of(team).count()
    if not wanted.is_narrowed:
        return Found(total, total)
    narrowed = _narrowed(of(team), wanted)
    if not wanted.text or wanted.matches is not None:
        return Found(narrowed.count(), total)
    count = narrowed[: FEW_MATCHES + 1].count()
    return Found(min(count, FEW_MATCHES), total, is_least=count > FEW_MATCHES)


def choices(team: Team, wanted: Wanted, name: str) -> list[Choice]:
    """What a facet offers: in the order there is, else the most frequent first, and what is in nothing last. Two
    queries, three for tags."""
    chosen: tuple[str, ...] = getattr(wanted, name)
    called: Mapping[str, str] = {}
    if name == "tag":
        counted = _tag_counts(team, wanted)
    elif name == "collection":
        called = dict(filing.collections(team).values_list("public_id", "name"))
        counted = {word or NONE: count for word, count in _sums(team, wanted, name, "collection_id")}
    else:
        facet, counted = FACETS[name], {}
        for value, count in _sums(team, wanted, name, facet.column):
            counted[facet.word(value)] = counted.get(facet.word(value), 0) + count
        if name == "person":
            people = names(map(int, counted)) | makers(team, chosen)
            called = {str(pk): each for pk, each in people.items()}
    counted = dict.fromkeys(chosen, 0) | {word: count for word, count in counted.items() if count or word in chosen}
    if known := _KNOWN.get(name):
        words = [word for word in known if word in counted]
    else:
        words = sorted(counted, key=lambda word: (word == NONE, -counted[word]))
    kept = words[:MOST_OF_A_FACET] + [word for word in words[MOST_OF_A_FACET:] if word in chosen]
    return [Choice(word, label(name, word, called), counted[word], word in chosen) for word in kept]


def _sums(team: Team, wanted: Wanted, name: str, column: str) -> Iterable[tuple[Any, int]]:
    """Of each value in a facet's column, how many videos choosing it would show. An index alone tells."""
    nothing: dict[str, Any] = {name: ()}
    beside = _narrowed(of(team), replace(wanted, **nothing)).order_by()
    return beside.values_list(column).annotate(count=Count("*"))


def _tag_counts(team: Team, wanted: Wanted) -> dict[str, int]:
    """The same of each tag that any video has. Where nothing else is chosen, an index tells that of all, less the few
    that are deleted: to look each video up takes four times as long."""
    others = replace(wanted, tag=())
    used = _USED_TAGS.rows(team=team.pk)
    if others.is_narrowed:
        count = _by_tag(_narrowed(of(team), others))
        return {name: count.get(pk, 0) for pk, name, _ in used}
    deleted = _by_tag(VideoTask.objects.filter(team=team, deleted_at__isnull=False))
    return {name: count - deleted.get(pk, 0) for pk, name, count in used}


_USED_TAGS = Prepared(
    lambda team: (
        Tag.objects.filter(team=team)
        .order_by("key")
        .annotate(used=Count("taggings"))
        .filter(used__gt=0)
        .values_list("pk", "name", "used")
    ),
    team=-1,
)


def _by_tag(tasks: QuerySet[VideoTask]) -> dict[int, int]:
    tagged = tasks.filter(taggings__isnull=False).order_by()
    return dict(tagged.values_list("taggings__tag_id").annotate(count=Count("*")))


def makers(team: Team, words: Iterable[str]) -> dict[int, str]:
    """Who of those that an address names has made a video of the team, by name: nobody learns of others."""
    pks = [int(word) for word in words]
    return names(VideoTask.objects.filter(team=team, user__in=pks).values_list("user", flat=True)) if pks else {}


def names(pks: Iterable[int]) -> dict[int, str]:
    return dict(User.objects.filter(pk__in=set(pks)).values_list("pk", "name"))


def label(name: str, word: str, called: Mapping[str, str]) -> str:
    """`called` are the names of people and collections."""
    match name:
        case "state":
            return word.capitalize()
        case "review":
            return REVIEWS.get(word, word)
        case "mode":
            return MODES[word].name.partition(" (")[0]
        case "model":
            return MODELS[word].name if word in MODELS else word
        case "person":
            return called.get(word, "Somebody")
        case "tag":
            return word
        case "collection":
            return "In none" if word == NONE else called.get(word, "Deleted")
    return "Not rated" if word == "0" else f"{word} star{'s' if word != '1' else ''}"


def newer(team: Team, wanted: Wanted, pk: int) -> int:
    """How many of those that are wanted were asked for after that one."""
    return _narrowed(of(team), wanted).filter(pk__gt=pk).count()


def running(team: Team) -> int:
    """How many of the team's videos are under way. One query, which an index answers alone."""
    return sum(count for (count,) in _RUNNING.rows(team=team.pk))


_RUNNING = Prepared(
    lambda team: (
        VideoTask.objects.filter(team=team, deleted_at=None, state__in=VideoTask.OPEN)
        .order_by()
        .values("team")
        .annotate(count=Count("*"))
        .values_list("count")
    ),
    team=-1,
)


def takes(seen: Iterable[Glance]) -> dict[str, int]:
    """How many takes each of their shots has."""
    same = VideoTask.objects.filter(shot__in={each.shot for each in seen}, deleted_at=None).order_by()
    return dict(same.values_list("shot").annotate(count=Count("*")))
