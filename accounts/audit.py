"""The audit log: who did what that others may have to account for. The only writer of AuditEntry rows."""

from typing import Any

from accounts.ids import current_request_id
from accounts.models import AuditEntry, User


def record(team_id: int, *, actor: User | None, action: str, subject: str, **facts: Any) -> None:
    """Write it in the caller's transaction, so that what was done and its record are one. No secrets among `facts`."""
    AuditEntry.objects.create(
        team_id=team_id,
        actor=actor,
        action=action,
        subject=subject[:200],
        facts=facts,
        request_id=current_request_id(),
    )
