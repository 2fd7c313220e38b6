"""`manage.py bench gallery`: how long the server takes for the gallery of a team with ten thousand videos, and how
large its first page is.

As `bench pages` does: a scratch installation, Django's own test client, each request timed from its first middleware to
its last. Says which goals were missed; time on the processor stands beside them, as a busy machine shows in the other.
"""

import gzip
import json
import random
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import pages
from tests.bench.gateway import database_at
from tests.server import installation

if TYPE_CHECKING:
    from accounts.callers import Caller
    from videos.models import VideoTask

HELP = "the gallery of a team with ten thousand videos"
FIRST_GOAL_MS, GOAL_MS = 30, 50
MOST_BYTES = 60_000
WORDS = ("drone", "snow", "mountain", "valley", "neon", "rain", "street", "bottle", "milk", "forest", "boat", "lantern")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--videos", type=int, default=10_000, help="videos to make first (%(default)s)")
    parser.add_argument("--rounds", type=int, default=40, help="times each page is asked for (%(default)s)")
    parser.add_argument(
        "--database-url", default="", metavar="URL", help="a PostgreSQL in which a database is made for the run"
    )
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL that is started for the run")


@dataclass(frozen=True, slots=True)
class Options:
    """What `add_arguments` offers."""

    videos: int
    rounds: int
    database_url: str
    postgres: bool


def run(options: Options, *, write: Callable[[str], object]) -> int:
    """Measure and print. Returns how many requests were not answered with a page, or too large a one."""
    with (
        pages.database(options.database_url, postgres=options.postgres) as url,
        database_at(url),
        installation(EMMA18_LOG_LEVEL="ERROR") as scratch,
    ):
        printed = scratch.run_module("tests.bench.gallery", str(options.videos), str(options.rounds))
    found = json.loads(printed.splitlines()[-1])
    write(f"{options.videos:,} videos on {'PostgreSQL' if url else 'SQLite'}\n")
    write(pages.table(found["pages"]))
    write(f"First page: {found['bytes']:,} bytes gzipped, of {MOST_BYTES:,}, for {found['cards']} cards.")
    return sum(each["failed"] for each in found["pages"]) + (found["bytes"] > MOST_BYTES)


# In the scratch installation


def fill(count: int) -> None:
    """Five people, three months, most of it made; deterministic, so that two runs measure the same."""
    from datetime import timedelta

    from django.db import connection
    from django.utils import timezone

    from accounts import people
    from accounts.callers import Caller
    from accounts.models import Membership, User
    from emma18_site import onboarding
    from tests.clips import State, keep_all, unsaved
    from upstream.frame_sizes import RATIOS
    from videos.modes import MODELS

    _, team = onboarding.found_installation(
        name="alice", email="alice@example.org", password="a long enough password", team_name="Northlight"
    )
    members = []
    for number in range(5):
        user = User.objects.create(name=f"member {number}", email=f"member{number}@example.org")
        people.add_member(team, user=user, role=Membership.Role.MEMBER)
        members.append(Caller(user=user, team=team, role=Membership.Role.MEMBER))
    chance, now = random.Random(18), timezone.now()

    def one_of(weights: dict[str, int]) -> str:
        return chance.choices(list(weights), list(weights.values()))[0]

    def rows() -> Iterator["VideoTask"]:
        for number in range(count):
            state = State.RUNNING if number > count - 20 else one_of(ENDS)
            is_made = state == State.SUCCEEDED
            yield unsaved(
                chance.choice(members),
                State(state),
                prompt=" ".join(chance.choices(WORDS[:-1], k=60)) + (" lantern" if number % 500 == 7 else ""),
                model_id=chance.choice(list(MODELS)),
                ratio=chance.choice(RATIOS),
                mode=chance.choice(("t2v", "i2v", "v2v")),
                review_status=one_of(JUDGED) if is_made else "needs_review",
                rating=chance.randrange(1, 6) if is_made and number % 4 == 0 else None,
                charged_nanousd=chance.randrange(10**9),
                created_at=now - timedelta(minutes=13 * (count - number)),
            )

    keep_all(rows())
    _file(members[0], chance)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def _file(by: "Caller", chance: random.Random) -> None:
    """A third of the videos under a tag or two of twenty, half of them in one of forty collections."""
    from videos import filing
    from videos.models import Tagging, VideoTask

    pks = list(VideoTask.objects.values_list("pk", flat=True))
    first = list(VideoTask.objects.filter(pk=pks[0]))
    filing.tag(by.team, first, [f"tag {number}" for number in range(20)], by=by.user)
    tags = list(by.team.video_tags.values_list("pk", flat=True))
    taggings = {(tag, pk) for pk in pks[1::3] for tag in chance.sample(tags, chance.choice((1, 2)))}
    Tagging.objects.bulk_create((Tagging(tag_id=tag, task_id=pk) for tag, pk in taggings), batch_size=1000)
    for number in range(40):
        collection = filing.collect(by, f"Film {number}")
        VideoTask.objects.filter(pk__in=pks[number::80]).update(collection=collection)


