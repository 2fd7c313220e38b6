"""Which offers are well enough to be asked, and what is learned by asking. The only writer of the health of offers and
of providers' keys; when something is left alone and comes back, `breaker.py` decides.

Health is read with the candidates and shared by all processes through the database. Only what changes it is written:
failures, and answers from what was not well. That others were answered is counted in memory, and written with the next
failure; a request that goes well pays nothing.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.asgi import in_database
from accounts.models import Provider
from accounts.refusals import Unavailable
from accounts.statements import rows
from catalog import breaker
from catalog.breaker import Harm, Standing, State
from catalog.models import Cause, Offer, OfferHealth, ProviderHealth

logger = logging.getLogger(__name__)

_KEPT = ("cause", "until", "probing_until")
_WINDOW = ("window_began_at", "failed")
# What the query for candidates reads beside them, for `health` below.
COLUMNS: tuple[str | Now, ...] = (
    *(f"health__{name}" for name in (*_KEPT, *_WINDOW)),
    *(f"provider__health__{name}" for name in _KEPT),
    Now(),
)


@dataclass(frozen=True, slots=True)
class Health:
    """How an offer and its provider's key stood when the candidates were read, by the database's time."""

    offer_id: int
    provider_id: int
    offer: State
    key: State
    now: datetime

    @property
    def standing(self) -> Standing:
        if self.offer is _WELL and self.key is _WELL:  # nearly always
            return Standing.READY
        offer, key = breaker.standing(self.offer, self.now), breaker.standing(self.key, self.now)
        if Standing.OUT in (offer, key):
            return Standing.OUT
        return min(offer, key) if Standing.PROBE in (offer, key) else max(offer, key)

    @property
    def cause(self) -> Cause | None:
        """What stands against asking; the key before the offer, for it is behind all of them."""
        return self.key.cause or self.offer.cause

    @property
    def until(self) -> datetime:
        return max([self.now, *(state.until for state in (self.offer, self.key) if state.until)])

    @property
    def is_cooling(self) -> bool:
        """Whether the provider named a time before which it is not to be asked."""
        return self.offer.cause == Cause.RATE_LIMITED and self.offer.until is not None and self.offer.until > self.now


def health(offer_id: int, provider_id: int, columns: Sequence[Any]) -> Health:
    cause, until, probing_until, window_began_at, failed, key_cause, key_until, key_probing_until, now = columns
    offer = _WELL
    if cause or failed:
        offer = State(_cause(cause), until, probing_until, window_began_at=window_began_at, failed=failed)
    key = State(_cause(key_cause), key_until, key_probing_until) if key_cause else _WELL
    return Health(offer_id, provider_id, offer, key, now)


_WELL = State()


def _cause(stored: str) -> Cause | None:
    return Cause(stored) if stored else None


# Asking


def claim(health: Health, *, now: datetime | None = None) -> bool:
    """Let this request alone find out whether what was left alone works again. False if another is about it."""
    now = now or _now()
    return all(
        type(row)
        .objects.filter(Q(probing_until=None) | Q(probing_until__lte=now), pk=row.pk, until=state.until)
        .update(probing_until=now + breaker.PROBE)
        for row, state in _rows_of(health)
        if state.cause and state.cause != Cause.RATE_LIMITED
    )


def release(health: Health) -> None:
    """A request that was to find out went another way, or its caller left: the next may."""
    for row, state in _rows_of(health):
        if state.cause:
            found = type(row).objects.filter(pk=row.pk, until=state.until, probing_until__isnull=False)
            found.update(probing_until=None)


def _rows_of(health: Health) -> list[tuple[OfferHealth | ProviderHealth, State]]:
    return [
        (ProviderHealth(pk=health.provider_id), health.key),
        (OfferHealth(pk=health.offer_id), health.offer),
    ]


# Learning


@dataclass(frozen=True, slots=True)
class Note:
    """Something learned about an offer or a provider's key: that it failed, or with no harm that it answered although
    it was left alone until `seen_until`. What was left alone anew meanwhile stays so."""

    table: type[OfferHealth] | type[ProviderHealth]
    pk: int
    harm: Harm | None = None
    seen_until: datetime | None = None


class _Answers:
    """How many calls of each offer were answered here in the last window, and were not yet told with a failure."""

    def __init__(self) -> None:
        self._counts: dict[int, tuple[float, int]] = {}

    def count(self, offer_id: int) -> None:
        since, count = self._counts.get(offer_id, (0.0, 0))
        now = time.monotonic()
        is_over = now - since > breaker.WINDOW.total_seconds()
        self._counts[offer_id] = (now, 1) if is_over else (since, count + 1)

    def take(self, offer_id: int) -> int:
        since, count = self._counts.pop(offer_id, (0.0, 0))
        return count if time.monotonic() - since <= breaker.WINDOW.total_seconds() else 0


_answers = _Answers()
_unwritten: list[Note] = []
_writing = asyncio.Lock()


async def failed(health: Health, harm: Harm) -> None:
    """A call failed. Returns when all processes know."""
    if harm.cause in breaker.OF_A_KEY:
        note = Note(ProviderHealth, health.provider_id, harm)
    else:
        note = Note(OfferHealth, health.offer_id, replace(harm, answered=_answers.take(health.offer_id)))
    await _write_down([note])


def answered(health: Health) -> Awaitable[None] | None:
    """The first byte of an answer came: that says all of a key, and of an offer unless it may still break off. What is
    left to do, if anything."""
    notes = []
    if health.key.cause:
        notes.append(Note(ProviderHealth, health.provider_id, seen_until=health.key.until))
    if health.offer.cause and health.offer.cause != Cause.FAILING:
        notes.append(Note(OfferHealth, health.offer_id, seen_until=health.offer.until))
    return _write_down(notes) if notes else None


def finished(health: Health) -> Awaitable[None] | None:
    """An answer came to its end, or to where the caller wanted no more of it. What is left to do, if anything."""
    _answers.count(health.offer_id)
    if health.offer.cause == Cause.FAILING:
        return _write_down([Note(OfferHealth, health.offer_id, seen_until=health.offer.until)])
    return None


async def _write_down(notes: list[Note]) -> None:
    """Those that come while others are written are written together. A database that is away is not waited for: what
    is lost is learned again."""
    if not notes:
        return
    _unwritten.extend(notes)
    async with _writing:
        if _unwritten:
            taken = _unwritten.copy()
            _unwritten.clear()
            with suppress(Unavailable):
                await in_database(write, taken)


def write(notes: Iterable[Note], *, now: datetime | None = None) -> None:
    """Take what was learned into the rows of health, one transaction for all."""
    by_row: dict[tuple[str, int], list[Note]] = {}
    for note in notes:
        by_row.setdefault((note.table.__name__, note.pk), []).append(note)
    try:
        with transaction.atomic():
            for _, about_one in sorted(by_row.items()):  # in one order, so that nobody waits in a ring
                _write_one(about_one, now)
    except IntegrityError:
        logger.info("health of what was removed meanwhile is not kept")


def _write_one(notes: list[Note], now: datetime | None) -> None:
    table, pk = notes[0].table, notes[0].pk
    if any(note.harm for note in notes):
        owner = Offer if table is OfferHealth else Provider
        if not owner._default_manager.filter(pk=pk).exists():
            return  # it was removed while it was asked
        table._default_manager.get_or_create(pk=pk)
    row = table._default_manager.select_for_update().filter(pk=pk).first()
    if row is None:
        return
    now = now or _now()
    before = after = state(row)
    for note in notes:
        if note.harm:
            after = breaker.harmed(after, note.harm, now=now)
        elif note.seen_until == after.until:
            after = breaker.answered(after)
    if after != before:
        _put(table, pk, after)
    if after.cause != before.cause:
        what = {"offer" if table is OfferHealth else "provider_id": pk, "cause": after.cause and after.cause.value}
        logger.warning("health changed", extra=what)


_FIELDS = tuple(field.name for field in fields(State))


def _names(table: type[OfferHealth] | type[ProviderHealth]) -> list[str]:
    columns = {field.name for field in table._meta.get_fields()}
    return [name for name in _FIELDS if name in columns]


def state(row: OfferHealth | ProviderHealth) -> State:
    values = {name: getattr(row, name) for name in _names(type(row))}
    return State(**values | {"cause": _cause(row.cause)})


def _put(table: type[OfferHealth] | type[ProviderHealth], pk: int, state: State) -> None:
    values = {name: getattr(state, name) for name in _names(table)}
    table._default_manager.filter(pk=pk).update(**values | {"cause": state.cause or ""})


# Coming back at once


@transaction.atomic
def retry_key(provider: Provider, *, now: datetime | None = None) -> None:
    """Let the next request try a provider whose key was stopped, for the key was changed or tested."""
    row = ProviderHealth.objects.select_for_update().filter(pk=provider.pk).first()
    if row is not None:
        _put(ProviderHealth, row.pk, breaker.due(state(row), now or _now()))


@transaction.atomic
def listed_again(provider: Provider) -> None:
    """A provider said what it has: what it did not have before may be asked for again."""
    rows_off = OfferHealth.objects.select_for_update().filter(offer__provider=provider, cause=Cause.NOT_AVAILABLE)
    for row in rows_off.order_by("pk"):
        _put(OfferHealth, row.pk, breaker.answered(state(row)))


def _now() -> datetime:
    """The database's time, which is one for all processes; SQLite's is that of this machine, in whole milliseconds: by
    more it would be ahead of itself."""
    if connection.vendor == "sqlite":
        now = timezone.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
    at: datetime = rows("SELECT clock_timestamp()")[0][0]
    return at
