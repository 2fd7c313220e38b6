"""The Providers page: connecting, testing, refreshing and removing what a team's models come from."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Membership
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import Conflict
from catalog import sync
from catalog.connections import connections, find
from catalog.forms import ConnectForm
from upstream.client import Endpoint
from upstream.errors import Garbled, Refused, TimedOut, Unreachable, UpstreamError

ADMIN = Membership.Role.ADMIN


@require_safe
@signed_in()
def providers(request: CallerRequest) -> HttpResponse:
    return _page(request)


@require_POST
@sensitive_post_parameters("api_key")
@signed_in(least=ADMIN)
def connect(request: CallerRequest) -> HttpResponse:
    form = ConnectForm(request.POST)
    if form.is_valid():
        try:
            connected = sync.connect(request.caller.team, **form.cleaned_data)
        except UpstreamError as error:
            form.add_error(_field_at_fault(error), str(error))
        except Conflict as refusal:
            form.add_error(refusal.param, refusal.detail)
        else:
            messages.success(request, f"{connected.name} is connected. Its models can be called now.")
            return redirect("providers")
    return _page(request, form=form, status=422)


@require_POST
@sensitive_post_parameters("api_key")
@signed_in(least=ADMIN)
def test(request: CallerRequest) -> HttpResponse:
    """Ask for the models with what is typed and keep nothing."""
    form = ConnectForm(request.POST)
    found: dict[str, Any]
    if form.is_valid():
        endpoint = Endpoint(base_url=form.cleaned_data["base_url"], api_key=form.cleaned_data["api_key"])
        try:
            found = {"model_ids": [model.id for model in sync.read_models(endpoint)]}
        except UpstreamError as error:
            found = {"error": str(error)}
    else:
        found = {"error": " ".join(str(sentence) for sentences in form.errors.values() for sentence in sentences)}
    status = 422 if "error" in found else 200
    if not request.htmx:
        return _page(request, form=form, connection=found, status=status)
    return render(request, "catalog/_connect.html#connection-result", {"connection": found}, status=status)


@require_POST
@signed_in(least=ADMIN)
def refresh(request: CallerRequest, public_id: str) -> HttpResponse:
    provider = find(request.caller, public_id)
    try:
        count = sync.refresh(provider)
    except UpstreamError as error:
        messages.error(request, f"{provider.name}: {error}")
    else:
        messages.success(request, f"{provider.name} serves {count} model{'' if count == 1 else 's'}.")
    return redirect("providers")


@require_POST
@signed_in(least=ADMIN)
def remove(request: CallerRequest, public_id: str) -> HttpResponse:
    provider = find(request.caller, public_id)
    sync.remove(provider)
    messages.success(request, f"{provider.name} is removed and its key destroyed.")
    return redirect("providers")


def _page(
    request: CallerRequest,
    *,
    form: ConnectForm | None = None,
    connection: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    may_manage = request.caller.has_role(ADMIN)
    context = {
        "providers": connections(request.caller.team),
        "may_manage": may_manage,
        "form": form or (ConnectForm() if may_manage else None),
        "connection": connection,
    }
    return render(request, "catalog/providers.html", context, status=status)


def _field_at_fault(error: UpstreamError) -> str | None:
    """The field to correct; None where nothing typed is at fault."""
    match error:
        case Refused(status=401 | 403):
            return "api_key"
        case Refused(status=404 | 405) | Unreachable() | TimedOut() | Garbled():
            return "base_url"
        case _:
            return None
