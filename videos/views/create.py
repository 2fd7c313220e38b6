"""The page on which videos are asked for, its estimate, and the free storyboard before anything is spent."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST

from accounts import allowances
from accounts.models import Membership
from accounts.policies import CallerRequest, signed_in
from accounts.refusals import NotFound, Refusal
from videos import batches, cards, gallery, glances, links, listing, offers, recipes, references
from videos.batches import Batch, Refused
from videos.forms import VideoForm, shown_models
from videos.models import VideoTask
from videos.modes import DEFAULT_MODEL, INPUTS, MODELS, MODES, STORYBOARD

Role = Membership.Role

_ABOUT = {
    "t2v": "A prompt only",
    "i2v": "First and last frame, or references",
    "v2v": "Follow a clip’s motion or style",
}


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in(Role.MEMBER)
def new(request: CallerRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, VideoForm(initial=_initial(request)))
    form = VideoForm(request.POST)
    if request.POST.keys() & {"add", "drop", "update"}:
        form.change_references(add=request.POST.get("add", ""), drop=request.POST.get("drop", ""))
        return _page(request, _unbound(form))
    is_draft = "draft" in request.POST
    asked = form.read(request.caller, base_url=_base_url(request), is_draft=is_draft)
    if not asked:
        return _page(request, form, status=422)
    takes = 1 if is_draft else form.takes_wanted
    done = batches.submit(
        request.caller, asked, takes=takes, key=form.cleaned_data["key"], remix_of=_remixed(request, form)
    )
    if done.refused:
        return _page(request, form, done=done, status=done.refused.refusal.status)
    if is_draft:
        return redirect(_with_draft(form, done.tasks[0]))
    count = len(done.tasks)
    messages.success(request, f"{count} video{'s' if count > 1 else ''} taken on. You can close this page meanwhile.")
    return redirect("videos")


@require_POST
@signed_in(Role.MEMBER)
def estimate(request: CallerRequest) -> HttpResponse:
    """What the form as it stands may cost, and what is missing in it. Keeps nothing."""
    form = VideoForm(request.POST)
    return render(request, "videos/create.html#estimate", _estimate(request, form, is_sent=False))


def _page(request: CallerRequest, form: VideoForm, *, done: Batch | None = None, status: int = 200) -> HttpResponse:
    caller = request.caller
    available = offers.available(caller.team)
    refused = done.refused if done else None
    context = {
        "form": form,
        "modes": [(mode.id, mode.name.partition(" (")[0], _ABOUT[mode.id]) for mode in MODES.values()],
        "models": shown_models(available, offers.hidden(caller.team, *MODELS)),
        "chosen_models": form["model"].value() or [],
        "numbers": [form["duration"], form["seed"], form["takes"]],
        "references": form.named(caller),
        "roles": references.ROLE_LABELS,
        "inputs": INPUTS,
        "offered": references.offered(caller),
        "taken_on": len(done.tasks) if done else 0,
        "refused": refused,
        "why": _why(refused),
        "draft": _draft(request),
        "remixed": form["remix_of"].value(),
    }
    context |= _estimate(request, form, is_sent=form.is_bound)
    return render(request, "videos/create.html", context, status=status)


def _estimate(request: CallerRequest, form: VideoForm, *, is_sent: bool) -> dict[str, Any]:
    """`is_sent` where what is wrong stands at the fields already."""
    priced = form if form.is_bound else _bound(form)
    lines, refusal = [], None
    if not is_sent or not form.errors:
        asked = priced.read(request.caller, base_url=_base_url(request), for_price=True)
        try:
            lines = batches.quote(request.caller, asked, takes=priced.takes_wanted)
        except Refusal as refused:
            refusal = refused
    total = sum(line.all_nanousd for line in lines)
    left = allowances.left(request.caller, at=timezone.now()).left_nanousd
    return {
        "lines": [(line, cards.model_name(line.model_id)) for line in lines],
        "total_nanousd": total,
        "left_nanousd": left - total,
        "short_nanousd": max(0, total - left),
        "take_count": sum(line.takes for line in lines),
        "unpriced": refusal,
        "problems": priced.problems() if form.is_bound else [],
    }


def _initial(request: CallerRequest) -> dict[str, Any]:
    """From the address: a video to remix, one to use as a reference, and what else a link may choose."""
    words = request.GET
    usual = DEFAULT_MODEL if offers.ways(request.caller.team, DEFAULT_MODEL) else STORYBOARD
    initial: dict[str, Any] = {"model": [usual]}
    if remix := words.get("remix"):
        task = listing.find(request.caller.team, remix)
        initial = recipes.initial(task, keeps_seed=words.get("seed") == "keep")
    if (used := words.get("use", "")) and (file := words.get("as", "")) in (links.VIDEO, links.LAST_FRAME):
        is_video = file == links.VIDEO
        pair = (f"{used}/{file}", "reference_video" if is_video else "first_frame")
        initial |= {"mode": "v2v" if is_video else "i2v", "references": [pair]}
    if models := words.getlist("model"):
        initial["model"] = models
    if words.get("takes", "").isdigit():
        initial["takes"] = words["takes"]
    return initial


def _with_draft(form: VideoForm, task: VideoTask) -> str:
    """The same form again, with the storyboard beside it."""
    words: list[tuple[str, str | int]] = [
        ("remix", task.public_id),
        ("draft", task.public_id),
        ("takes", form.takes_wanted),
    ]
    words += [("model", model) for model in form.cleaned_data.get("model", ())]
    if form.cleaned_data["seed"]:
        words.append(("seed", "keep"))
    return f"{reverse('new-video')}?{urlencode(words)}"


def _draft(request: CallerRequest) -> cards.Card | None:
    if not (draft := request.GET.get("draft", "")):
        return None
    try:
        [card] = cards.load([glances.at(listing.find(request.caller.team, draft))])
    except NotFound:  # deleted meanwhile
        return None
    return card


def _remixed(request: CallerRequest, form: VideoForm) -> VideoTask | None:
    remixed = form.cleaned_data["remix_of"]
    if not (remixed.isascii() and remixed.isprintable()):
        return None
    return gallery.of(request.caller.team).filter(public_id=remixed).first()


def _why(refused: Refused | None) -> str:
    """Where the refusal is explained: those that money or a limit made have a receipt."""
    is_explained = refused is not None and refused.refusal.status in (402, 429)
    return reverse("why", args=[refused.request_id]) if refused and is_explained else ""


def _unbound(form: VideoForm) -> VideoForm:
    """The same as it was typed, without a word on what is wrong in it yet."""
    typed = {name: form[name].value() for name in form.fields}
    return VideoForm(initial=typed | {"references": form.pairs})


def _bound(form: VideoForm) -> VideoForm:
    """A form that was filled by us, to be read as if it had been sent."""
    data = QueryDict(mutable=True)
    for name in form.fields:
        value = form[name].value()
        if isinstance(value, list):
            data.setlist(name, value)
        elif value is True:
            data[name] = "on"
        elif value not in (False, None):
            data[name] = str(value)
    data.setlist("reference", [value for value, _ in form.pairs])
    data.setlist("role", [role for _, role in form.pairs])
    return VideoForm(data)


def _base_url(request: CallerRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"
