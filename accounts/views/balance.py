"""The team's credit on the Keys & Balance page: its header, topping up, the ledger and its export."""

from collections.abc import AsyncIterator

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts import balance, codes, ledger_export
from accounts import ledger as books
from accounts.asgi import in_database
from accounts.balance_forms import CorrectionForm, GrantForm, RedeemForm
from accounts.callers import Caller
from accounts.models import Membership
from accounts.money import dollars
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import BadRequest, Conflict, RateLimited, Refusal
from accounts.team_forms import refuse
from accounts.views import keys

ADMIN, OWNER = Membership.Role.ADMIN, Membership.Role.OWNER


@require_POST
@signed_in(ADMIN)
def grant(request: CallerRequest) -> HttpResponse:
    form = GrantForm(request.POST)
    if not form.is_valid():
        return _refused(request, grant_form=form)
    typed, caller = form.cleaned_data, request.caller
    try:
        with transaction.atomic():
            books.top_up(
                caller.team, by=caller.user, key=typed["key"], amount_nanousd=typed["amount"], note=typed["note"]
            )
    except (BadRequest, Conflict) as refusal:
        form.add_error("amount", refusal.detail)
        form.with_a_new_key()
        return _refused(request, grant_form=form)
    messages.success(request, f"{dollars(typed['amount'])} is added to the credit of {caller.team.name}.")
    return redirect("keys")


@require_POST
@signed_in(ADMIN)
def redeem(request: CallerRequest) -> HttpResponse:
    form = RedeemForm(request.POST)
    if not form.is_valid():
        return _refused(request, redeem_form=form)
    try:
        entry = codes.redeem(request.caller, form.cleaned_data["code"])
    except (BadRequest, Conflict, RateLimited) as refusal:
        form.add_error("code", refusal.detail)
        return _refused(request, refusal, redeem_form=form)
    messages.success(request, f"The code is redeemed: {dollars(entry.amount_nanousd)} more credit.")
    return redirect("keys")


@require_POST
@signed_in(OWNER)
def correct(request: CallerRequest) -> HttpResponse:
    form = CorrectionForm(request.POST)
    if not form.is_valid():
        return _refused(request, correction_form=form)
    typed, caller = form.cleaned_data, request.caller
    try:
        with transaction.atomic():
            books.correct(
                caller.team, by=caller.user, key=typed["key"], amount_nanousd=form.amount_nanousd, note=typed["note"]
            )
    except Conflict as refusal:
        form.add_error("amount", refusal.detail)
        form.with_a_new_key()
        return _refused(request, correction_form=form)
    except BadRequest as refusal:
        refuse(form, refusal)
        return _refused(request, correction_form=form)
    messages.success(request, f"The credit of {caller.team.name} is corrected by {dollars(form.amount_nanousd)}.")
    return redirect("keys")


@require_safe
@signed_in()
def ledger(request: CallerRequest) -> HttpResponse:
    """For htmx: the whole list when its filter changes, else its next lines in the place of the link to them."""
    part = "ledger-lines" if request.GET.get("before") else "ledger"
    return render(request, f"accounts/_ledger.html#{part}", balance.ledger_of(request.caller, request.GET))


@require_safe
@signed_in()
def ledger_csv(request: CallerRequest) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(_sent(request.caller), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="ledger.csv"'
    return answer


async def _sent(caller: Caller) -> AsyncIterator[str]:
    """A page at a time, with no connection held in between."""
    yield ledger_export.head()
    before = ""
    while True:
        lines, before = await in_database(ledger_export.part, caller, before=before)
        yield lines
        if not before:
            return


def _refused(request: CallerRequest, refusal: Refusal | None = None, **forms_sent: forms.Form) -> HttpResponse:
    """The page with what was typed and what is wrong with it."""
    status = 429 if isinstance(refusal, RateLimited) else 422
    answer = keys.page(request, balance_forms=forms_sent, status=status)
    for name, value in (refusal.headers if refusal else {}).items():
        answer.headers[name] = value
    return answer
