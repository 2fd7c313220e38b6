"""What a provider's list would change, shown to an admin before it is applied. The only writer of PendingSync rows.

What is applied is what was shown: the provider is asked once more, and where it says something else by then, that is
shown and nothing applied.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.callers import Caller
from accounts.models import Provider, Team
from accounts.refusals import Conflict
from catalog import sync
from catalog.models import PendingSync
from catalog.sync import Difference

type Figures = Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Repriced:
    """Prices as prompt, completion and cached tokens, in pico-dollars a token."""

    model_id: str
    before: Figures
    after: Figures
    is_suspect: bool

    @property
    def way(self) -> Literal["lower", "higher", "changed"]:
        pairs = list(zip(self.before[:2], self.after[:2], strict=True))
        if all((after or 0) <= (before or 0) for before, after in pairs):
            return "lower" if self.before[:2] != self.after[:2] else "changed"
        return "higher" if all((after or 0) >= (before or 0) for before, after in pairs) else "changed"


@dataclass(frozen=True, slots=True)
class Pending:
    """`digest` says what was shown, and comes back with the wish to apply it."""

    provider_id: str
    provider_name: str
    read_at: datetime
    digest: str
    new: Sequence[str]
    gone: Sequence[str]
    repriced: Sequence[Repriced]

    @property
    def count(self) -> int:
        return len(self.new) + len(self.gone) + len(self.repriced)

    @property
    def suspect_count(self) -> int:
        return sum(price.is_suspect for price in self.repriced)


def waiting(team: Team) -> list[Pending]:
    """What no admin has applied or dismissed yet, the latest first. One query."""
    rows = PendingSync.objects.filter(provider__team=team, is_dismissed=False).select_related("provider")
    return [
        Pending(
            provider_id=row.provider.public_id,
            provider_name=row.provider.name,
            read_at=row.read_at,
            digest=row.digest,
            new=row.new,
            gone=row.gone,
            repriced=[Repriced(**price) for price in row.repriced],
        )
        for row in rows.order_by("-read_at", "pk")
    ]


def look(provider: Provider) -> bool:
    """Ask a provider and keep what its list would change, also if it was dismissed before. False where it would change
    nothing. Raises UpstreamError, noting it at the provider."""
    found = sync.difference(provider)
    _keep(found, is_dismissed=False)
    return not found.is_nothing


def look_by_itself(provider: Provider) -> None:
    """Ask with nobody looking: what only adds is taken, the rest waits for an admin. Raises UpstreamError."""
    found = sync.refresh_by_itself(provider)
    if found.only_adds:
        forget(provider)
    else:
        _keep(found)


def apply(provider: Provider, *, seen: str, accepts_prices: bool, by: Caller) -> int:
    """Take what was shown, and nothing else. Returns how many models the provider serves. Raises UpstreamError, or
    Conflict where it lists something else by now, or suspicious prices that were not accepted."""
    found = sync.difference(provider)
    if found.is_nothing:  # somebody else was faster
        forget(provider)
        return provider.offers.count()
    if _keep(found) != seen:
        raise Conflict(f"{provider.name} lists something else than a moment ago. Nothing was applied; look once more.")
    with transaction.atomic():
        sync.apply(provider, found.listed, accepts_prices=accepts_prices)
        forget(provider)
        counts = {"new": len(found.new), "gone": len(found.gone), "repriced": len(found.repriced)}
        audit.record(provider.team_id, actor=by.user, action="catalog synced", subject=provider.name, **counts)
    return provider.offers.count()


def dismiss(provider: Provider, *, seen: str) -> None:
    """Leave everything as it is, until the provider lists something else or somebody asks again."""
    PendingSync.objects.filter(pk=provider.pk, digest=seen).update(is_dismissed=True)


def forget(provider: Provider) -> None:
    PendingSync.objects.filter(pk=provider.pk).delete()


def _keep(found: Difference, **changes: bool) -> str:
    """Returns its digest. One that is kept already stays dismissed unless `changes` say otherwise."""
    if found.is_nothing:
        forget(found.provider)
        return ""
    said = _said(found)
    digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    now = timezone.now()
    if not PendingSync.objects.filter(pk=found.provider.pk, digest=digest).update(read_at=now, **changes):
        columns = {"digest": digest, "read_at": now, "is_dismissed": False, **said}
        PendingSync.objects.update_or_create(provider=found.provider, defaults=columns)
    return digest


def _said(found: Difference) -> dict[str, Sequence[object]]:
    """In an order of its own: providers list the same in any order."""
    repriced = [
        {
            "model_id": change.model_id,
            "before": [change.before.prompt_picousd, change.before.completion_picousd, change.before.cached_picousd],
            "after": [change.after.prompt_picousd, change.after.completion_picousd, change.after.cached_picousd],
            "is_suspect": change.is_suspect,
        }
        for change in sorted(found.repriced, key=lambda change: (not change.is_suspect, change.model_id))
    ]
    return {"new": sorted(found.new), "gone": sorted(found.gone), "repriced": repriced}
