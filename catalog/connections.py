"""The providers a team is connected to, as its Providers page shows them. Knows no key; writes nothing."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from django.conf import settings
from django.db.models import Count, Q

from accounts.callers import Caller
from accounts.models import Provider, Team
from accounts.refusals import NotFound
from upstream.embedded import runtime

type State = Literal["healthy", "failing", "unknown"]


@dataclass(frozen=True, slots=True)
class Connection:
    """`state` is healthy, failing (its last answer was an error) or unknown (the built-in model is not running)."""

    public_id: str
    name: str
    kind: str
    get_kind_display: str
    base_url: str
    last_four: str
    state: State
    state_word: str
    last_ok_at: datetime | None
    last_error: str
    model_count: int
    connected_at: datetime
    is_embedded: bool


def connections(team: Team) -> list[Connection]:
    """The built-in one first, then by name. One query."""
    providers = team.providers.annotate(model_count=Count("offers", filter=Q(offers__is_on=True)))
    rows = [_connection(provider, provider.model_count) for provider in providers]
    return sorted(rows, key=lambda row: (not row.is_embedded, row.name.casefold()))


def find(caller: Caller, public_id: str) -> Provider:
    """One of the team's providers. Raises NotFound, also for one of another team."""
    found = caller.team.providers.select_related("team").filter(public_id=public_id).first()
    if found is None:
        raise NotFound("There is no such provider in this team. It may have been removed.")
    return found


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


def _connection(provider: Provider, model_count: int) -> Connection:
    state, word = _state(provider)
    return Connection(
        public_id=provider.public_id,
        name=provider.name,
        kind=provider.kind,
        get_kind_display=provider.get_kind_display(),
        base_url=provider.base_url,
        last_four=provider.key_last_four,
        state=state,
        state_word=word,
        last_ok_at=provider.last_ok_at,
        last_error=provider.last_error,
        model_count=model_count,
        connected_at=provider.connected_at,
        is_embedded=provider.kind == Provider.Kind.EMBEDDED,
    )


def _state(provider: Provider) -> tuple[State, str]:
    if provider.kind == Provider.Kind.EMBEDDED and not is_embedded_running():
        return "unknown", "Not running"
    if provider.last_error:
        return "failing", "Failing"
    return "healthy", "Healthy"
