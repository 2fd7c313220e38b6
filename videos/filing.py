"""What people keep videos under: several tags each, and one collection at most. The only writer of both.

Whatever is done to several videos can be taken back: each verb returns which of them it changed, by the tag they got or
lost or by the collection they were in, and takes just that to put things back.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum

from accounts.callers import Caller
from accounts.models import Team, User
from accounts.refusals import BadRequest, Conflict, NotFound
from videos.glances import Glance
from videos.lifecycle.telling import tell_all
from videos.models import Collection, Tag, Tagging, VideoTask

type Changed = dict[str, list[str]]
"""Public ids of videos, by a tag's name or a collection's public id; "" is none."""

MOST_TAGS_AT_ONCE = 10
MOST_TAGS, MOST_COLLECTIONS = 1000, 200  # of a team
TAG_CHARACTERS: int = Tag._meta.get_field("name").max_length or 0
NAME_CHARACTERS: int = Collection._meta.get_field("name").max_length or 0


def read_tags(typed: Iterable[str]) -> list[str]:
    """The tags in what was typed, between commas. Raises BadRequest."""
    found = {name.casefold(): name for text in typed for each in text.split(",") if (name := _squeezed(each))}
    if not found:
        raise BadRequest("Write a tag, or several with commas between them.", param="tags")
    if len(found) > MOST_TAGS_AT_ONCE:
        raise BadRequest(f"Give at most {MOST_TAGS_AT_ONCE} tags at once.", param="tags")
    for name in found.values():
        if len(name) > TAG_CHARACTERS or not name.isprintable():
            raise BadRequest(f"A tag is at most {TAG_CHARACTERS} characters: “{name[:24]}…” is not one.", param="tags")
    return list(found.values())


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@transaction.atomic
def tag(team: Team, tasks: Sequence[VideoTask], names: Sequence[str], *, by: User) -> Changed:
    """Returns which videos had a tag not yet. Raises BadRequest where the team has too many already."""
    keys = {name.casefold(): name for name in names}
    missing = keys.keys() - set(team.video_tags.filter(key__in=keys).values_list("key", flat=True))
    if missing and team.video_tags.count() + len(missing) > MOST_TAGS:
        raise BadRequest(f"Your team has {MOST_TAGS:,} tags, which is all it may have. Use one of them.", param="tags")
    new = [Tag(team=team, name=keys[key], key=key) for key in keys if key in missing]
    Tag.objects.bulk_create(new, ignore_conflicts=True)  # another may be first
    tags = list(team.video_tags.filter(key__in=keys).order_by("name"))
    had = set(Tagging.objects.filter(tag__in=tags, task__in=tasks).values_list("tag", "task"))
    added = [(tag, [task for task in tasks if (tag.pk, task.pk) not in had]) for tag in tags]
    Tagging.objects.bulk_create(
        [Tagging(tag=tag, task=task) for tag, without in added for task in without], ignore_conflicts=True
    )
    for each, without in added:
        tell_all(without, "tagged", by=by, tag=each.name)
    return {tag.name: [task.public_id for task in without] for tag, without in added if without}


@transaction.atomic
def untag(team: Team, tasks: Sequence[VideoTask], names: Sequence[str], *, by: User) -> Changed:
    """Returns which videos had a tag until now."""
    of_team = Tagging.objects.filter(tag__team=team, tag__key__in=[name.casefold() for name in names])
    found = list(of_team.filter(task__in=tasks).select_related("tag", "task").order_by("tag__name", "-task"))
    Tagging.objects.filter(pk__in=[tagging.pk for tagging in found]).delete()
    lost: dict[str, list[VideoTask]] = {}
    for tagging in found:
        lost.setdefault(tagging.tag.name, []).append(tagging.task)
    for name, without in lost.items():
        tell_all(without, "untagged", by=by, tag=name)
    return {name: [task.public_id for task in without] for name, without in lost.items()}


@transaction.atomic
def move(tasks: Sequence[VideoTask], collection: Collection | None, *, by: User) -> Changed:
    """Out of whatever collection they are in. Returns which videos were elsewhere, by where they were."""
    there = collection.public_id if collection else None
    moved = [task for task in tasks if task.collection_id != there]
    VideoTask.objects.filter(pk__in=[task.pk for task in moved]).update(collection=collection)
    tell_all(moved, "moved", by=by, collection=collection.name if collection else "")
    were: Changed = {}
    for task in moved:
        were.setdefault(task.collection_id or "", []).append(task.public_id)
    return were


def tags_of(seen: Iterable[Glance]) -> dict[int, list[str]]:
    """By the number of the video. One query."""
    found: dict[int, list[str]] = {}
    rows = Tagging.objects.filter(task__in=[each.pk for each in seen]).order_by("tag__name")
    for pk, name in rows.values_list("task_id", "tag__name"):
        found.setdefault(pk, []).append(name)
    return found


def tag_names(team: Team) -> list[str]:
    """Those that a video has. One query."""
    used = team.video_tags.filter(Exists(Tagging.objects.filter(tag=OuterRef("pk"))))
    return list(used.order_by("key").values_list("name", flat=True))


def find(team: Team, public_id: str) -> Collection:
    """Raises NotFound, also for one of another team."""
    is_possible = len(public_id) <= 32 and public_id.isascii() and public_id.isprintable()
    found = team.video_collections.filter(public_id=public_id).first() if is_possible else None
    if found is None:
        raise NotFound("There is no such collection in this team. It may have been deleted.", param="collection")
    return found


def collections(team: Team) -> QuerySet[Collection]:
    return team.video_collections.order_by("key")


@dataclass(frozen=True, slots=True)
class Figures:
    """How many videos a collection has, what they cost, and the number of the newest that has a file, or 0."""

    count: int = 0
    charged_nanousd: int = 0
    newest: int = 0


def with_figures(team: Team) -> list[tuple[Collection, Figures]]:
    """All collections. Two queries."""
    tasks = VideoTask.objects.filter(team=team, deleted_at=None).exclude(collection=None).order_by()
    newest = Max("pk", filter=Q(fetch=VideoTask.Fetch.STORED))
    sums = tasks.values_list("collection_id").annotate(Count("pk"), Sum("charged_nanousd"), newest=newest)
    figures = {public_id: Figures(count, int(charged or 0), newest or 0) for public_id, count, charged, newest in sums}
    found = collections(team).select_related("by")
    return [(each, figures.get(each.public_id, Figures())) for each in found]


def collect(caller: Caller, typed: str) -> Collection:
    """A new collection. Raises BadRequest for what is no name or one collection too many, Conflict for a name that
    another has."""
    name = _named(typed)
    if caller.team.video_collections.count() >= MOST_COLLECTIONS:
        raise BadRequest(
            f"Your team has {MOST_COLLECTIONS} collections, which is all it may have. Delete one first.", param="name"
        )
    try:
        with transaction.atomic():
            return Collection.objects.create(team=caller.team, by=caller.user, name=name, key=name.casefold())
    except IntegrityError:
        raise _taken(name) from None


def rename(collection: Collection, typed: str) -> None:
    """Raises BadRequest or Conflict, as `collect` does."""
    name = _named(typed)
    try:
        with transaction.atomic():
            Collection.objects.filter(pk=collection.pk).update(name=name, key=name.casefold())
    except IntegrityError:
        raise _taken(name) from None


def remove(collection: Collection) -> None:
    """Its videos stay, in none."""
    collection.delete()


def _named(typed: str) -> str:
    name = _squeezed(typed)
    if not name:
        raise BadRequest("Give it a name, such as the film’s.", param="name")
    if len(name) > NAME_CHARACTERS or not name.isprintable():
        raise BadRequest(f"A name is at most {NAME_CHARACTERS} characters.", param="name")
    return name


def _taken(name: str) -> Conflict:
    return Conflict(f"There is a collection “{name}” already. Choose that one, or another name.", param="name")
