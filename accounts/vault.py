"""Provider keys: sealing and opening them. The only writer of Provider rows and the only reader of sealed keys.

A key is sealed with AES-256-GCM, bound to its team, row, kind and base URL: moved to another row, or with its address
changed underneath, it no longer opens, so nobody can have it sent to a server of theirs. The row keeps the id of the
master key that sealed it, so that the master key can be rotated.
"""

import base64
import json
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Provider, Team
from accounts.refusals import Conflict, ProviderUnavailable, Unavailable
from upstream.client import Endpoint
from upstream.embedded import runtime

NONCE_BYTES = 12


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


def store(team: Team, *, kind: Provider.Kind, name: str, base_url: str, api_key: str) -> Provider:
    """Keep a connected provider with its key sealed. An empty key is stored as none: some local servers want none."""
    provider = Provider(team=team, kind=kind, name=name, base_url=base_url, last_ok_at=timezone.now())
    if api_key:
        _seal(provider, api_key)
    try:
        with transaction.atomic():
            provider.save(force_insert=True)
    except IntegrityError:
        raise Conflict(f"A provider named {name} is connected already. Choose another name.", param="name") from None
    return provider


def store_embedded(team: Team) -> Provider:
    """The team's row for the built-in provider, made once."""
    provider, _ = Provider.objects.get_or_create(team=team, kind=Provider.Kind.EMBEDDED, defaults={"name": "Built in"})
    return provider


def remove(provider: Provider) -> None:
    provider.delete()


def note_success(provider: Provider) -> None:
    Provider.objects.filter(pk=provider.pk).update(last_ok_at=timezone.now(), last_error="")


def note_failure(provider: Provider, sentence: str) -> None:
    Provider.objects.filter(pk=provider.pk).update(last_error=sentence[:500])


def endpoint(provider: Provider) -> Endpoint:
    """Where and with which key to call a provider. Raises ProviderUnavailable while the built-in one is not running."""
    if provider.kind != Provider.Kind.EMBEDDED:
        return Endpoint(base_url=provider.base_url, api_key=_open(provider))
    running = runtime.read(Path(settings.EMBEDDED_RUNTIME_FILE))
    if running is None:
        raise ProviderUnavailable("The built-in model is not running. Start the server without --no-embedded.")
    return Endpoint(base_url=running.base_url, api_key=running.token, is_local=True)
