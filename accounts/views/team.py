"""The Team page: members and what they may spend, requests for more, the team's settings, and the audit log."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts import history, limits, raises, standing
from accounts.models import Budget, Membership, MoneyRequest
from accounts.money import dollars
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import BadRequest, Conflict
from accounts.team_forms import AnswerForm, BudgetForm, TimeZoneForm, end, refuse

ADMIN = Membership.Role.ADMIN
ANSWERED_SHOWN = 3


@require_safe
@signed_in()
def team(request: CallerRequest) -> HttpResponse:
    return _page(request)


@require_safe
@signed_in(ADMIN)
def audit_log(request: CallerRequest) -> HttpResponse:
    """The log by itself: its next page in the place of the link to it."""
    return render(request, "accounts/team.html#audit-log", _log(request))


# Requests for more


@require_safe
@signed_in()
def asks(request: CallerRequest) -> HttpResponse:
    """What the playground tells a person about their requests, asked for again while one of them waits."""
    news = raises.news(request.caller)
    if news.mark == request.GET.get("known"):  # nothing new: the page stays as it is
        return HttpResponse(status=204)
    return render(request, "accounts/_asks.html", {"news": news})


@require_POST
@signed_in(ADMIN)
def approve(request: CallerRequest, public_id: str) -> HttpResponse:
    form = AnswerForm(request.POST, asked=raises.find(request.caller, public_id))
    if not form.is_valid():
        return _page(request, answering=(public_id, form), status=422)
    answers = form.cleaned_data

    def answer() -> MoneyRequest:
        until = end(answers.get("until"), request.caller.team)
        return raises.approve(
            request.caller, public_id, amount_nanousd=answers["amount"], until=until, answer=answers["answer"]
        )

    return _answered(request, public_id, form, answer)


@require_POST
@signed_in(ADMIN)
def deny(request: CallerRequest, public_id: str) -> HttpResponse:
    form = AnswerForm(request.POST, asked=raises.find(request.caller, public_id))
    words = request.POST.get("answer", "")
    return _answered(request, public_id, form, lambda: raises.deny(request.caller, public_id, answer=words))


def _answered(
    request: CallerRequest, public_id: str, form: AnswerForm, answer: Callable[[], MoneyRequest]
) -> HttpResponse:
    try:
        answered = answer()
    except BadRequest as refusal:
        refuse(form, refusal)
        return _page(request, answering=(public_id, form), status=422)
    except Conflict as refusal:  # somebody else was first: the page shows what they said
        messages.warning(request, refusal.detail)
    else:
        messages.success(request, _told(answered))
    return redirect("team")


def _told(answered: MoneyRequest) -> str:
    if answered.granted_nanousd is None:
        return f"{answered.user.name} is told that there is no more, and why."
    return f"{answered.user.name} has {dollars(answered.granted_nanousd)} more and is told so."


# What admins set


@require_POST
@signed_in(ADMIN)
def set_budget(request: CallerRequest) -> HttpResponse:
    form = _budget_form(request, request.POST)
    if form.is_valid():
        answers = form.cleaned_data
        subject = answers["subject"]
        try:
            limits.set_budget(
                request.caller,
                member_id=int(subject) if subject.isdecimal() else None,
                model_id=answers["model_id"] if subject == "model" else "",
                window=answers["window"],
                hard_nanousd=answers["hard"],
                soft_nanousd=answers["soft"],
            )
        except BadRequest as refusal:
            refuse(form, refusal)
        else:
            messages.success(request, "The budget is set. What was spent in its time counts.")
            return redirect("team")
    return _page(request, budget_form=form, status=422)


@require_POST
@signed_in(ADMIN)
def lift_budget(request: CallerRequest, budget_id: str) -> HttpResponse:
    limits.lift_budget(request.caller, budget_id)
    messages.success(request, "The budget is lifted. It limits nobody from now on.")
    return redirect("team")


@require_POST
@signed_in(ADMIN)
def set_time_zone(request: CallerRequest) -> HttpResponse:
    form = TimeZoneForm(request.POST)
    if not form.is_valid():
        return _page(request, zone_form=form, status=422)
    limits.set_time_zone(request.caller, form.cleaned_data["time_zone"])
    messages.success(request, f"The team's days begin by the clock of {form.cleaned_data['time_zone']}.")
    return redirect("team")


@require_POST
@signed_in(ADMIN)
def set_unpriced(request: CallerRequest) -> HttpResponse:
    allowed = request.POST.get("may_use_unpriced") == "yes"
    limits.set_may_use_unpriced(request.caller, allowed)
    messages.success(
        request, f"Models without a price are {'allowed' if allowed else 'refused where a budget applies'}."
    )
    return redirect("team")


# The page


def _page(
    request: CallerRequest,
    *,
    budget_form: BudgetForm | None = None,
    zone_form: TimeZoneForm | None = None,
    answering: tuple[str, AnswerForm] | None = None,
    status: int = 200,
) -> HttpResponse:
    caller, is_admin = request.caller, request.caller.has_role(ADMIN)
    requests = raises.shown(caller)
    open_requests = list(requests.filter(state=MoneyRequest.State.OPEN))
    members = standing.members(caller.team)
    context: dict[str, Any] = {
        "team": caller.team,
        "members": members,
        "me": caller.user.pk,
        "is_admin": is_admin,
        "shared_budgets": standing.of(caller.team, [Budget.Scope.TEAM, Budget.Scope.MODEL]),
        "open_requests": [_inbox_item(request, asked, answering) for asked in open_requests],
        "answered_requests": list(requests.exclude(state=MoneyRequest.State.OPEN)[:ANSWERED_SHOWN]),
    }
    if is_admin:
        context |= _log(request) | {
            "budget_form": budget_form or _budget_form(request),
            "zone_form": zone_form or TimeZoneForm(initial={"time_zone": caller.team.time_zone}),
            "people": [(member.user_id, member.name) for member in members],
            "actions": history.actions(caller.team),
        }
    return render(request, "accounts/team.html", context, status=status)


def _inbox_item(
    request: CallerRequest, asked: MoneyRequest, answering: tuple[str, AnswerForm] | None
) -> dict[str, Any]:
    """A request with the form to answer it: what was typed if it was refused, else what was asked for."""
    is_typed = answering is not None and answering[0] == asked.public_id
    now_nanousd = raises.limit_now(asked)
    return {
        "asked": asked,
        "form": answering[1] if answering and is_typed else AnswerForm(asked=asked),
        "may_answer": raises.may_answer(request.caller, asked),
        "now_nanousd": now_nanousd,
        "then_nanousd": None if now_nanousd is None else now_nanousd + asked.amount_nanousd,
    }


def _budget_form(request: CallerRequest, data: Any = None) -> BudgetForm:
    rows = request.caller.team.memberships.order_by("pk").values_list("user_id", "user__name")
    initial = {name: request.GET[name] for name in ("subject", "model_id", "window") if name in request.GET}
    initial |= standing.as_set(request.caller.team, **initial) if len(initial) == 3 else {}
    return BudgetForm(data, members=list(rows), initial=initial)


def _log(request: CallerRequest) -> dict[str, Any]:
    chosen = {name: request.GET.get(name, "") for name in ("person", "action")}
    lines, older = history.page(request.caller.team, **chosen, before=request.GET.get("before", ""))
    return {"lines": lines, "older": older, "chosen": chosen, "is_first": "before" not in request.GET}
