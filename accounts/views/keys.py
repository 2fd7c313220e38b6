"""Keys & Balance, its keys: those that people issue to their programs, their limits, and what becomes of them."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import balance, key_list, model_ids
from accounts import keys as access_keys
from accounts.callers import Caller
from accounts.key_forms import AccessKeyForm, RotateForm
from accounts.models import AccessKey, Membership, User
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import BadRequest, Conflict
from accounts.team_forms import refuse

API_PATH = "/api/v1"
MEMBER, ADMIN = Membership.Role.MEMBER, Membership.Role.ADMIN


@require_safe
@signed_in()
def keys(request: CallerRequest) -> HttpResponse:
    """Asked for by htmx, the rows alone: somebody searches."""
    if request.htmx.request_type == "partial":
        return render(request, "accounts/_keys.html#keys-rows", _listed(request))
    return page(request, **_panel(request))


@require_POST
@never_cache  # the answers that hold a key: they must not come back from a cache or by the back button
@signed_in(MEMBER)
def create_key(request: CallerRequest) -> HttpResponse:
    form = _form(request.caller, request.POST)
    if form.is_valid():
        try:
            row, key = access_keys.issue(
                request.caller,
                name=form.cleaned_data["name"],
                owner=None if form.owner_id is None else User.objects.get(pk=form.owner_id),
                limits=form.limits(request.caller.team),
            )
        except BadRequest as refusal:
            refuse(form, refusal)
        else:
            return _fresh(request, row, key, status=201)
    return page(request, form=form, status=422)


@require_POST
@signed_in(MEMBER)
def change_key(request: CallerRequest, public_id: str) -> HttpResponse:
    key = access_keys.find_visible(request.caller, public_id)
    form = _form(request.caller, request.POST, key=key)
    if form.is_valid():
        try:
            changed = access_keys.change(
                request.caller,
                public_id=public_id,
                name=form.cleaned_data["name"],
                limits=form.limits(request.caller.team),
            )
        except BadRequest as refusal:
            refuse(form, refusal)
        else:
            messages.success(request, f"The limits of {changed.name} hold from its next request on.")
            return redirect("keys")
    return page(request, form=form, changing=key, status=422)


@require_POST
@never_cache
@signed_in(MEMBER)
def rotate_key(request: CallerRequest, public_id: str) -> HttpResponse:
    key = access_keys.find_visible(request.caller, public_id)
    form = RotateForm(request.POST)
    if form.is_valid():
        try:
            row, new = access_keys.rotate(request.caller, public_id=public_id, overlap=form.old_one_lasts)
        except BadRequest as refusal:
            refuse(form, refusal)
        except Conflict as refusal:  # somebody else was first: the page shows what became of it
            messages.warning(request, refusal.detail)
            return redirect("keys")
        else:
            return _fresh(request, row, new)
    return page(request, **_rotation(key, form), status=422)


@require_POST
@signed_in()
def revoke_key(request: CallerRequest, public_id: str) -> HttpResponse:
    revoked = access_keys.revoke(request.caller, public_id=public_id)
    messages.success(request, f"{revoked.name} is revoked. Whatever used it is refused from now on.")
    return redirect("keys")


@require_safe
@signed_in()
def first_request(request: CallerRequest, public_id: str) -> HttpResponse:
    """What the page that shows a new key asks for, again and again, until a request with it went well."""
    key = access_keys.find_visible(request.caller, public_id)
    return render(request, "accounts/_first_request.html", {"first": key_list.first_request(key)})


# The page


def page(
    request: CallerRequest, *, balance_forms: Mapping[str, Form] | None = None, status: int = 200, **panel: Any
) -> HttpResponse:
    """`balance_forms` are forms about the team's credit that were refused, `panel` what the open panel needs."""
    context = _listed(request) | balance.shown(request.caller, request.GET, balance_forms)
    if context["may_create"] and not context["keys"] and not panel and not context["wanted"]:
        panel = {"form": _form(request.caller)}  # there is nothing else to do yet
    return render(request, "accounts/keys.html", {"form": None} | context | panel, status=status)


def _fresh(request: CallerRequest, row: AccessKey, key: str, *, status: int = 200) -> HttpResponse:
    """The page with a key that is shown this once, and what becomes of its first request."""
    callable_ids = row.allowed_models or model_ids.of(request.caller.team)
    return page(
        request,
        status=status,
        fresh_key=key,
        fresh=row,
        fresh_words=key_list.in_words(row),
        first=key_list.first_request(row),
        model_id=next(iter(callable_ids), "deepseek/deepseek-chat"),
    )


def _listed(request: CallerRequest) -> dict[str, Any]:
    wanted, with_revoked = request.GET.get("q", ""), "revoked" in request.GET
    listed = key_list.of(request.caller, text=wanted, with_revoked=with_revoked)
    return {
        "keys": listed.rows,
        "listed": listed,
        "wanted": wanted,
        "with_revoked": with_revoked,
        "may_create": request.caller.has_role(MEMBER),
        "key_zone": request.caller.team.time_zone,
        "base_url": request.build_absolute_uri(API_PATH),
    }


def _panel(request: CallerRequest) -> dict[str, Any]:
    """What the address asks for above the list: to make a key, to change one, to rotate one."""
    caller, asked = request.caller, request.GET
    if not caller.has_role(MEMBER):
        return {}
    if "change" in asked:
        key = access_keys.find_visible(caller, asked["change"])
        return {"form": _form(caller, key=key), "changing": key}
    if "rotate" in asked:
        return _rotation(access_keys.find_visible(caller, asked["rotate"]), RotateForm())
    return {"form": _form(caller)} if "new" in asked else {}


def _rotation(key: AccessKey, form: RotateForm) -> dict[str, Any]:
    return {"rotating": key, "rotate_form": form, "is_rotating": key.is_rotating(at=timezone.now())}


def _form(caller: Caller, data: Any = None, *, key: AccessKey | None = None) -> AccessKeyForm:
    owners = [] if key else access_keys.possible_owners(caller)
    return AccessKeyForm(data, models=model_ids.of(caller.team), owners=owners, key=key)
