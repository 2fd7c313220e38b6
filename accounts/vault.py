"""Provider keys: sealing and opening them. The only writer of Provider rows and the only reader of sealed keys.

A key is sealed with AES-256-GCM, bound to its team, row, kind and base URL: moved to another row, or with its address
changed underneath, it no longer opens, so nobody can have it sent to a server of theirs. The row keeps the id of the
master key that sealed it, so that the master key can be rotated.

A key that is replaced stays sealed beside the new one for a while: should the provider refuse the new one, the old one
takes its place again.
"""

import base64
import copy
import json
import logging
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from accounts import audit
from accounts.callers import Caller
from accounts.models import Provider, Team
from accounts.refusals import BadRequest, Conflict, ProviderUnavailable, Unavailable
from accounts.shared_reads import once_a_group
from upstream.client import Endpoint
from upstream.embedded import model, own, runtime

logger = logging.getLogger(__name__)

NONCE_BYTES = 12
LONGEST_OVERLAP = timedelta(days=7)
MOST_VIDEOS_AT_ONCE = 10_000
_NO_PREVIOUS = {
    "previous_key_sealed": b"",
    "previous_key_master_id": "",
    "previous_key_last_four": "",
    "previous_key_until": None,
}


def _bound_to(provider: Provider) -> bytes:
    return json.dumps([provider.team.public_id, provider.public_id, provider.kind, provider.base_url]).encode()


def _seal(provider: Provider, api_key: str) -> None:
    master = base64.b64decode(settings.MASTER_KEYS[settings.MASTER_KEY_ID])
    nonce = os.urandom(NONCE_BYTES)
    provider.key_sealed = nonce + AESGCM(master).encrypt(nonce, api_key.encode(), _bound_to(provider))
    provider.key_master_id = settings.MASTER_KEY_ID
    provider.key_last_four = api_key[-4:] if len(api_key) >= 12 else ""


def _open(provider: Provider) -> str:
    if not provider.key_sealed:
        return ""
    broken = Unavailable(
        f"The stored key of {provider.name} cannot be opened. Remove the provider and connect it again."
    )
    master = settings.MASTER_KEYS.get(provider.key_master_id)
    if master is None:
        raise broken
    sealed = bytes(provider.key_sealed)
    try:
        opened = AESGCM(base64.b64decode(master)).decrypt(
            sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound_to(provider)
        )
    except InvalidTag:
        raise broken from None
    return opened.decode()


def store(
    team: Team,
    *,
    kind: Provider.Kind,
    name: str,
    base_url: str,
    api_key: str,
    models_by_hand: Sequence[str] = (),
    by: Caller | None = None,
) -> Provider:
    """Keep a connected provider with its key sealed. An empty key is stored as none: some local servers want none."""
    provider = Provider(
        team=team,
        kind=kind,
        name=name,
        base_url=base_url,
        models_by_hand=list(models_by_hand),
        last_ok_at=timezone.now(),
    )
    if api_key:
        _seal(provider, api_key)
    try:
        with transaction.atomic():
            provider.save(force_insert=True)
            _record(provider, "provider connected", by=by, base_url=base_url)
    except IntegrityError:
        raise Conflict(f"A provider named {name} is connected already. Choose another name.", param="name") from None
    return provider


def store_embedded(team: Team) -> Provider:
    """The team's row for the built-in provider, made once."""
    provider, _ = Provider.objects.get_or_create(team=team, kind=Provider.Kind.EMBEDDED, defaults={"name": "Built in"})
    return provider


@transaction.atomic
def remove(provider: Provider, *, by: Caller) -> None:
    provider.delete()
    _record(provider, "provider removed", by=by)


@transaction.atomic
def rotate(provider: Provider, *, base_url: str, api_key: str, overlap: timedelta, by: Caller) -> Provider:
    """Give a provider another key, and another address if it has moved. The key it had is kept until the overlap is
    over; at another address it would not open, so there it ends at once. Of two who rotate at once, one does. Returns
    the provider as it is now. Raises Conflict."""
    fresh = copy.copy(provider)
    fresh.base_url, fresh.key_sealed, fresh.key_master_id, fresh.key_last_four = base_url, b"", "", ""
    if api_key:
        _seal(fresh, api_key)
    columns = {
        "base_url": base_url,
        "key_sealed": fresh.key_sealed,
        "key_master_id": fresh.key_master_id,
        "key_last_four": fresh.key_last_four,
        "fell_back_at": None,
        **_NO_PREVIOUS,
    }
    if provider.key_sealed and base_url == provider.base_url and overlap > timedelta(0):
        columns |= {
            "previous_key_sealed": provider.key_sealed,
            "previous_key_master_id": provider.key_master_id,
            "previous_key_last_four": provider.key_last_four,
            "previous_key_until": timezone.now() + min(overlap, LONGEST_OVERLAP),
        }
    if not _as_read(provider).update(**columns):
        raise Conflict(f"The key of {provider.name} was replaced a moment ago by somebody else, or it was removed.")
    until = columns["previous_key_until"]
    _record(
        provider,
        "provider key rotated",
        by=by,
        last_four=fresh.key_last_four,
        before=provider.key_last_four,
        base_url=base_url,
        old_one_until=f"{until:%Y-%m-%d %H:%M} UTC" if until else "now",
    )
    for column, value in columns.items():
        setattr(fresh, column, value)
    return fresh


