"""The providers a team is connected to, as its Providers page shows them. Knows no key; writes nothing."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Literal

from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone

from accounts.callers import Caller
from accounts.models import Provider, Team
from accounts.refusals import NotFound
from catalog import dependents, health
from catalog.dependents import Dependents
from catalog.health import Condition, Day
from catalog.models import Offer
from upstream.embedded import runtime

type State = Literal[
    "healthy", "degraded", "cooling", "off", "failing", "key_refused", "out_of_funds", "paused", "unknown"
]

_WORDS: dict[State, str] = {
    "healthy": "Healthy",
    "degraded": "Failing at times",
    "cooling": "Cooling down",
    "off": "Off",
    "failing": "Failing",
    "key_refused": "Key refused",
    "out_of_funds": "Out of funds",
    "paused": "Paused",
    "unknown": "Never tried",
}
_PITCH, _BAR, _HEIGHT = 6, 4, 16  # of a strip's bars


@dataclass(frozen=True, slots=True)
class Strip:
    """Success over the day as four SVG paths: nothing asked, all answered, some failed, most failed."""

    quiet: str
    good: str
    fair: str
    bad: str
    width: int = health.PARTS * _PITCH - (_PITCH - _BAR)
    height: int = _HEIGHT


@dataclass(frozen=True, slots=True)
class Connection:
    """`place` counts from 1, None for the built-in one, which has no order. `dependents` is for admins only.
    `previous_until` is when the key before the last rotation ends, where it is still kept."""

    public_id: str
    name: str
    kind: str
    get_kind_display: str
    base_url: str
    last_four: str
    place: int | None
    state: State
    state_word: str
    until: datetime | None
    last_ok_at: datetime | None
    last_error: str
    failed_at: datetime | None
    success: float | None  # percent
    strip: Strip
    model_count: int
    dependents: Dependents | None
    previous_last_four: str
    previous_until: datetime | None
    fell_back_at: datetime | None
    connected_at: datetime
    videos_at_once: int | None

    @property
    def makes_videos(self) -> bool:
        return self.kind in (Provider.Kind.EMMA18, Provider.Kind.ARK)

    @property
    def is_embedded(self) -> bool:
        return self.kind == Provider.Kind.EMBEDDED

    @property
    def is_paused(self) -> bool:
        return self.state == "paused"

    @property
    def is_in_trouble(self) -> bool:
        return self.state in ("failing", "key_refused", "out_of_funds")


def connections(team: Team, *, with_dependents: bool = False) -> list[Connection]:
    """In the order they are tried, the built-in one last. Six queries, twelve with their dependents."""
    now = timezone.now()
    rows = list(
        team.providers.select_related("paused_by")
        .annotate(model_count=Count("offers", filter=Q(offers__is_on=True)))
        .order_by("place", "pk")
    )
    rows.sort(key=lambda row: row.kind == Provider.Kind.EMBEDDED)
    conditions, parts = health.conditions(team, now=now).providers, health.parts(team, now=now)
    missed = dependents.of(team) if with_dependents else {}
    return [
        _connection(
            provider,
            place=place,
            model_count=provider.model_count,
            condition=conditions[provider.pk],
            parts=parts.get(provider.pk, [Day()] * health.PARTS),
            dependents=missed.get(provider.pk),
            now=now,
        )
        for place, provider in enumerate(rows, start=1)
        if provider.pk in conditions  # connected between the queries
    ]


def find(caller: Caller, public_id: str) -> Provider:
    """One of the team's providers. Raises NotFound, also for one of another team."""
    found = caller.team.providers.select_related("team").filter(public_id=public_id).first()
    if found is None:
        raise NotFound("There is no such provider in this team. It may have been removed.")
    return found


def offer_state(offer: Offer, condition: Condition, now: datetime) -> tuple[State, str]:
    """Of one offer, in the words that say it of providers."""
    return _state(offer.provider, condition, now) if offer.is_on else ("off", _WORDS["off"])


def is_embedded_running() -> bool:
    """Whether the process that left the runtime file is alive: one that was killed leaves its file behind."""
    running = runtime.read(Path(settings.EMBEDDED_RUNTIME_FILE))
    if running is None:
        return False
    try:
        os.kill(running.pid, 0)  # asks only
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, under another account
        return True
    return True


def _connection(
    provider: Provider,
    *,
    place: int,
    model_count: int,
    condition: Condition,
    parts: Sequence[Day],
    dependents: Dependents | None,
    now: datetime,
) -> Connection:
    state, word = _state(provider, condition, now)
    rate = condition.day.success_rate
    is_kept = provider.previous_key_until is not None and provider.previous_key_until > now
    return Connection(
        public_id=provider.public_id,
        name=provider.name,
        kind=provider.kind,
        get_kind_display=provider.get_kind_display(),
        base_url=provider.base_url,
        last_four=provider.key_last_four,
        place=None if provider.kind == Provider.Kind.EMBEDDED else place,
        state=state,
        state_word=word,
        until=condition.until if state == "cooling" else None,
        last_ok_at=condition.day.last_ok_at or provider.last_ok_at,
        last_error=provider.last_error or condition.last_error,
        failed_at=None if provider.last_error else condition.failed_at,
        success=None if rate is None else 100 * rate,
        strip=_strip(parts),
        model_count=model_count,
        dependents=dependents,
        previous_last_four=provider.previous_key_last_four if is_kept else "",
        previous_until=provider.previous_key_until if is_kept else None,
        fell_back_at=provider.fell_back_at,
        connected_at=provider.connected_at,
        videos_at_once=provider.videos_at_once,
    )


def _state(provider: Provider, condition: Condition, now: datetime) -> tuple[State, str]:
    if provider.paused_by:
        return "paused", f"Paused by {provider.paused_by.name}"
    if provider.kind == Provider.Kind.EMBEDDED and not is_embedded_running():
        return "unknown", "Not running"
    state: State = condition.word
    if state == "healthy" and provider.last_error:
        state = "failing"
    elif state == "healthy" and provider.last_ok_at is None and provider.kind != Provider.Kind.EMBEDDED:
        state = "unknown" if condition.day.last_ok_at is None else state
    if state == "cooling" and condition.until:
        return state, f"{_WORDS[state]}, {_left(condition.until - now)}"
    return state, _WORDS[state]


def _left(time: timedelta) -> str:
    seconds = max(1, ceil(time.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    return f"{ceil(seconds / 60)} min" if seconds < 3600 else f"{ceil(seconds / 3600)} h"


def _strip(parts: Sequence[Day]) -> Strip:
    paths: dict[str, list[str]] = {"quiet": [], "good": [], "fair": [], "bad": []}
    for place, part in enumerate(parts):
        tone = "good"
        if part.failed:
            tone = "fair" if part.answered > part.failed else "bad"
        elif not part.answered:
            tone = "quiet"
        paths[tone].append(f"M{place * _PITCH} 0h{_BAR}v{_HEIGHT}h-{_BAR}z")
    quiet, good, fair, bad = ("".join(bars) for bars in paths.values())
    return Strip(quiet, good, fair, bad)
