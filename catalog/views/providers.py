"""The Providers page, and connecting one: presets, the test and the form. What is done with those that are connected is
in `connected.py`."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Membership, Provider
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import Conflict
from catalog import pending, presets, sync
from catalog.connections import connections, find
from catalog.forms import ConnectForm, RotateProviderForm
from upstream.client import Endpoint
from upstream.errors import Garbled, Refused, TimedOut, Unreachable, UpstreamError

ADMIN = Membership.Role.ADMIN


@require_safe
@signed_in()
def providers(request: CallerRequest) -> HttpResponse:
    """With ?preset= the form is filled in, with ?rotate= the panel that replaces a provider's key is open."""
    if not request.caller.has_role(ADMIN):
        return page(request)
    if preset := presets.named(request.GET.get("preset", "")):
        typed = {"kind": preset.kind.value, "name": preset.name, "base_url": preset.base_url}
        return page(request, form=ConnectForm(initial=typed), preset=preset)
    if public_id := request.GET.get("rotate"):
        return page(request, rotating=find(request.caller, public_id))
    return page(request)


@require_POST
@sensitive_post_parameters("api_key")
@signed_in(least=ADMIN)
def connect(request: CallerRequest) -> HttpResponse:
    form = ConnectForm(request.POST)
    if form.is_valid():
        try:
            connected = sync.connect(request.caller.team, **form.cleaned_data, by=request.caller)
        except UpstreamError as error:
            form.add_error(field_at_fault(error), str(error))
        except Conflict as refusal:
            form.add_error(refusal.param, refusal.detail)
        else:
            messages.success(request, f"{connected.name} is connected. Its models can be called now.")
            return redirect("providers")
    return page(request, form=form, status=422)


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
            listed = sync.read_models(
                endpoint, kind=form.cleaned_data["kind"], models_by_hand=form.cleaned_data["models_by_hand"]
            )
            found = {"model_ids": [model.id for model in listed]}
        except UpstreamError as error:
            found = {"error": str(error)}
    else:
        found = {"error": " ".join(str(sentence) for sentences in form.errors.values() for sentence in sentences)}
    status = 422 if "error" in found else 200
    if not request.htmx:
        return page(request, form=form, connection=found, status=status)
    return render(request, "catalog/_connect.html#connection-result", {"connection": found}, status=status)


def page(
    request: CallerRequest,
    *,
    form: ConnectForm | None = None,
    preset: presets.Preset | None = None,
    connection: dict[str, Any] | None = None,
    rotating: Provider | None = None,
    rotate_form: RotateProviderForm | None = None,
    status: int = 200,
) -> HttpResponse:
    may_manage = request.caller.has_role(ADMIN)
    listed = connections(request.caller.team, with_dependents=may_manage)
    context: dict[str, Any] = {
        "providers": listed,
        "ordered_count": sum(not provider.is_embedded for provider in listed),
        "may_manage": may_manage,
    }
    if may_manage:
        context |= {
            "pending": pending.waiting(request.caller.team),
            "form": form or ConnectForm(),
            "preset": preset,
            "presets": presets.PRESETS,
            "connection": connection,
            "rotating": rotating,
            "rotate_form": rotate_form or (RotateProviderForm(provider=rotating) if rotating else None),
        }
    return render(request, "catalog/providers.html", context, status=status)


def field_at_fault(error: UpstreamError) -> str | None:
    """The field to correct; None where nothing typed is at fault."""
    match error:
        case Refused(status=401 | 403):
            return "api_key"
        case Refused(status=404 | 405) | Unreachable() | TimedOut() | Garbled():
            return "base_url"
        case _:
            return None
