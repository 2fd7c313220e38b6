"""Tags and collections: what is put under them from the gallery and a video's own page, and the page of collections."""

from typing import Any, NamedTuple

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Membership
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import Refusal
from videos import cards, filing, kept, listing
from videos import gallery as domain
from videos.models import Collection
from videos.views import chosen, gallery, undo

Role = Membership.Role


@require_POST
@signed_in(Role.MEMBER)
def tag(request: CallerRequest) -> HttpResponse:
    """What is named and typed, on the videos or off them."""
    caller, typed = request.caller, request.POST.getlist("tags")
    tasks = chosen.named(request, request.POST.getlist("id"))
    is_off = request.POST.get("how") == "remove"
    try:
        names = filing.read_tags(typed)
        done = (filing.untag if is_off else filing.tag)(caller.team, tasks, names, by=caller.user)
    except Refusal as refusal:
        return _again(request, gallery.Refused("tags", refusal.detail, ", ".join(filter(None, typed)), _ids(request)))
    words, videos = ", ".join(done), chosen.counted(len({each for ids in done.values() for each in ids}))
    if not done:
        messages.info(request, f"{'Not' if is_off else 'Already'} tagged {', '.join(names)}: nothing changed.")
    elif not chosen.is_on_own_page(request):
        sentence = f"{words} taken off {videos}." if is_off else f"{videos} tagged {words}."
        undo.offer(request, "untagged" if is_off else "tagged", done, sentence)
    return redirect(chosen.way_back(request))


@require_POST
@signed_in(Role.MEMBER)
def move(request: CallerRequest) -> HttpResponse:
    """Into a collection, a new one, or out of whatever they are in."""
    tasks = chosen.named(request, request.POST.getlist("id"))
    try:
        collection = _wanted(request)
    except Refusal as refusal:
        typed = request.POST.get("name", "")
        return _again(request, gallery.Refused("collection", refusal.detail, typed, _ids(request)))
    were = filing.move(tasks, collection, by=request.caller.user)
    count = sum(map(len, were.values()))
    if not count:
        messages.info(
            request, f"In {f'“{collection.name}”' if collection else 'no collection'} already: nothing changed."
        )
    elif not chosen.is_on_own_page(request):
        there = f"moved to “{collection.name}”" if collection else "taken out of their collection"
        undo.offer(request, "moved", were, f"{chosen.counted(count)} {there}.")
    return redirect(chosen.way_back(request))


def _wanted(request: CallerRequest) -> Collection | None:
    """Raises a Refusal."""
    match request.POST.get("collection", ""):
        case domain.NONE:
            return None
        case "" | "new":
            return filing.collect(request.caller, request.POST.get("name", ""))
        case public_id:
            return filing.find(request.caller.team, public_id)


def _again(request: CallerRequest, refused: gallery.Refused) -> HttpResponse:
    """The page it was typed into, with the sentence at the field."""
    if chosen.is_on_own_page(request):
        task = listing.find(request.caller.team, refused.picked[0])
        return gallery.own_page(request, task, refused=refused, status=422)
    asked = QueryDict(chosen.way_back(request).partition("?")[2])
    return gallery.whole_page(request, asked, refused=refused, status=422)


def _ids(request: CallerRequest) -> list[str]:
    return chosen.possible(request.POST.getlist("id"))


# Their page


@require_safe
@signed_in()
def collections(request: CallerRequest) -> HttpResponse:
    return _collections(request)


@require_POST
@signed_in(Role.MEMBER)
def add(request: CallerRequest) -> HttpResponse:
    typed = request.POST.get("name", "")
    try:
        collection = filing.collect(request.caller, typed)
    except Refusal as refusal:
        return _collections(request, {"of": "", "typed": typed, "sentence": refusal.detail}, status=422)
    messages.success(request, f"“{collection.name}” is there. Select videos in the gallery to move them into it.")
    return redirect("video-collections")


@require_POST
@signed_in(Role.MEMBER)
def rename(request: CallerRequest, public_id: str) -> HttpResponse:
    collection, typed = filing.find(request.caller.team, public_id), request.POST.get("name", "")
    try:
        filing.rename(collection, typed)
    except Refusal as refusal:
        return _collections(request, {"of": public_id, "typed": typed, "sentence": refusal.detail}, status=422)
    return redirect("video-collections")


@require_POST
@signed_in(Role.MEMBER)
def remove(request: CallerRequest, public_id: str) -> HttpResponse:
    collection = filing.find(request.caller.team, public_id)
    filing.remove(collection)
    messages.success(request, f"“{collection.name}” is deleted. Its videos are in the gallery as before.")
    return redirect("video-collections")


class _Shown(NamedTuple):
    """A collection as its page shows it."""

    id: str
    name: str
    by: str
    figures: filing.Figures
    cover: str

    @property
    def question(self) -> str:
        return f"Delete “{self.name}”?"

    @property
    def address(self) -> str:
        return f"{reverse('videos')}?{urlencode({'collection': self.id})}"


def _collections(request: CallerRequest, refused: dict[str, str] | None = None, *, status: int = 200) -> HttpResponse:
    """`refused` is what is wrong with a name: of a new collection, or of the one with that id."""
    found = filing.with_figures(request.caller.team)
    covers = cards.posters(figures.newest for _, figures in found)
    may_create, token = request.caller.has_role(Role.MEMBER), get_token(request)
    shown = []
    for each, figures in found:
        collection = _Shown(each.public_id, each.name, each.by.name, figures, covers.get(figures.newest, ""))
        words: dict[str, Any] = {"each": collection, "may_create": may_create}
        if refused and refused["of"] == each.public_id:
            shown.append(render_to_string("videos/_collection.html", words | {"refused": refused}, request))
        else:
            shown.append(kept.rendered("videos/_collection.html", csrf_token=token, **words))
    context = {
        "collections": shown,
        "how_many": f"{domain.of(request.caller.team).count():,}",
        "refused": refused,
        "may_create": may_create,
    }
    return render(request, "videos/collections.html", context, status=status)
