"""This room's background jobs, by the names under which they are queued."""

import logging

from accounts import queue, vault
from accounts.models import Provider
from accounts.refusals import Refusal
from catalog import pending
from upstream.errors import UpstreamError

logger = logging.getLogger(__name__)


def sync_all() -> None:
    """Every hour. One job a provider: a slow one keeps no other waiting."""
    vault.end_overlaps()
    for pk in Provider.objects.exclude(kind=Provider.Kind.EMBEDDED).values_list("pk", flat=True):
        queue.enqueue("catalog.jobs.sync_provider", pk)


def sync_provider(provider_id: int) -> None:
    """Take what only adds to a provider's offers. A failure is noted on the provider, where its page shows it."""
    provider = Provider.objects.select_related("team").filter(pk=provider_id).first()
    if provider is None:  # removed since it was queued
        return
    try:
        pending.look_by_itself(provider)
    except (UpstreamError, Refusal) as error:
        logger.warning("catalog not synced", extra={"provider": provider.public_id, "why": type(error).__name__})
