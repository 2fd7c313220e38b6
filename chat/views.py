"""Pages of the playground. Replies are followed through chat/follow.py."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts import raises
from accounts.models import Membership
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import BadRequest, Refusal
from chat import conversations, generations, picking, thread
from chat.forms import PromptForm
from chat.models import Conversation, Turn

Role = Membership.Role


def _list(request: CallerRequest, current_id: str) -> dict[str, Any]:
    groups, older = thread.listed(request.caller, current_id=current_id, before=request.GET.get("before", ""))
    return {"conversations": groups, "older": older}


def _context(request: CallerRequest, current: Conversation | None) -> dict[str, Any]:
    models = thread.choosable(request.caller.team)
    model_id = thread.chosen_model(models, asked=request.GET.get("model", ""), current=current)
    turns = conversations.thread(current) if current else []
    return _list(request, current.public_id if current else "") | {
        "conversation": current,
        "turns": thread.shown(turns, model_names=thread.names(models)),
        "last_turn": turns[-1] if turns else None,
        "is_writing": any(turn.is_unfinished for turn in turns),
        "choice": picking.listed(request.caller, models, model_id),
        "model_id": model_id,
        "prompt": "",
        "may_write": request.caller.has_role(Role.MEMBER),
        "news": raises.news(request.caller),
    }


@require_GET
@signed_in()
def playground(request: CallerRequest) -> HttpResponse:
    return render(request, "chat/playground.html", _context(request, None))


@require_GET
@signed_in()
def conversation(request: CallerRequest, public_id: str) -> HttpResponse:
    current = conversations.conversation(request.caller, public_id)
    return render(request, "chat/playground.html", _context(request, current))


@require_GET
@signed_in()
def conversation_list(request: CallerRequest) -> HttpResponse:
    """The list by itself: afresh when a reply is finished, or its next page in the place of the link to it."""
    return render(request, "chat/playground.html#conversation-list", _list(request, request.GET.get("current", "")))


@require_GET
@signed_in()
def find_models(request: CallerRequest) -> HttpResponse:
    """Models for the composer, as options of its list."""
    return render(
        request, "chat/_found_models.html", {"found": picking.found(request.caller, request.GET.get("q", ""))}
    )


@require_POST
@signed_in(Role.MEMBER)
def start_conversation(request: CallerRequest) -> HttpResponse:
    form = PromptForm(request.POST)
    try:
        if not form.is_valid():
            return _refused(request, None, form.sentence(), status=422)
        reply = conversations.start(
            request.caller, prompt=form.cleaned_data["prompt"], model_id=form.cleaned_data["model"]
        )
    except Refusal as refusal:
        return _refused(request, None, refusal.detail, status=refusal.status)
    generations.start(reply)
    return _go(request, reverse("conversation", args=[reply.conversation.public_id]))


@require_POST
@signed_in(Role.MEMBER)
def add_turn(request: CallerRequest, public_id: str) -> HttpResponse:
    current = conversations.conversation(request.caller, public_id)
    form = PromptForm(request.POST)
    try:
        if not form.is_valid():
            return _refused(request, current, form.sentence(), status=422)
        reply = conversations.add(
            request.caller, public_id, prompt=form.cleaned_data["prompt"], model_id=form.cleaned_data["model"]
        )
    except Refusal as refusal:
        return _refused(request, current, refusal.detail, status=refusal.status)
    generations.start(reply)
    return _written(request, reply)


@require_POST
@signed_in(Role.MEMBER)
def retry_turn(request: CallerRequest, public_id: str) -> HttpResponse:
    reply = conversations.retry(request.caller, public_id, model_id=request.POST.get("model"))
    generations.start(reply)
    return _go(request, reverse("conversation", args=[reply.conversation.public_id]))


@require_POST
@signed_in(Role.MEMBER)
def stop_turn(request: CallerRequest, public_id: str) -> HttpResponse:
    """The stream that follows the reply shows the end; without JavaScript the page does after its reload."""
    reply = conversations.stop(request.caller, public_id)
    generations.stop(reply)
    if request.htmx:
        return HttpResponse(status=204)
    return redirect("conversation", reply.conversation.public_id)


@require_POST
@signed_in()
def rename_conversation(request: CallerRequest, public_id: str) -> HttpResponse:
    try:
        conversations.rename(request.caller, public_id, title=request.POST.get("title", ""))
    except BadRequest as refusal:
        messages.error(request, refusal.detail)
    return _go(request, reverse("conversation", args=[public_id]))


@require_POST
@signed_in()
def delete_conversation(request: CallerRequest, public_id: str) -> HttpResponse:
    conversations.delete(request.caller, public_id)
    return _go(request, reverse("playground"))


def _go(request: CallerRequest, url: str) -> HttpResponse:
    if request.htmx:
        return HttpResponse(headers={"HX-Redirect": url})
    return redirect(url)


def _written(request: CallerRequest, reply: Turn) -> HttpResponse:
    """The new prompt and its reply, to be put under the thread, after what this page has not seen of it yet."""
    if not request.htmx:
        return redirect("conversation", reply.conversation.public_id)
    turns = conversations.turns_after(reply.conversation, request.POST.getlist("seen")[-1:])
    names = thread.names(thread.choosable(request.caller.team))
    context = {"turns": thread.shown(turns, model_names=names), "last_turn": turns[-1]}
    return render(request, "chat/playground.html#exchange", context)


def _refused(request: CallerRequest, current: Conversation | None, sentence: str, *, status: int) -> HttpResponse:
    """The sentence at the composer, with what was typed still in it."""
    if request.htmx:
        # htmx leaves 400 and 404 to the page as a whole; here they are about what was typed.
        status = 422 if status in (400, 404) else status
        return render(request, "chat/playground.html#composer-error", {"composer_error": sentence}, status=status)
    context = _context(request, current) | {
        "composer_error": sentence,
        "prompt": request.POST.get("prompt", ""),
        "model_id": request.POST.get("model", ""),
    }
    return render(request, "chat/playground.html", context, status=status)
