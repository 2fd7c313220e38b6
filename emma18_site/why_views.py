"""The page that says why a request was refused, and where one asks for more."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts import raises
from accounts.models import Membership, MoneyRequest
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import BadRequest, Forbidden
from accounts.team_forms import AskForm, end, refuse
from emma18_site import alternatives, why
from emma18_site.why import Explanation

Role = Membership.Role


@require_safe
@signed_in()
def why_refused(request: CallerRequest, request_id: str) -> HttpResponse:
    explanation = why.explain(why.receipt_of(request.caller, request_id))
    if request.htmx:
        return render(request, "site/why.html#asked", _asking(request, explanation))
    return _page(request, explanation)


@require_POST
@signed_in(Role.MEMBER)
def ask_for_more(request: CallerRequest, request_id: str) -> HttpResponse:
    explanation = why.explain(why.receipt_of(request.caller, request_id))
    if explanation.receipt.user_id != request.caller.user.pk:
        raise Forbidden(f"{explanation.receipt.user.name} was refused, and may ask for more here.")
    form = _form(request, explanation, request.POST)
    if form is not None and form.is_valid():
        try:
            raises.ask(
                request.caller,
                budget_id=form.budget_id,
                amount_nanousd=form.cleaned_data["amount"],
                until=end(form.cleaned_data.get("until"), request.caller.team),
                reason=form.cleaned_data["reason"],
                receipt_request_id=request_id,
            )
        except BadRequest as refusal:
            refuse(form, refusal)
        else:
            return redirect(f"{request.path.removesuffix('ask/')}#ask")
    return _page(request, explanation, form=form, status=422)


def _page(
    request: CallerRequest, explanation: Explanation, *, form: AskForm | None = None, status: int = 200
) -> HttpResponse:
    receipt, turn = explanation.receipt, None
    if receipt.user_id == request.caller.user.pk:
        turn = why.turn_of(request.caller, receipt)
    context = {
        "why": explanation,
        "who": why.who(receipt),
        "alternatives": alternatives.of(receipt, left_nanousd=explanation.left_nanousd) if explanation.short else [],
        "turn": turn,
        "is_retryable": turn is not None and why.is_newest(turn),
        **_asking(request, explanation, form=form),
    }
    return render(request, "site/why.html", context, status=status)


def _asking(request: CallerRequest, explanation: Explanation, *, form: AskForm | None = None) -> dict[str, Any]:
    """What stands beside the explanation: the form, what was asked and answered, or who may raise it."""
    caller = request.caller
    is_own = explanation.receipt.user_id == caller.user.pk
    asked = why.request_for(caller, explanation) if is_own else None
    wants_again = "again" in request.GET or form is not None
    may_ask = is_own and caller.role != Role.OWNER
    return {
        "why": explanation,
        "asked": asked,
        "is_waiting": asked is not None and asked.state == MoneyRequest.State.OPEN,
        "form": form or (_form(request, explanation, asked=asked) if may_ask and (not asked or wants_again) else None),
        "picks": why.picks(explanation) if explanation.short else [],
        "admins": raises.who_can_answer(caller),
        "is_own": is_own,
        "may_answer": caller.has_role(Role.ADMIN),
    }


def _form(
    request: CallerRequest, explanation: Explanation, data: Any = None, *, asked: MoneyRequest | None = None
) -> AskForm | None:
    """Starts with what waits for an answer, to be changed, else with what would do."""
    short = explanation.short
    if not short or not request.caller.has_role(Role.MEMBER):
        return None
    initial: dict[str, Any] = {
        "amount": why.picks(explanation)[1].amount,
        "until": why.last_day(short[0], request.caller.team, at=timezone.now()),
    }
    if asked is not None and asked.state == MoneyRequest.State.OPEN:
        limit = "credit" if raises.is_for_credit(asked) else str(asked.budget_id)
        initial = {**raises.as_asked(asked), "reason": asked.reason}
        initial["limit"] = limit if limit in {row.key for row in short} else short[0].key
    if "amount" in request.GET:
        initial["amount"] = request.GET["amount"]
    return AskForm(data, short=[(row.key, row.name) for row in short], initial=initial)
