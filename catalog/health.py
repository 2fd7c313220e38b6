"""How a team's providers and offers are, as values for pages: whether they are asked, and how that went in a day.

Reads what `routing.py` keeps and what requests came to; writes nothing.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import Substr
from django.utils import timezone

from accounts.ids import SLOT, first_id, slot_number
from accounts.models import Attempt, Provider, Team
from accounts.prepared import Prepared
from catalog import breaker, routing
from catalog.breaker import Standing
from catalog.models import Cause, Offer, OfferHealth, ProviderHealth

DAY = timedelta(hours=24)
PARTS = 42
_EVER = datetime.min.replace(tzinfo=UTC)

type Word = Literal["healthy", "degraded", "cooling", "key_refused", "out_of_funds", "off"]

_WORDS: dict[Cause, Word] = {
    Cause.FAILING: "cooling",
    Cause.TIMEOUT: "cooling",
    Cause.RATE_LIMITED: "cooling",
    Cause.NOT_AVAILABLE: "off",
    Cause.KEY_REFUSED: "key_refused",
    Cause.OUT_OF_FUNDS: "out_of_funds",
}
_ANSWERED = ("done", "stopped")
# As `chat/failures.py` names them. What else went wrong was the request's own fault.
_FAILED = (
    *("provider_unavailable", "provider_timeout", "provider_permission_denied", "provider_out_of_funds"),
    *("rate_limited", "model_not_available", "interrupted"),
)


@dataclass(frozen=True, slots=True)
class Day:
    """Calls of the last 24 hours, each attempt for itself: one that fell to the next provider failed at the first."""

    answered: int = 0
    failed: int = 0
    last_ok_at: datetime | None = None

    @property
    def success_rate(self) -> float | None:
        """From 0 to 1; None where nothing was asked."""
        calls = self.answered + self.failed
        return self.answered / calls if calls else None

    def __add__(self, other: "Day") -> "Day":
        moments = [moment for moment in (self.last_ok_at, other.last_ok_at) if moment]
        return Day(self.answered + other.answered, self.failed + other.failed, max(moments, default=None))


@dataclass(frozen=True, slots=True)
class Condition:
    """`word` says how it is; `until` when it is asked again, None where it is asked now. A pause that is over is
    degraded until a request has found out. `last_error` is the last failure in our words, however long ago."""

    word: Word
    until: datetime | None
    last_error: str
    failed_at: datetime | None
    day: Day


@dataclass(frozen=True, slots=True)
class Conditions:
    """By the primary keys of providers and offers."""

    providers: dict[int, Condition]
    offers: dict[int, Condition]


def conditions(team: Team, *, now: datetime | None = None) -> Conditions:
    """All of a team's. Four queries. A provider's own word is its key's; else off, cooling or degraded where all its
    offers are out, or any is not well."""
    now = now or timezone.now()
    by_call = days(team, now=now)
    keys = {row.pk: row for row in ProviderHealth.objects.filter(provider__team=team)}
    rows = {row.pk: row for row in OfferHealth.objects.filter(offer__model__team=team)}
    offers: dict[int, Condition] = {}
    by_provider: dict[int, list[Condition]] = {}
    providers: dict[int, Condition] = {}
    listed = Offer.objects.filter(model__team=team).values_list("pk", "provider_id", "model__model_id", "is_on")
    for pk, provider_id, model_id, is_on in listed:
        condition = _condition(rows.get(pk), by_call.get((provider_id, model_id), Day()), now)
        offers[pk] = condition if is_on else replace(condition, word="off", until=None)
        if is_on:
            by_provider.setdefault(provider_id, []).append(condition)
    for provider in Provider.objects.filter(team=team):
        day = sum((day for (provider_id, _), day in by_call.items() if provider_id == provider.pk), Day())
        if provider.last_ok_at:
            day += Day(last_ok_at=provider.last_ok_at)
        own = _condition(keys.get(provider.pk), day, now)
        providers[provider.pk] = _with_offers(own, by_provider.get(provider.pk, []))
    return Conditions(providers, offers)


_LEFT_ALONE = Prepared(
    lambda team: (
        Offer.objects.filter(provider__team=team)
        .filter(Q(health__cause__gt="") | Q(provider__health__cause__gt=""))
        .order_by()
        .values_list(*("pk", "health__cause", "health__until"), *("provider__health__cause", "provider__health__until"))
    ),
    team=-1,
)


def resting(team: Team) -> frozenset[int]:
    """The offers that are not asked while another can be: cooling down, off, or with a key that is refused or out of
    funds. One query."""
    now = timezone.now()
    return frozenset(
        pk
        for pk, cause, until, of_key, key_until in _LEFT_ALONE.rows(team=team.pk)
        if of_key or (cause and until > now)
    )


def days(team: Team, *, now: datetime | None = None) -> dict[tuple[int, str], Day]:
    """By provider and model id. One query."""
    calls = _calls(team, now or timezone.now())
    counted = calls.values_list("provider_id", "hold__receipt__model_id").annotate(
        answered=Count("pk", filter=Q(status__in=_ANSWERED)),
        failed=Count("pk", filter=Q(status__in=_FAILED)),
        last_ok_at=Max("created_at", filter=Q(status__in=_ANSWERED)),
    )
    return {(provider_id, model_id): Day(*figures) for provider_id, model_id, *figures in counted}


def parts(team: Team, *, now: datetime | None = None) -> dict[int, list[Day]]:
    """The same day in PARTS of about 35 minutes, the oldest first, by provider. One query."""
    now = now or timezone.now()
    calls = _calls(team, now).annotate(slot=Substr("hold__receipt__request_id", *SLOT))
    counted = calls.values_list("provider_id", "slot").annotate(
        answered=Count("pk", filter=Q(status__in=_ANSWERED)), failed=Count("pk", filter=Q(status__in=_FAILED))
    )
    last = slot_number(first_id("req", since=now))
    found: dict[int, list[Day]] = {}
    for provider_id, slot, answered, failed in counted.order_by():
        place = PARTS - 1 - (last - slot_number(slot)) // 2
        of_one = found.setdefault(provider_id, [Day()] * PARTS)
        if 0 <= place < PARTS:
            of_one[place] += Day(answered, failed)
    return found


def _calls(team: Team, now: datetime) -> QuerySet[Attempt]:
    since = first_id("req", since=now - DAY)
    return Attempt.objects.filter(
        hold__receipt__team=team, hold__receipt__request_id__gte=since, provider__isnull=False
    )


def _condition(row: OfferHealth | ProviderHealth | None, day: Day, now: datetime) -> Condition:
    if row is None:
        return Condition("healthy", None, "", None, day)
    state = routing.state(row)
    is_paused = state.cause is not None and state.until is not None and state.until > now
    word: Word = "healthy" if breaker.standing(state, now) == Standing.READY else "degraded"
    if state.cause and (is_paused or state.cause in breaker.OF_A_KEY):
        word = _WORDS[state.cause]
    return Condition(word, state.until if is_paused else None, row.last_error, row.failed_at, day)


def of_offer(offer: Offer, *, now: datetime) -> Condition:
    """How one stands that was read with its own health and its provider's. The calls of the day are not counted."""
    key = _condition(getattr(offer.provider, "health", None), Day(), now)
    return key if key.word != "healthy" else _condition(getattr(offer, "health", None), Day(), now)


def _with_offers(own: Condition, offers: list[Condition]) -> Condition:
    ailing = [offer for offer in offers if offer.word != "healthy"]
    if own.word != "healthy" or not ailing:
        return own
    latest = max(ailing, key=lambda offer: offer.failed_at or _EVER)
    told = replace(own, word="degraded", last_error=latest.last_error, failed_at=latest.failed_at)
    if len(ailing) < len(offers) or not all(offer.until for offer in ailing):
        return told
    soonest = min(ailing, key=lambda offer: offer.until or _EVER)
    return replace(told, word=soonest.word, until=soonest.until)