@transaction.atomic
def fall_back(provider: Provider, *, refused: Endpoint) -> Endpoint | None:
    """Where to try again when a provider refuses a key: with the one before it while their overlap lasts, which is the
    provider's key from then on. Of those whom it refuses at once, one changes it and all find it. None where there is
    no other."""
    row = Provider.objects.select_related("team").filter(pk=provider.pk).first()
    if row is None or refused.is_local or row.base_url != refused.base_url:
        return None
    if _open(row) != refused.api_key:
        return endpoint(row)
    now = timezone.now()
    if row.previous_key_until is None or row.previous_key_until <= now:
        return None
    changed = _as_read(row).update(
        key_sealed=F("previous_key_sealed"),
        key_master_id=F("previous_key_master_id"),
        key_last_four=F("previous_key_last_four"),
        fell_back_at=now,
        **_NO_PREVIOUS,
    )
    if changed:
        facts = {"refused": row.key_last_four, "used": row.previous_key_last_four}
        _record(row, "provider key fell back", by=None, **facts)
        logger.warning("provider key fell back", extra={"provider": row.public_id})
    row.refresh_from_db()
    return endpoint(row)


def end_overlaps() -> int:
    """Destroy the keys before the last whose time is over. Returns how many."""
    over = Provider.objects.filter(previous_key_until__lte=timezone.now())
    return over.update(**_NO_PREVIOUS)


@transaction.atomic
def pause(provider: Provider, *, by: Caller) -> bool:
    """Ask it for nothing until it is resumed. False where it was paused already."""
    running = Provider.objects.filter(pk=provider.pk, paused_at=None)
    changed = running.update(paused_at=timezone.now(), paused_by=by.user)
    if changed:
        _record(provider, "provider paused", by=by)
    return bool(changed)


@transaction.atomic
def resume(provider: Provider, *, by: Caller) -> bool:
    """False where it was not paused."""
    paused = Provider.objects.filter(pk=provider.pk, paused_at__isnull=False)
    changed = paused.update(paused_at=None, paused_by=None)
    if changed:
        _record(provider, "provider resumed", by=by)
    return bool(changed)


@transaction.atomic
def cap_videos(provider: Provider, *, most: int | None, by: Caller) -> None:
    """Give it at most so many video tasks at a time; None: as many as come. Raises BadRequest."""
    if most is not None and not 1 <= most <= MOST_VIDEOS_AT_ONCE:
        raise BadRequest(
            f"Give a number of videos from 1 to {MOST_VIDEOS_AT_ONCE:,}, or leave it empty for as many as come.",
            param="videos_at_once",
        )
    Provider.objects.filter(pk=provider.pk).update(videos_at_once=most)
    _record(provider, "videos at once", by=by, most=most)


@transaction.atomic
def move(provider: Provider, *, place: int, by: Caller) -> bool:
    """Put a provider at a place of its team's order, counted from 1; beyond the ends it is put at the end. The built-in
    one has no place: it alone serves what it serves. False where it was there already."""
    team = Team.objects.select_for_update().get(pk=provider.team_id)
    rows = list(team.providers.exclude(kind=Provider.Kind.EMBEDDED).order_by("place", "pk"))
    order = [row.pk for row in rows if row.pk != provider.pk]
    order.insert(max(0, place - 1), provider.pk)
    if [row.pk for row in rows] == order:
        return False
    places = {pk: number for number, pk in enumerate(order, start=1)}
    for row in rows:
        row.place = places[row.pk]
    Provider.objects.bulk_update(rows, ["place"])
    _record(provider, "provider moved", by=by, place=places[provider.pk])
    return True


def _as_read(provider: Provider) -> QuerySet[Provider]:
    """The row, if its key and address are still those that were read."""
    same = {"key_sealed": bytes(provider.key_sealed), "base_url": provider.base_url}
    return Provider.objects.filter(pk=provider.pk, **same)


def _record(provider: Provider, action: str, *, by: Caller | None, **facts: object) -> None:
    actor = by.user if by else None
    audit.record(provider.team_id, actor=actor, action=action, subject=provider.name, **facts)


def note_success(provider: Provider) -> None:
    Provider.objects.filter(pk=provider.pk).update(last_ok_at=timezone.now(), last_error="")


def note_failure(provider: Provider, sentence: str) -> None:
    Provider.objects.filter(pk=provider.pk).update(last_error=sentence[:500])


@once_a_group
def endpoint(provider: Provider, model_id: str = model.MODEL_ID) -> Endpoint:
    """Where and with which key to call a provider; the built-in one has a process for each model. Raises
    ProviderUnavailable while that is not running."""
    if provider.kind != Provider.Kind.EMBEDDED:
        return Endpoint(base_url=provider.base_url, api_key=_open(provider))
    built_in = Path(settings.EMBEDDED_RUNTIME_FILE)
    is_own = model_id != model.MODEL_ID
    running = runtime.read(own.runtime_file(built_in, model_id) if is_own else built_in)
    if running is None:
        raise ProviderUnavailable(
            f"{model_id} is not running: its file is still being loaded, or cannot be. The server's output says which."
            if is_own
            else "The built-in model is not running. Start the server without --no-embedded."
        )
    return Endpoint(base_url=running.base_url, api_key=running.token, is_local=True)
