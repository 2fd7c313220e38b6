"""What was last done to several videos, which the page that follows offers to take back."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts.models import Membership
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import Refusal
from videos import filing, lifecycle, ratings
from videos.filing import Changed
from videos.models import VideoTask
from videos.views import chosen

KEPT = "videos_undo"
ICONS = {"deleted": "trash-2", "tagged": "tag", "untagged": "tag", "moved": "folder-input", "rated": "star"}


def offer(request: CallerRequest, what: str, changed: Changed, sentence: str) -> None:
    """`changed` is by what undoing needs to know, such as the stars that videos had."""
    was = [f"{','.join(ids)}~{word}" for word, ids in changed.items()]
    request.session[KEPT] = {"what": what, "icon": ICONS[what], "sentence": sentence, "was": was}


def offered(request: CallerRequest) -> dict[str, Any] | None:
    """Once."""
    kept: dict[str, Any] | None = request.session.pop(KEPT, None)
    return kept


@require_POST
@signed_in(Membership.Role.MEMBER)
def undo(request: CallerRequest) -> HttpResponse:
    what = request.POST.get("what", "")
    for each in request.POST.getlist("was")[: filing.MOST_COLLECTIONS]:
        ids, _, word = each.partition("~")
        try:
            _put_back(request, what, ids.split(","), word)
        except Refusal as refusal:  # such as of a collection that was deleted meanwhile
            messages.error(request, refusal.detail)
    return redirect(chosen.way_back(request))


def _put_back(request: CallerRequest, what: str, ids: list[str], word: str) -> None:
    team, by = request.caller.team, request.caller.user
    if what == "deleted":
        deleted = VideoTask.objects.filter(team=team, public_id__in=chosen.possible(ids), deleted_at__isnull=False)
        for task in deleted:
            lifecycle.restore(task, by=by)
        return
    tasks = chosen.named(request, ids)
    if what == "tagged":
        filing.untag(team, tasks, [word], by=by)
    elif what == "untagged":
        filing.tag(team, tasks, filing.read_tags([word]), by=by)
    elif what == "moved":
        filing.move(tasks, filing.find(team, word) if word else None, by=by)
    elif what == "rated" and word in ratings.STARS:
        ratings.rate(tasks, int(word), by=by)
