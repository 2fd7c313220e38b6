"""What admins do with a provider that is connected: ask it, take what its list changes, replace its key, pause, move
and remove it."""

from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from accounts import vault
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import BadRequest, Conflict
from catalog import pending, sync
from catalog.connections import find
from catalog.forms import RotateProviderForm
from catalog.views.providers import ADMIN, field_at_fault, page
from upstream.errors import UpstreamError


@require_POST
@signed_in(least=ADMIN)
def check(request: CallerRequest, public_id: str) -> HttpResponse:
    """Whether it answers with its key, and how many models it lists. Nothing of its list is taken."""
    provider = find(request.caller, public_id)
    try:
        listed = sync.difference(provider).listed
    except UpstreamError as error:
        messages.error(request, f"{provider.name}: {error}")
    else:
        messages.success(request, f"{provider.name} answers and lists {_models(len(listed))}.")
    return _back(request)


@require_POST
@signed_in(least=ADMIN)
def look(request: CallerRequest, public_id: str) -> HttpResponse:
    """Ask for its list and show what that would change."""
    provider = find(request.caller, public_id)
    try:
        if not pending.look(provider):
            count = provider.offers.count()
            messages.success(request, f"Nothing changed: {provider.name} serves {_models(count)}.")
    except UpstreamError as error:
        messages.error(request, f"{provider.name}: {error}")
    return _back(request)


@require_POST
@signed_in(least=ADMIN)
def apply(request: CallerRequest, public_id: str) -> HttpResponse:
    """Take what was shown."""
    provider = find(request.caller, public_id)
    accepts = request.POST.get("accepts_prices") == "yes"
    try:
        count = pending.apply(provider, seen=request.POST.get("seen", ""), accepts_prices=accepts, by=request.caller)
    except UpstreamError as error:
        messages.error(request, f"{provider.name}: {error} Nothing was applied.")
    except Conflict as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, f"{provider.name} serves {_models(count)}.")
    return _back(request)


@require_POST
@signed_in(least=ADMIN)
def dismiss(request: CallerRequest, public_id: str) -> HttpResponse:
    pending.dismiss(find(request.caller, public_id), seen=request.POST.get("seen", ""))
    return _back(request)


@require_POST
@sensitive_post_parameters("api_key")
@signed_in(least=ADMIN)
def rotate(request: CallerRequest, public_id: str) -> HttpResponse:
    provider = find(request.caller, public_id)
    if provider.kind == provider.Kind.EMBEDDED:
        raise Conflict("The built-in model has no key to replace.")
    form = RotateProviderForm(request.POST, provider=provider)
    if form.is_valid():
        try:
            count = sync.rotate(provider, **form.cleaned_data, by=request.caller)
        except UpstreamError as error:
            form.add_error(field_at_fault(error), f"{error} The key it had stays.")
        except Conflict as refusal:
            form.add_error(None, refusal.detail)
        else:
            messages.success(request, f"{provider.name} takes the new key and lists {_models(count)}.")
            return redirect("providers")
    return page(request, rotating=provider, rotate_form=form, status=422)


@require_POST
@signed_in(least=ADMIN)
def pause(request: CallerRequest, public_id: str) -> HttpResponse:
    provider = find(request.caller, public_id)
    vault.pause(provider, by=request.caller)
    messages.success(request, f"{provider.name} is paused: it is asked for nothing until you resume it.")
    return _back(request)


@require_POST
@signed_in(least=ADMIN)
def resume(request: CallerRequest, public_id: str) -> HttpResponse:
    provider = find(request.caller, public_id)
    vault.resume(provider, by=request.caller)
    messages.success(request, f"{provider.name} is asked again.")
    return _back(request)


@require_POST
@signed_in(least=ADMIN)
def move(request: CallerRequest, public_id: str) -> HttpResponse:
    provider = find(request.caller, public_id)
    try:
        place = int(request.POST.get("place", ""))
    except ValueError:
        raise BadRequest("Say at which place it is tried, as a number from 1.", param="place") from None
    vault.move(provider, place=place, by=request.caller)
    return _back(request)


@require_POST
@signed_in(least=ADMIN)
def cap_videos(request: CallerRequest, public_id: str) -> HttpResponse:
    provider, typed = find(request.caller, public_id), request.POST.get("videos_at_once", "").strip()
    is_number = typed.isascii() and typed.isdigit() and len(typed) <= 9
    try:
        vault.cap_videos(provider, most=int(typed) if is_number else 0 if typed else None, by=request.caller)
    except BadRequest as refusal:
        messages.error(request, refusal.detail)
    else:
        told = f"at most {typed} video{'' if typed == '1' else 's'} at once" if typed else "as many videos as come"
        messages.success(request, f"{provider.name} is given {told}.")
    return _back(request)


@require_POST
@signed_in(least=ADMIN)
def remove(request: CallerRequest, public_id: str) -> HttpResponse:
    provider = find(request.caller, public_id)
    sync.remove(provider, by=request.caller)
    messages.success(request, f"{provider.name} is removed and its key destroyed.")
    return redirect("providers")


def _models(count: int) -> str:
    return f"{count} model{'' if count == 1 else 's'}"


def _back(request: CallerRequest) -> HttpResponse:
    """To the page; for htmx, which showed that it is asking, the page anew where the reader is in it."""
    if not request.htmx:
        return redirect("providers")
    here = reverse("providers")
    is_there = urlsplit(request.htmx.current_url_abs_path or "").path == here
    return HttpResponseClientRefresh() if is_there else HttpResponseClientRedirect(here)
