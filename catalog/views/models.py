"""The catalog: finding, comparing and looking at models, and what admins say of them."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Membership
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import BadRequest, Conflict, NotFound
from catalog import curation, dossier, pages, vantage
from catalog.lines import just_seen, lines, named
from catalog.search import MOST_COMPARED, Wanted, search

ADMIN = Membership.Role.ADMIN
API_PATH = "/api/v1"


@require_safe
@signed_in()
def models(request: CallerRequest) -> HttpResponse:
    """The whole page; for htmx what is found, by itself the next rows, or what is chosen to compare."""
    wanted = Wanted.of(request.GET)
    caller = vantage.viewer(request.caller, wanted.vantage)
    read = just_seen if request.htmx else lines
    seen = read(caller, sees_hidden=request.caller.has_role(ADMIN))
    found = search(seen, wanted)
    context = {
        "wanted": wanted,
        "found": found,
        "facets": pages.facets(found.facets),
        "rows": pages.rows(found.lines, wanted.compared),
        "total": len(seen),
        "compared": pages.compared(seen, wanted.compared, shown=found.lines),
        "most_compared": MOST_COMPARED,
        "without_compared": wanted.address(compares=False),
    }
    if request.htmx:
        part = "more-rows" if wanted.after else "models-found"
        if "compare-dock" in (request.htmx.target or ""):  # htmx writes div#compare-dock
            part = "compare-dock"
        return HttpResponse(render_to_string(f"catalog/models.html#{part}", context))
    context["vantages"] = vantage.choices(request.caller, wanted.vantage)
    context["provider_count"] = len({name for line in seen for name in line.providers})
    return render(request, "catalog/models.html", context)


@require_safe
@signed_in()
def compare_models(request: CallerRequest) -> HttpResponse:
    wanted = Wanted.of(request.GET)
    seen = lines(request.caller, sees_hidden=request.caller.has_role(ADMIN))
    context = {"table": pages.comparison(seen, wanted.compared), "query": request.GET}
    return render(request, "catalog/compare.html", context)


@require_safe
@signed_in()
def model(request: CallerRequest, model_id: str) -> HttpResponse:
    return _model_page(request, model_id.rstrip("/"))


@require_POST
@signed_in(least=ADMIN)
def hide_model(request: CallerRequest) -> HttpResponse:
    model_id, is_hidden = request.POST.get("model", ""), request.POST.get("hidden") == "yes"
    if curation.hide(request.caller, model_id, is_hidden=is_hidden):
        messages.success(request, f"{model_id} is {'hidden: nobody can call it' if is_hidden else 'shown again'}.")
    return _back(model_id)


@require_POST
@signed_in(least=ADMIN)
def deprecate_model(request: CallerRequest) -> HttpResponse:
    model_id, is_deprecated = request.POST.get("model", ""), request.POST.get("deprecated") == "yes"
    replaced_by = request.POST.get("replaced_by", "")
    try:
        curation.deprecate(request.caller, model_id, is_deprecated=is_deprecated, replaced_by=replaced_by)
    except BadRequest as refusal:
        return _refused(request, model_id, refusal, {"replaced_by": replaced_by})
    messages.success(request, f"{model_id} is {'marked as deprecated' if is_deprecated else 'current again'}.")
    return _back(model_id)


@require_POST
@signed_in(least=ADMIN)
def add_alias(request: CallerRequest) -> HttpResponse:
    model_id, alias = request.POST.get("model", ""), request.POST.get("alias", "")
    try:
        curation.add_alias(request.caller, model_id, alias)
    except (BadRequest, Conflict) as refusal:
        return _refused(request, model_id, refusal, {"alias": alias})
    messages.success(request, f"{alias.strip()} stands for {model_id} now.")
    return _back(model_id)


@require_POST
@signed_in(least=ADMIN)
def remove_alias(request: CallerRequest) -> HttpResponse:
    alias = request.POST.get("alias", "")
    curation.remove_alias(request.caller, alias)
    messages.success(request, f"{alias} stands for nothing now.")
    return _back(request.POST.get("model", ""))


@require_POST
@signed_in(least=ADMIN)
def set_offer(request: CallerRequest) -> HttpResponse:
    """Its place among the offers, whether it is on, and where a price is typed, what it costs."""
    typed = {name: request.POST.get(name, "") for name in ("provider", "priority", "prompt", "completion", "cached")}
    model_id = request.POST.get("model", "")
    try:
        dossier.change_offer(request.caller, model_id, typed, is_on=request.POST.get("on") == "yes")
    except BadRequest as refusal:
        return _refused(request, model_id, refusal, typed)
    messages.success(request, f"The offer of {model_id} is changed.")
    return _back(model_id)


@require_POST
@signed_in(least=ADMIN)
def draw_model(request: CallerRequest) -> HttpResponse:
    model_id = request.POST.get("model", "")
    try:
        curation.draw(request.caller, model_id)
    except BadRequest as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, f"Where no other provider makes {model_id}, a storyboard is drawn in its place.")
    return _back(model_id)


def _back(model_id: str) -> HttpResponse:
    return redirect("model", model_id) if model_id else redirect("models")


def _model_page(
    request: CallerRequest, model_id: str, *, problem: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    is_admin = request.caller.has_role(ADMIN)
    line = named(request.caller, model_id, sees_hidden=is_admin)
    if line is None:
        raise NotFound(f"There is no model {model_id[:100]!r} in the catalog. Look for it under Models.")
    shown = dossier.of(request.caller, line)
    context = {
        "dossier": shown,
        "line": line,
        "team_aliases": request.caller.team.aliases.filter(model_id=line.model_id).order_by("alias"),
        "is_admin": is_admin,
        "may_be_drawn": is_admin and curation.can_be_drawn(shown.known) and not shown.is_drawn,
        "problem": problem or {},
        "base_url": request.build_absolute_uri(API_PATH),
    }
    return render(request, "catalog/model.html", context, status=status)


def _refused(request: CallerRequest, model_id: str, refusal: Any, typed: dict[str, str]) -> HttpResponse:
    """The sentence at the field, with what was typed still in it."""
    problem = {"param": refusal.param, "sentence": refusal.detail, "typed": typed}
    return _model_page(request, model_id, problem=problem, status=422)
