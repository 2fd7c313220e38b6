"""The gallery and its live cards, a video's own page, and what can be done to videos that are there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import push_url

from accounts import heartbeats
from accounts.models import Membership, Team
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import NotFound, Refusal
from videos import (
    adopting,
    batches,
    cancelling,
    cards,
    filing,
    gallery,
    glances,
    kept,
    lifecycle,
    links,
    listing,
    ratings,
    recipes,
    requests,
    wire,
    zipping,
)
from videos.models import VideoTask
from videos.views import chosen, undo

Role = Membership.Role


@dataclass(frozen=True, slots=True)
class Refused:
    """What is wrong with what was typed, for the page that was typed into. `field` is "tags" or "collection"."""

    field: str
    sentence: str
    typed: str
    picked: list[str]


@require_safe
@signed_in()
def index(request: CallerRequest) -> HttpResponse:
    """Asked for by htmx, everything beside the rail by itself; with a cursor, only the cards that follow."""
    return whole_page(request, request.GET)


def whole_page(
    request: CallerRequest, asked: QueryDict, *, refused: Refused | None = None, status: int = 200
) -> HttpResponse:
    """`refused` is what was typed into it and is wrong."""
    words = _words(asked)
    team = request.caller.team
    wanted = gallery.looked_for(team, gallery.wanted_from(dict(words.lists())))
    after = words.get("after", "")
    page = gallery.page(team, wanted, after=after)
    is_partial = request.htmx.request_type == "partial"
    may_create, picked = request.caller.has_role(Role.MEMBER), refused.picked if refused else ()
    token = get_token(request)
    people = gallery.names(each.user_id for each in page.glances) | gallery.makers(team, wanted.person)
    shown: dict[str, Any] = {
        "cards": [
            cards.rendered(card, may_create=may_create, is_picked=card.id in picked, csrf_token=token)
            for card in cards.load(page.glances, people=people)
        ],
        "more": page.more and _address(words, after=page.more),
        "is_live": any(each.is_live for each in page.glances),
        "may_create": may_create,
    }
    if after and is_partial:
        return _varied(render(request, "videos/gallery.html#more-clips", shown | {"is_added": True}))
    shown |= _around(team, wanted, words, people) | {"is_continued": bool(after)}
    if wanted.sort == "newest" and not after:
        shown |= {"watches": True, "newest": page.glances[0].pk if page.glances else 0}
    if not is_partial:
        shown |= {"is_whole": True, "undo": undo.offered(request), "refused": refused}
        return _varied(render(request, "videos/gallery.html", shown, status=status))
    answer = render(request, "videos/gallery.html#gallery", shown)
    here = _address(words)
    return _varied(push_url(answer, False if request.htmx.current_url_abs_path == here else here))


def _around(team: Team, wanted: gallery.Wanted, words: QueryDict, people: dict[int, str]) -> dict[str, Any]:
    """What stands around the cards: how many there are, filters, whether anybody works."""
    view, found = words.get("view", ""), gallery.found(team, wanted)
    tags, collections = filing.tag_names(team), dict(filing.collections(team).values_list("public_id", "name"))
    return {
        "wanted": wanted,
        "found": found,
        "facets": _facets(team, wanted, words, {"person": people, "tag": tags, "collection": collections}),
        "how_many": _how_many(found) if wanted.is_narrowed else f"{found.total:,}",
        "tags": tags,
        "collections": collections,
        "collection": collections.get(wanted.collection[0], "") if len(wanted.collection) == 1 else "",
        "is_empty_collection": wanted == gallery.Wanted(collection=wanted.collection, sort=wanted.sort),
        "spans": gallery.SPANS,
        "span": gallery.SPANS.get(wanted.date, ""),
        "without_span": _address(words, date=None),
        "orders": [(word, order.label) for word, order in gallery.ORDERS.items()],
        "view": view if view in gallery.VIEWS else gallery.VIEWS[0],
        "views": {name: _address(words, view=name) for name in gallery.VIEWS},
        "here": _address(words),
        "worker": heartbeats.state(),
        "filing": {
            "tags": kept.rendered("videos/_tag_buttons.html", tags=tuple(tags)),
            "collections": kept.rendered("videos/_collection_items.html", collections=tuple(collections.items())),
        },
        "stars": range(ratings.MOST_STARS, 0, -1),
    }


def _how_many(found: gallery.Found) -> str:
    return f"{found.count:,}{'+' if found.is_least else ''} of {found.total:,}"


def _facets(team: Team, wanted: gallery.Wanted, words: QueryDict, known: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What they offer is read once somebody opens them; those that the page had open are in `words`. Without those that
    a team has nothing to choose of, as it made no tag or collection."""
    called = {str(pk): name for pk, name in known["person"].items()} | known["collection"]
    for name, facet_label in gallery.LABELS.items():
        chosen_words: tuple[str, ...] = getattr(wanted, name)
        if chosen_words or known.get(name, True):
            yield {
                "name": name,
                "label": facet_label,
                "words": chosen_words,
                "chosen": ", ".join(gallery.label(name, word, called) for word in chosen_words),
                "without": _address(words, **{name: None}),
                "opened": _address(words, menu=name),
                "menu": _menu(team, wanted, name) if name in words.getlist("menu") else "",
            }