ENDS = {"succeeded": 90, "failed": 6, "expired": 1, "cancelled": 3}
JUDGED = {"needs_review": 40, "approved": 35, "changes_requested": 15, "rejected": 8, "in_review": 2}


def wanted() -> list[pages.Page]:
    from videos import gallery
    from videos.models import VideoTask

    member = VideoTask.objects.first().user_id  # type: ignore[union-attr]
    pks = VideoTask.objects.order_by("pk").values_list("pk", flat=True)
    collection = VideoTask.objects.exclude(collection=None).values_list("collection", flat=True)[0]
    middle, early = pks[len(pks) // 2], pks[min(60, len(pks) - 1)]
    asked = {
        "middle": f"after=0.{middle}",
        "very end": f"after=0.{early}",
        "failed": "state=failed",
        "expired, of which there are few": "state=expired",
        "a person's": f"person={member}",
        "of a mode": "mode=v2v",
        "approved, five stars": "review=approved&rating=5",
        "of a model, last 30 days": "model=embedded/storyboard&date=30d",
        "search, found often": "q=neon",
        "search, found rarely": "q=lantern",
        "search, not found": "q=zebra",
        "search in a person's failed": f"q=milk&person={member}&state=failed",
        "tagged": "tag=tag 7",
        "tagged, of a person's failed": f"tag=tag 7&tag=tag 8&person={member}&state=failed",
        "of a collection": f"collection={collection}",
        "in no collection": "collection=none",
        "best rated": "sort=rated",
        "best rated, further": f"sort=rated&after=3.{middle}",
        "most expensive": "sort=dear",
        "most expensive, further": f"sort=dear&after=500000000.{middle}",
        "oldest": "sort=oldest",
    }
    open_ones = gallery.of(VideoTask.objects.first().team).filter(state="running")[:20]  # type: ignore[union-attr]
    seen = "&".join(f"seen={task.public_id}~old" for task in open_ones)
    return [
        pages.Page("Gallery, first page", "/videos/", FIRST_GOAL_MS),
        *(pages.Page(f"Gallery, {name}", f"/videos/?{words}", GOAL_MS) for name, words in asked.items()),
        pages.Page("Gallery, of a state, two menus open", "/videos/?state=failed&menu=state&menu=person", GOAL_MS),
        *(pages.Page(f"Menu, {label}", f"/videos/menu/{name}/", GOAL_MS) for name, label in gallery.LABELS.items()),
        pages.Page("Menu, State, of a search, found often", "/videos/menu/state/?q=neon", GOAL_MS),
        pages.Page("Menu, Tag, of a search, found rarely", "/videos/menu/tag/?q=lantern", GOAL_MS),
        pages.Page("Menu, Tag, of a person's failed", f"/videos/menu/tag/?person={member}&state=failed", GOAL_MS),
        pages.Page("Gallery, its poll", f"/videos/live/?{seen}", FIRST_GOAL_MS),
        pages.Page("Collections", "/videos/collections/", GOAL_MS),
        pages.Page("New video", "/videos/new/", GOAL_MS),
    ]


def main(count: int, rounds: int) -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.test import Client

    from accounts.models import User

    fill(count)
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.force_login(User.objects.get(name="alice"), backend=settings.AUTHENTICATION_BACKENDS[0])
    first = browser.get("/videos/")
    measured = []
    for page in wanted():
        began = time.process_time()
        figures = pages.measured(page, rounds)
        cpu_ms = (time.process_time() - began) * 1000 / (rounds + pages.WARM_UP)
        measured.append(figures | {"name": f"{page.name}, {cpu_ms:.0f} CPU"})
    size = len(gzip.compress(first.content))
    print(json.dumps({"pages": measured, "bytes": size, "cards": first.text.count("<article")}))


if __name__ == "__main__":
    import sys

    main(int(sys.argv[1]), int(sys.argv[2]))
