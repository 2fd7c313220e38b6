"""All there is to say of one model: who offers it in which order, what it cost since when, and the use made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from accounts.callers import Caller
from accounts.models import Membership, Provider, UsageDay
from accounts.refusals import BadRequest, NotFound
from catalog import connections, curation, health, price_chart, prices
from catalog.connections import State
from catalog.known import KnownModel, catalog
from catalog.lines import Line
from catalog.models import OFFER_ORDER, Offer, Price
from catalog.price_chart import Point, PriceChart

MOST_PRICES = 40


@dataclass(frozen=True, slots=True)
class Way:
    """An offer, as the page lists it. `place` is None for one that is not tried: it is off, or its provider paused.
    `state` and `state_word` are those of connections.py."""

    place: int | None
    provider: str
    provider_id: str
    kind: str
    upstream_id: str
    priority: int
    is_on: bool
    state: State
    state_word: str
    until: datetime | None
    last_error: str
    prompt: int | None
    completion: int | None
    cached: int | None
    source: str
    as_of: date | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A price from a day on. Changes are whole percent against the one before it, None where there is none."""

    since: date
    provider: str
    prompt: int
    completion: int
    cached: int | None
    source: str
    prompt_change: int | None
    completion_change: int | None


@dataclass(frozen=True, slots=True)
class Use:
    """What the team, or a member who may not see the others', did with it this month."""

    spent_nanousd: int
    requests: int
    most_by: Sequence[str]


@dataclass(frozen=True, slots=True)
class Dossier:
    line: Line
    known: KnownModel | None
    ways: Sequence[Way]
    asked: Sequence[Asked]
    chart: PriceChart | None  # of what the first in order that has changed its price asks: `chart_of`
    chart_of: str
    use: Use

    @property
    def is_drawn(self) -> bool:
        """Whether an admin has it drawn as storyboards, if that is on or not."""
        return any(way.kind == Provider.Kind.EMBEDDED for way in self.ways)


def of(caller: Caller, line: Line) -> Dossier:
    """Four queries."""
    known = catalog().get(line.model_id)
    offers = Offer.objects.filter(model__team=caller.team, model__model_id=line.model_id)
    rows = offers.select_related("provider__paused_by", "provider__health", "health", "price")
    history = Price.objects.filter(team=caller.team, model_id=line.model_id).order_by("-pk")[:MOST_PRICES]
    ways, asked = _ways(list(rows.order_by("-is_on", *OFFER_ORDER))), _history(list(history))
    chart_of, chart = _chart(ways, asked)
    return Dossier(
        line=line,
        known=known,
        ways=ways,
        asked=asked,
        chart=chart,
        chart_of=chart_of,
        use=_use(caller, line.model_id),
    )


@transaction.atomic
def change_offer(caller: Caller, model_id: str, typed: dict[str, str], *, is_on: bool) -> None:
    """Its place, whether it is on, and its price where one is typed. Raises NotFound, or BadRequest naming the field;
    then nothing is changed."""
    try:
        priority = int(typed["priority"])
    except ValueError:
        raise BadRequest("Give the offer's place as a number; the lowest is tried first.", param="priority") from None
    provider = caller.team.providers.filter(public_id=typed["provider"]).first()
    if provider is None:
        raise NotFound("That provider is not connected any more.")
    curation.set_offer(caller, provider_id=provider.public_id, model_id=model_id, priority=priority, is_on=is_on)
    figures = {name: typed[name].strip() for name in ("prompt", "completion", "cached")}
    if any(figures.values()):
        if not (figures["prompt"] and figures["completion"]):
            missing = "completion" if figures["prompt"] else "prompt"
            raise BadRequest("A price needs both what goes in and what comes out. What is free costs 0.", param=missing)
        prices.enter(caller, provider=provider, model_id=model_id, **figures)


def _ways(offers: list[Offer]) -> list[Way]:
    now, places = timezone.now(), count(1)
    return [
        _way(next(places) if offer.is_on and offer.provider.paused_at is None else None, offer, now) for offer in offers
    ]


def _way(place: int | None, offer: Offer, now: datetime) -> Way:
    provider, price, condition = offer.provider, offer.price, health.of_offer(offer, now=now)
    state, word = connections.offer_state(offer, condition, now)
    return Way(
        place=place,
        provider=provider.name,
        provider_id=provider.public_id,
        kind=provider.kind,
        upstream_id=offer.upstream_id,
        priority=offer.priority,
        is_on=offer.is_on,
        state=state,
        state_word=word,
        until=condition.until if state == "cooling" else None,
        last_error=condition.last_error or provider.last_error,
        prompt=price.prompt_picousd if price else None,
        completion=price.completion_picousd if price else None,
        cached=price.cached_picousd if price else None,
        source=price.source if price else "",
        as_of=price.as_of if price else None,
    )


def _history(newest_first: list[Price]) -> list[Asked]:
    before: dict[str, Price] = {}
    found = []
    for price in reversed(newest_first):
        old = before.get(price.provider_name)
        before[price.provider_name] = price
        found.append(
            Asked(
                since=price.as_of,
                provider=price.provider_name,
                prompt=price.prompt_picousd,
                completion=price.completion_picousd,
                cached=price.cached_picousd,
                source=price.source,
                prompt_change=_change(old.prompt_picousd, price.prompt_picousd) if old else None,
                completion_change=_change(old.completion_picousd, price.completion_picousd) if old else None,
            )
        )
    return found[::-1]


def _chart(ways: Sequence[Way], newest_first: Sequence[Asked]) -> tuple[str, PriceChart | None]:
    """Of one provider, with its name."""
    today = timezone.now().date()
    for way in ways:
        of_one = [asked for asked in reversed(newest_first) if asked.provider == way.provider]
        points = [Point(asked.since, asked.prompt, asked.completion) for asked in of_one]
        if chart := price_chart.drawn(points, today=today):
            return way.provider, chart
    return "", None


def _change(before: int, after: int) -> int | None:
    return round(100 * (after - before) / before) if before else None


def _use(caller: Caller, model_id: str) -> Use:
    first = timezone.now().astimezone(ZoneInfo(caller.team.time_zone)).date().replace(day=1)
    days = UsageDay.objects.filter(team=caller.team, day__gte=first, model_id=model_id)
    if not caller.has_role(Membership.Role.ADMIN):
        days = days.filter(user=caller.user)
    sums: Any = days.values("user__name").annotate(spent=Sum("spent_nanousd"), asked=Sum("requests"))
    rows = sorted(sums, key=lambda row: (-row["spent"], -row["asked"]))
    most = [row["user__name"] for row in rows[:2]]
    return Use(sum(row["spent"] for row in rows), sum(row["asked"] for row in rows), most)