def _menu(team: Team, wanted: gallery.Wanted, name: str) -> str:
    return kept.rendered("videos/_choices.html", name=name, choices=tuple(gallery.choices(team, wanted, name)))


@require_safe
@signed_in()
def menu(request: CallerRequest, name: str) -> HttpResponse:
    """What one of the facets offers beside what is chosen of the others."""
    if name not in gallery.LABELS:
        raise NotFound("The gallery has no such filter. Load the page again.")
    team = request.caller.team
    wanted = gallery.looked_for(team, gallery.wanted_from(dict(_words(request.GET).lists())))
    return HttpResponse(_menu(team, wanted, name))


@require_safe
@signed_in()
def live(request: CallerRequest) -> HttpResponse:
    """Of the cards a page shows, those that look otherwise now, each named with the mark it had; and how many have come
    since its newest, where it tells which that was and how many it has told of."""
    team = request.caller.team
    seen = dict(each.partition("~")[::2] for each in request.GET.getlist("seen")[: chosen.MOST_AT_ONCE])
    found = {each.public_id: each for each in glances.read(chosen.tasks(request, list(seen)))}
    changed = [each for public_id, each in found.items() if each.mark != seen[public_id]]
    gone = [public_id for public_id in seen if public_id not in found and public_id.isalnum() | ("_" in public_id)]
    is_live = any(each.is_live for each in found.values())
    newest, told = (_number(request.GET.get(name, "")) for name in ("newest", "told"))
    words = _words(request.GET)
    news = 0 if newest is None else gallery.newer(team, gallery.wanted_from(dict(words.lists())), newest)
    is_told = news == (told or 0)
    if not changed and not gone and (is_live or not seen) and is_told:
        return HttpResponse(status=204)
    may_create, token = request.caller.has_role(Role.MEMBER), get_token(request)
    context = {
        "cards": [
            cards.rendered(card, may_create=may_create, csrf_token=token, swap=True) for card in cards.load(changed)
        ],
        "gone": gone,
        "is_live": is_live,
        "watches": newest is not None,
        "newest": newest,
        "news": news,
        "is_told": is_told,
        "undo": request.GET.get("undo"),
        "here": _address(words, **dict.fromkeys(("seen", "newest", "told", "undo", "sort"))),
        "running": gallery.running(team),
    }
    return render(request, "videos/_live.html", context)


@require_safe
@signed_in()
def video(request: CallerRequest, public_id: str) -> HttpResponse:
    """Asked for by htmx, what changes while the video is made."""
    return own_page(request, listing.find(request.caller.team, public_id))


def own_page(
    request: CallerRequest, task: VideoTask, *, refused: Refused | None = None, status: int = 200
) -> HttpResponse:
    """`refused` is what was typed into it and is wrong."""
    [card] = cards.load([glances.at(task)])
    may_create = request.caller.has_role(Role.MEMBER)
    decides = request.caller.has_role(Role.ADMIN) and task.is_open and task.needs_attention
    context = {
        "card": card,
        "task": task,
        "may_decide": decides,  # the page is left as it is meanwhile: what is typed and asked stays
        "may_adopt": decides and adopting.may_be_adopted(task),
        "media": cards.media_of(task),
        "film": cards.link(task, links.VIDEO) if task.fetch == VideoTask.Fetch.STORED else "",
        "has_last_frame": bool(task.upstream_last_frame_url or getattr(cards.media_of(task), "last_frame", "")),
        "references": cards.reference_names(task.spec),
        "seed": task.result.get("seed", task.spec["settings"].get("seed")),
        "size": cards.size_of(task, cards.media_of(task)),
        "call": recipes.as_curl(task, base_url=_base_url(request)),
        "may_create": may_create,
        "may_cancel": may_create and wire.status(task) == "queued" and not task.needs_attention,
        "stars": range(1, ratings.MOST_STARS + 1),
        "collections": list(filing.collections(request.caller.team)),
        "known_tags": filing.tag_names(request.caller.team),
        "refused": refused,
    }
    if request.htmx.request_type == "partial":
        return _varied(render(request, "videos/video.html#clip", context))
    return _varied(render(request, "videos/video.html", context, status=status))


