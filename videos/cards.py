"""A video as a card of the gallery shows it: its words and links, worked out so that the template only puts them in.

Knows no request. A card is made and rendered once for what it shows, and kept: of a page that shows what was shown
before, only a glance at each row is read. Thirty rows with their files take 12 ms.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils import timezone

from upstream.frame_sizes import frame_size, nearest_ratio
from videos import filing, gallery, glances, kept, links
from videos.glances import Glance
from videos.models import Media, VideoTask
from videos.modes import ADAPTIVE, AUTO_S, MODELS
from videos.wire import status

State = VideoTask.State

TITLE_CHARACTERS = 90
POSSIBLE_RATIO = "16:9"
# Links stay the same for so long: a browser keeps what it has seen, and a form that is sent twice says the same twice.
LINK_STEP_S = 43_200


@dataclass(frozen=True, slots=True)
class Look:
    """How a state or a review is shown: never by its colour alone."""

    label: str
    icon: str
    tone: str = ""


STATES = {
    "queued": Look("Queued", "clock"),
    "running": Look("Running", "loader-circle", "live"),
    "succeeded": Look("Succeeded", "circle-check", "good"),
    "failed": Look("Failed", "circle-alert", "bad"),
    "expired": Look("Expired", "clock", "bad"),
    "cancelled": Look("Cancelled", "circle-stop"),
}
STUCK = Look("Needs an admin", "triangle-alert", "warn")
REVIEWS = {
    "needs_review": Look("No review yet", "circle-dashed"),
    "in_review": Look("In review", "eye"),
    "approved": Look("Approved", "circle-check", "good"),
    "changes_requested": Look("Changes requested", "message-square-warning", "warn"),
    "rejected": Look("Rejected", "circle-x", "bad"),
}


@dataclass(frozen=True, slots=True)
class Card:
    """Equal ones look alike: it has all that the template shows."""

    id: str
    title: str
    person: str
    model: str
    status: str
    progress: int  # percent; 0 where nobody tells
    is_open: bool
    is_live: bool  # it may yet change by itself
    is_lost: bool  # it was made, but its file could not be had
    look: Look  # of its review once there is something to review, of its state before
    aspect: str  # width by height, for style sheets
    shape: str  # the nearest ratio that has a name
    is_storyboard: bool
    poster: str
    sprite: str
    tiles: int
    ms: int
    length: str
    takes: int
    stars: int
    tags: tuple[str, ...]
    url: str
    why: str  # it failed
    provider: str
    cost: str  # in words, where it is no amount
    cost_nanousd: int
    moment: datetime  # when it ended, or began
    moment_iso: str
    moment_words: str
    mark: str  # changes with whatever the card shows

    @property
    def has_failed(self) -> bool:
        return self.status in ("failed", "expired")


class _Known(NamedTuple):
    """What a card was made for: whatever else its row has was written together with `updated_at`."""

    glance: Glance
    person: str
    takes: int
    tags: tuple[str, ...]
    zone: str
    links_last_until: int


_made: dict[_Known, Card] = {}
_MOST_MADE = 1 << 12


def load(seen: Sequence[Glance], *, people: dict[int, str] | None = None) -> list[Card]:
    """Two queries, if there are any, one more where it is not known who the people are, and one for rows that no card
    was made of as they are now."""
    if not seen:
        return []
    people = gallery.names(each.user_id for each in seen) if people is None else people
    takes = gallery.takes(seen)
    tags = filing.tags_of(seen)
    zone, until = timezone.get_current_timezone_name(), _links_last_until()

    def known(glance: Glance) -> _Known:
        person, named = people.get(glance.user_id, ""), tuple(tags.get(glance.pk, ()))
        return _Known(glance, person, takes.get(glance.shot, 1), named, zone, until)

    found = {each.pk: made for each in seen if (made := _made.get(known(each)))}
    if missing := [each.pk for each in seen if each.pk not in found]:
        if len(_made) > _MOST_MADE:
            _made.clear()
        for task in VideoTask.objects.filter(pk__in=missing).select_related("media").defer(*_UNSHOWN):
            now = known(glances.at(task))  # it may have changed since
            found[task.pk] = _made[now] = card(task, person=now.person, takes=now.takes, tags=now.tags)
    return [found[each.pk] for each in seen if each.pk in found]


# What no card shows and needs not be read.
_UNSHOWN = (
    "prompt_folded",
    "metadata",
    "callback_url",
    "upstream_url",
    "upstream_last_frame_url",
    "price",
    "refusals",
    "fingerprint",
)


def posters(pks: Iterable[int | None]) -> dict[int, str]:
    """Links to the posters of these tasks, where they have one. One query."""
    found = (
        Media.objects.filter(task__in=[pk for pk in pks if pk], poster__gt="")
        .select_related("task")
        .only("task__public_id")
    )
    return {media.task_id: link(media.task, links.POSTER) for media in found}


def card(task: VideoTask, *, person: str, takes: int = 1, tags: Iterable[str] = ()) -> Card:
    glance, media = glances.at(task), media_of(task)
    told = status(task)
    has_picture = media is not None and bool(media.poster)
    width, height = size_of(task, media)
    moment = timezone.localtime(task.completed_at or task.created_at)
    cost = ""
    if told in ("failed", "expired", "cancelled"):
        cost = "not charged"
    elif task.is_storyboard and not (task.charged_nanousd or task.estimated_nanousd):
        cost = "free"
    ms = media.duration_ms if media else 1000 * max(0, seconds_asked(task))
    return Card(
        id=task.public_id,
        title=title_of(task),
        person=person,
        model=model_name(task.model_id),
        status=told,
        progress=task.progress or 0,
        is_open=task.is_open,
        is_live=glance.is_live,
        is_lost=task.fetch == VideoTask.Fetch.FAILED,
        look=_look(task, told),
        aspect=f"{width / height:.4f}",
        shape=nearest_ratio(width, height),
        is_storyboard=task.is_storyboard,
        poster=link(task, links.POSTER) if has_picture else "",
        sprite=link(task, links.SPRITE) if media and media.sprite else "",
        tiles=media.sprite_tiles if media else 0,
        ms=ms,
        length=clock(ms) if ms else "",
        takes=takes,
        stars=task.rating or 0,
        tags=tuple(tags),
        url=reverse("video", args=[task.public_id]),
        why=task.error_message,
        provider=task.provider_name,
        cost=cost,
        cost_nanousd=task.estimated_nanousd if task.charged_nanousd is None else task.charged_nanousd,
        moment=moment,
        moment_iso=moment.isoformat(timespec="seconds"),
        moment_words=f"{moment.day} {moment:%B %Y, %H:%M:%S %Z}",
        mark=glance.mark,
    )


def rendered(card: Card, *, may_create: bool, csrf_token: str, is_picked: bool = False, swap: bool = False) -> str:
    """`swap` where it takes the place of the one that is shown."""
    flags = {"may_create": may_create, "is_picked": is_picked, "swap": swap}
    return kept.rendered("videos/_card.html", csrf_token=csrf_token, card=card, age=_age(card.moment), **flags)


def _age(moment: datetime) -> int:
    """In minutes, hours or days, as a card says it."""
    minutes = int((timezone.now() - moment).total_seconds()) // 60
    unit = 1 if minutes < 60 else 60 if minutes < 1440 else 1440
    return minutes // unit * unit


def _look(task: VideoTask, told: str) -> Look:
    if task.is_open and task.needs_attention:
        return STUCK
    return _review(task) if told == "succeeded" else STATES[told]


def media_of(task: VideoTask) -> Media | None:
    return getattr(task, "media", None)


def title_of(task: VideoTask) -> str:
    """Its own, else how its prompt begins."""
    line = task.title or " ".join(task.prompt.split())
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1].rstrip() + "…"


def model_name(model_id: str) -> str:
    return MODELS[model_id].name if model_id in MODELS else model_id


def size_of(task: VideoTask, media: Media | None) -> tuple[int, int]:
    """Of its file, else as it was asked for."""
    if media and media.width and media.height:
        return media.width, media.height
    ratio = task.result.get("ratio") or task.spec["ratio"]
    try:
        return frame_size(task.spec["resolution"], POSSIBLE_RATIO if ratio == ADAPTIVE else ratio)
    except KeyError:  # a ratio that a provider made up
        return frame_size(task.spec["resolution"], POSSIBLE_RATIO)


def seconds_asked(task: VideoTask) -> int:
    duration: int = task.spec["duration"]
    return 0 if duration == AUTO_S else duration


def clock(ms: int) -> str:
    """0:05, and at least a second."""
    seconds = max(1, round(ms / 1000))
    return f"{seconds // 60}:{seconds % 60:02}"


def link(task: VideoTask, file: str) -> str:
    return links.path(task, file, expires=_links_last_until())


def _links_last_until() -> int:
    return (int(time.time()) // LINK_STEP_S + 3) * LINK_STEP_S


def _review(task: VideoTask) -> Look:
    return REVIEWS.get(task.review_status) or Look(task.review_status, "circle-dashed")


def reference_names(spec: Mapping[str, Any]) -> list[str]:
    """What each reference of a kept request is, in words."""
    return [each["role"].replace("_", " ").capitalize() for each in spec["references"]]
