"""What the Keys & Balance page shows of a team's credit: its header, the forms to add to it, and the ledger."""

from collections.abc import Mapping
from typing import Any

from django.forms import Form
from django.utils import timezone

from accounts import credit, movements
from accounts.balance_forms import CorrectionForm, GrantForm, RedeemForm
from accounts.callers import Caller
from accounts.models import Membership
from accounts.usage import sees_all


def shown(caller: Caller, asked: Mapping[str, str], sent: Mapping[str, Form] | None = None) -> dict[str, Any]:
    """All of it. `asked` are the words of the address; `sent` forms that were refused, by name."""
    context: dict[str, Any] = {"credit": credit.of(caller.team, now=timezone.now())} | ledger_of(caller, asked)
    if caller.has_role(Membership.Role.ADMIN):
        context |= {"grant_form": GrantForm(), "redeem_form": RedeemForm()}
    if caller.has_role(Membership.Role.OWNER):
        context["correction_form"] = CorrectionForm()
    return context | dict(sent or {})


def ledger_of(caller: Caller, asked: Mapping[str, str]) -> dict[str, Any]:
    """The ledger, or its lines behind the cursor `before`, filtered by `entries`. Raises BadRequest."""
    shows_all = sees_all(caller)
    kind, before = asked.get("entries", ""), asked.get("before", "")
    kind = kind if kind in movements.KINDS and shows_all else ""
    return {
        "ledger": movements.page(caller, kind=kind, before=before),
        "kind": kind,
        "kinds": list(movements.KINDS.items()),
        "shows_all": shows_all,
        "is_first": not before,
    }