@require_POST
@signed_in(Role.MEMBER)
def retry(request: CallerRequest, public_id: str) -> HttpResponse:
    """The same once more, as another take. Pressed twice on one page, it is done once."""
    task = listing.find(request.caller.team, public_id)
    body = recipes.body_again(request.caller, task, base_url=_base_url(request))
    done = batches.submit(
        request.caller, [requests.read(body)], takes=1, key=f"{task.public_id}/{task.version}", remix_of=task
    )
    if done.refused:
        messages.error(request, done.refused.refusal.detail)
        return redirect("video", public_id)
    messages.success(request, f"“{cards.title_of(task)}” is made once more.")
    return redirect("videos")


@require_POST
@signed_in(Role.MEMBER)
def cancel(request: CallerRequest, public_id: str) -> HttpResponse:
    task = listing.find(request.caller.team, public_id)
    try:
        cancelling.cancel(task, by=request.caller.user)
    except Refusal as refusal:
        messages.error(request, refusal.detail)
    return redirect("video", public_id)


@require_POST
@signed_in(Role.MEMBER)
def download(request: CallerRequest) -> HttpResponseBase:
    """The files of those that have one, as a ZIP file."""
    entries = zipping.entries(chosen.named(request, request.POST.getlist("id")))
    if not entries:
        messages.error(request, "None of them has a file yet. What has one says how long it is, and plays.")
        return redirect(chosen.way_back(request))
    name = f"videos-{timezone.localdate():%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(zipping.stream(entries), content_type="application/zip", headers=headers)


@require_POST
@signed_in(Role.MEMBER)
def delete(request: CallerRequest) -> HttpResponse:
    """Those that have ended; the page that follows offers to undo it."""
    ended, running = [], 0
    for task in chosen.named(request, request.POST.getlist("id")):
        if task.is_open:
            running += 1
            continue
        lifecycle.delete(task, by=request.caller.user)
        ended.append(task.public_id)
    if ended:
        receipts = "Its receipt stays" if len(ended) == 1 else "Their receipts stay"
        undo.offer(request, "deleted", {"": ended}, f"{chosen.counted(len(ended))} deleted. {receipts}.")
    if running:
        messages.warning(request, f"{running} still under way cannot be deleted. Cancel first, or wait for the end.")
    return redirect(chosen.way_back(request))


@require_POST
@signed_in(Role.MEMBER)
def rate(request: CallerRequest) -> HttpResponse:
    stars, tasks = request.POST.get("stars", ""), chosen.named(request, request.POST.getlist("id"))
    had = ratings.rate(tasks, int(stars), by=request.caller.user) if stars in ratings.STARS else {}
    if had and not chosen.is_on_own_page(request):
        words = gallery.label("rating", stars, {}).lower()
        undo.offer(request, "rated", had, f"{chosen.counted(sum(map(len, had.values())))}: {words} now.")
    return redirect(chosen.way_back(request))


def _words(asked: QueryDict) -> QueryDict:
    """What was asked, without the fields that nobody filled in: all links of the page are made from it."""
    filled = asked.copy()
    for name in list(filled):
        filled.setlist(name, [value for value in filled.getlist(name) if value])
    for name in [name for name in filled if not filled.getlist(name)]:
        del filled[name]
    return filled


def _address(words: QueryDict, **changes: str | None) -> str:
    """The same gallery from its first page, but for the changes."""
    changed = words.copy()
    for name, value in {"after": None, "menu": None, **changes}.items():
        changed.pop(name, None)
        if value:
            changed[name] = value
    return reverse("videos") + (f"?{changed.urlencode()}" if changed else "")


def _number(typed: str) -> int | None:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 19 else None


def _base_url(request: CallerRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"


def _varied(answer: HttpResponse) -> HttpResponse:
    patch_vary_headers(answer, ["HX-Request"])  # so that a step back shows no fragment in the page's place
    return answer
