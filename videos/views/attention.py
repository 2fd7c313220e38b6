"""What admins decide of a task whose provider does not say what became of it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.models import Membership
from accounts.money import dollars
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import Refusal
from videos import adopting, lifecycle, listing

Role = Membership.Role


@require_POST
@signed_in(least=Role.ADMIN)
def adopt(request: CallerRequest, public_id: str) -> HttpResponse:
    task = listing.find(request.caller.team, public_id)
    try:
        adopting.adopt(task, request.POST.get("upstream_id", ""), by=request.caller.user)
    except Refusal as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, f"It is followed at {task.provider_name} now, and charged when it is made.")
    return redirect("video", public_id)


@require_POST
@signed_in(least=Role.ADMIN)
def give_up(request: CallerRequest, public_id: str) -> HttpResponse:
    task = listing.find(request.caller.team, public_id)
    try:
        lifecycle.give_up(task, by=request.caller.user)
    except Refusal as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, f"It is given up, and {dollars(task.estimated_nanousd)} is free again.")
    return redirect("video", public_id)
