"""Which videos an action is about, and which page it came from."""

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.policies import CallerRequest
from videos import gallery
from videos.models import VideoTask

MOST_AT_ONCE = 500


def named(request: CallerRequest, ids: list[str]) -> list[VideoTask]:
    """Those of the caller's team, the newest first. One query, or none."""
    return list(tasks(request, ids).select_related("media"))


def tasks(request: CallerRequest, ids: list[str]) -> QuerySet[VideoTask]:
    return gallery.of(request.caller.team).filter(public_id__in=possible(ids)).order_by("-pk")


def possible(ids: list[str]) -> list[str]:
    return [each for each in ids[:MOST_AT_ONCE] if each.isascii() and each.isprintable()]


def way_back(request: CallerRequest) -> str:
    """To the page the button was on, never to another site."""
    there = request.POST.get("next", "")
    is_ours = there.startswith(reverse("videos")) and url_has_allowed_host_and_scheme(there, allowed_hosts=None)
    return there if is_ours else reverse("videos")


def is_on_own_page(request: CallerRequest) -> bool:
    """Whether the button was on a video's own page, where what was done is seen and done again as easily."""
    ids = request.POST.getlist("id")
    return len(ids) == 1 and way_back(request) == reverse("video", args=[ids[0]])


def counted(count: int) -> str:
    return f"{count} video{'' if count == 1 else 's'}"
