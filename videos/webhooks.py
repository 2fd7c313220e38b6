"""News to a caller's `callback_url`: signing it, sending it, and sending it again until it is taken or given up.

What is owed stands in Webhook rows, written with the change they tell of; this is the only writer of how far they got.
A team has one secret for all of them.
"""

import asyncio
import hashlib
import hmac
import json
import random
import time
from collections.abc import Sequence
from datetime import timedelta

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import Team
from upstream import hooks
from upstream.client import Endpoint, fleeting_pool
from upstream.errors import UpstreamError
from upstream.pool import Pool
from videos import wire
from videos.models import Webhook

CLAIMED_AT_ONCE = 100
SENT_AT_ONCE = 8
LEASE = timedelta(seconds=60)
# After each failure; after the last one it is given up.
WAITS = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200, 21600))


def secret(team: Team) -> str:
    """Made from the installation's own secret, so that there is nothing to store, and none of another team's."""
    key = f"videos.webhooks:{settings.SECRET_KEY}".encode()
    return f"whsec_{hmac.new(key, team.public_id.encode(), hashlib.sha256).hexdigest()}"


def signature(secret: str, body: bytes, *, at: int) -> str:
    """Of the moment and the body together, so that an old message cannot be sent again as a new one."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


@transaction.atomic
def claim() -> list[Webhook]:
    now = timezone.now()
    due = Webhook.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now), next_at__lte=now).order_by("next_at")
    if connection.features.has_select_for_update_skip_locked:
        due = due.select_for_update(skip_locked=True)
    owed = list(due[:CLAIMED_AT_ONCE])
    Webhook.objects.filter(pk__in=[hook.pk for hook in owed]).update(lease_until=now + LEASE)
    return owed


async def deliver(owed: Sequence[Webhook]) -> None:
    gate = asyncio.Semaphore(SENT_AT_ONCE)
    async with fleeting_pool(Endpoint(base_url="", api_key="")) as pool:

        async def one(hook: Webhook) -> None:
            async with gate:
                await _deliver(hook, pool)

        await asyncio.gather(*map(one, owed))


async def _deliver(hook: Webhook, pool: Pool) -> None:
    url, body, headers = await sync_to_async(_message, thread_sensitive=True)(hook)
    try:
        await hooks.post(url, body, headers, pool=pool)
    except UpstreamError as error:
        await sync_to_async(_note_failure, thread_sensitive=True)(hook, error.reason)
    else:
        await sync_to_async(_note_taken, thread_sensitive=True)(hook)


def _message(hook: Webhook) -> tuple[str, bytes, dict[str, str]]:
    """The task as it is now, which may be further than what the message was to tell."""
    task = hook.task
    body = json.dumps(wire.as_json(task, base_url=settings.ADDRESS), ensure_ascii=False).encode(errors="replace")
    headers = {
        "x-emma18-delivery": f"{task.public_id}-{hook.version}",
        "x-emma18-event": f"video.task.{hook.state}",
        "x-emma18-signature": signature(secret(task.team), body, at=int(time.time())),
    }
    return task.callback_url, body, headers


def _note_taken(hook: Webhook) -> None:
    now = timezone.now()
    Webhook.objects.filter(pk=hook.pk, attempts=hook.attempts).update(
        attempts=hook.attempts + 1, taken_at=now, next_at=None, lease_until=None, last_error=""
    )


def _note_failure(hook: Webhook, reason: str) -> None:
    is_last = hook.attempts >= len(WAITS)
    wait = timedelta(0) if is_last else WAITS[hook.attempts] * random.uniform(0.8, 1.2)
    Webhook.objects.filter(pk=hook.pk, attempts=hook.attempts).update(
        attempts=hook.attempts + 1,
        next_at=None if is_last else timezone.now() + wait,
        lease_until=None,
        last_error=reason[:200],
    )
