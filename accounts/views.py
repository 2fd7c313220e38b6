"""The Keys page: the access keys people issue to their programs."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import keys as access_keys
from accounts.forms import AccessKeyForm
from accounts.models import Membership
from accounts.policies import CallerRequest, signed_in

API_PATH = "/api/v1"


@require_safe
@signed_in()
def keys(request: CallerRequest) -> HttpResponse:
    return _page(request)


@require_POST
@never_cache  # the one answer that holds a key: it must not come back from a cache or by the back button
@signed_in(least=Membership.Role.MEMBER)
def create_key(request: CallerRequest) -> HttpResponse:
    form = AccessKeyForm(request.POST)
    if not form.is_valid():
        return _page(request, form=form, status=422)
    _, key = access_keys.issue(request.caller, name=form.cleaned_data["name"])
    return _page(request, fresh_key=key, status=201)


@require_POST
@signed_in()
def revoke_key(request: CallerRequest, public_id: str) -> HttpResponse:
    revoked = access_keys.revoke(request.caller, public_id=public_id)
    messages.success(request, f"{revoked.name} is revoked. Whatever used it is refused from now on.")
    return redirect("keys")


def _page(
    request: CallerRequest, *, form: AccessKeyForm | None = None, fresh_key: str = "", status: int = 200
) -> HttpResponse:
    may_create = request.caller.has_role(Membership.Role.MEMBER)
    context = {
        "keys": list(access_keys.visible_to(request.caller).for_list()),
        "form": form or (AccessKeyForm() if may_create else None),
        "fresh_key": fresh_key,
        "base_url": request.build_absolute_uri(API_PATH),
    }
    return render(request, "accounts/keys.html", context, status=status)
