"""Video tasks, the files they are made from and the files they become, and what people keep them under.

A task's state is written by `lifecycle.py` alone, a file's row by `uploads.py` and `media.py`, tags and collections by
`filing.py`. The row is the truth: jobs, callbacks and pages only read it and ask `lifecycle.py` to change it.
"""

import unicodedata
from functools import partial

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Coalesce

from accounts.ids import new_id
from accounts.models import AccessKey, Provider, Team, User
from accounts.models.money import MOST_NANOUSD
from videos.modes import STORYBOARD

# What the gallery may be sorted by. Without parameters, as an index on an expression is found by its text.
STARS = Func(F("rating"), template="COALESCE(%(expressions)s, 0)", output_field=models.IntegerField())
COST = Coalesce("charged_nanousd", "estimated_nanousd")


def folded(text: str) -> str:
    """As prompts are searched: whatever the case and width of the letters."""
    once = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", once)  # some Greek letters come out of it taken apart


class VideoTask(models.Model):
    """One video asked for, from before it is sent to a provider until its file is kept.

    `request_id` names its hold and its receipt. `spec` is what was asked, as `requests.py` read it; files that came in
    the request itself stand in `inputs` until a provider has taken them. `sent_at` is set before the task is sent, and
    `upstream_id` is empty until a provider is known to have taken it: between the two its outcome is unknown.

    A task is due when `next_step_at` has come; whoever does the step takes the lease first. `deadline_at` is when the
    provider should have come to an end; past it the task still runs, with `needs_attention`.
    """

    class State(models.TextChoices):
        SUBMITTING = "submitting"
        SUBMIT_UNKNOWN = "submit_unknown"
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        EXPIRED = "expired"
        CANCELLED = "cancelled"

    OPEN = (State.SUBMITTING, State.SUBMIT_UNKNOWN, State.QUEUED, State.RUNNING)
    ENDED = (State.SUCCEEDED, State.FAILED, State.EXPIRED, State.CANCELLED)

    class Fetch(models.TextChoices):
        NONE = "none", "Nothing to fetch yet"
        DUE = "due", "To be copied into our storage"
        STORED = "stored"
        FAILED = "failed", "The file could not be had"

    public_id = models.CharField(max_length=32, unique=True, editable=False, default=partial(new_id, "vt"))
    request_id = models.CharField(max_length=40, unique=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="video_tasks", db_index=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    access_key = models.ForeignKey(AccessKey, on_delete=models.PROTECT, related_name="+", null=True, db_index=False)
    client = models.CharField(max_length=80)

    # What was asked
    mode = models.CharField(max_length=3)
    model_id = models.CharField(max_length=200)
    prompt = models.TextField()
    prompt_folded = models.TextField()  # by `folded`: to fold ten thousand takes longer than to search them
    spec = models.JSONField()
    metadata = models.JSONField(default=dict)
    callback_url = models.CharField(max_length=2000)
    idempotency_key = models.CharField(max_length=255, null=True)
    fingerprint = models.CharField(max_length=64)
    # Takes of one shot share the public id of the first; 1 is the first.
    shot = models.CharField(max_length=32)
    take = models.PositiveIntegerField(default=1)
    remix_of = models.ForeignKey("self", on_delete=models.SET_NULL, related_name="+", null=True, db_index=False)

    # Where it is made
    provider = models.ForeignKey(Provider, on_delete=models.SET_NULL, related_name="+", null=True, db_index=False)
    provider_name = models.CharField(max_length=80)
    upstream_model = models.CharField(max_length=200)
    upstream_id = models.CharField(max_length=200)
    callback_token = models.CharField(max_length=64, unique=True)
    sent_at = models.DateTimeField(null=True)
    was_refused = models.BooleanField(default=False)  # while unknown: the provider did answer, that something broke
    hinted_id = models.CharField(max_length=200)  # as a callback called it, before the answer came; not proven
    expires_after_s = models.PositiveIntegerField()  # as the provider is told, see `orders.py`
    hops = models.PositiveSmallIntegerField(default=0)  # how many EMMA18s it came through
    refusals = models.JSONField(default=list)  # providers that would not take it: [{provider, name, code}]

    # How it stands
    state = models.CharField(max_length=14, choices=State)
    progress = models.PositiveSmallIntegerField(null=True)  # percent, where the provider tells
    error_code = models.CharField(max_length=120)
    error_message = models.CharField(max_length=500)
    result = models.JSONField(default=dict)  # seed, ratio, duration, frames and the like, as the provider made it
    usage_tokens = models.BigIntegerField(null=True)
    needs_attention = models.BooleanField(default=False)
    attention = models.CharField(max_length=300)  # why, for people
    next_step_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)  # steps that failed in a row
    absences = models.PositiveSmallIntegerField(default=0)  # times in a row that the provider did not know it
    lease_until = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField()
    version = models.PositiveIntegerField(default=0)  # counts the changes a page or webhook may want to tell

    # Money, as the hold of `request_id` has it
    price = models.JSONField()
    estimated_nanousd = models.BigIntegerField()
    charged_nanousd = models.BigIntegerField(null=True)

    # Its file
    fetch = models.CharField(max_length=6, choices=Fetch, default=Fetch.NONE)
    fetch_at = models.DateTimeField(null=True)
    fetch_lease_until = models.DateTimeField(null=True)
    fetch_failures = models.PositiveIntegerField(default=0)
    upstream_url = models.CharField(max_length=4000)
    upstream_last_frame_url = models.CharField(max_length=4000)
    upstream_url_expires_at = models.DateTimeField(null=True)

    # What people make of it
    title = models.CharField(max_length=120)
    review_status = models.CharField(max_length=20, default="needs_review")
    rating = models.PositiveSmallIntegerField(null=True)
    # Named by its public id, which is what addresses and figures have: neither needs the other table.
    collection = models.ForeignKey(
        "Collection", on_delete=models.SET_NULL, related_name="videos", null=True, to_field="public_id", db_index=False
    )

    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["team", "-id"], condition=Q(deleted_at=None), name="video_newest_first"),
            models.Index(fields=["team", "state", "-id"], condition=Q(deleted_at=None), name="video_by_state"),
            models.Index(fields=["team", "user", "-id"], condition=Q(deleted_at=None), name="video_by_member"),
            models.Index(fields=["team", "model_id", "-id"], condition=Q(deleted_at=None), name="video_by_model"),
            # Everything the gallery counts by, so that no row is read for its figures.
            models.Index(
                fields=[
                    "team",
                    "state",
                    "review_status",
                    "model_id",
                    "mode",
                    "user",
                    "rating",
                    "created_at",
                    "collection",
                    "deleted_at",
                ],
                condition=Q(deleted_at=None),
                name="video_figures",
            ),
            models.Index(fields=["team"], condition=Q(deleted_at__isnull=False), name="video_deleted"),
            models.Index(fields=["next_step_at"], condition=Q(next_step_at__isnull=False), name="video_due"),
            models.Index(fields=["fetch_at"], condition=Q(fetch="due"), name="video_to_fetch"),
            models.Index(fields=["shot", "take"], name="video_takes"),
            # With all that collections are added up by.
            models.Index(
                fields=["team", "collection", "-id", "charged_nanousd", "fetch", "deleted_at"],
                condition=Q(deleted_at=None),
                name="video_by_collection",
            ),
            models.Index("team", STARS.desc(), F("id").desc(), condition=Q(deleted_at=None), name="video_best_rated"),
            models.Index("team", COST.desc(), F("id").desc(), condition=Q(deleted_at=None), name="video_dearest"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "upstream_id"], condition=Q(upstream_id__gt=""), name="video_one_per_upstream_id"
            ),
            models.UniqueConstraint(
                fields=["team", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="video_one_per_idempotency_key",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "submitting",
                        "submit_unknown",
                        "queued",
                        "running",
                        "succeeded",
                        "failed",
                        "expired",
                        "cancelled",
                    ]
                ),
                name="video_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(estimated_nanousd__gte=0, estimated_nanousd__lte=MOST_NANOUSD), name="video_is_priced"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["succeeded", "failed", "expired", "cancelled"], completed_at__isnull=False)
                | Q(
                    state__in=["submitting", "submit_unknown", "queued", "running"],
                    completed_at=None,
                    next_step_at__isnull=False,
                ),
                name="video_is_due_until_it_ends",
            ),
            models.CheckConstraint(
                condition=Q(rating=None) | Q(rating__gte=1, rating__lte=5), name="video_rating_is_one_to_five"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id}: {self.state}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def is_storyboard(self) -> bool:
        """Drawn here, or by the EMMA18 that was asked, which tells so."""
        return self.upstream_model == STORYBOARD or self.result.get("is_storyboard") is True

    @property
    def wallet_id(self) -> int:
        """With `request_id` this names its hold, as the ledger asks."""
        return self.team_id


class TaskInput(models.Model):
    """A file that came inside the request, as its data: URL. Deleted once a provider has taken the task."""

    task = models.ForeignKey(VideoTask, on_delete=models.CASCADE, related_name="inputs", db_index=False)
    number = models.PositiveSmallIntegerField()  # which of the spec's references it is, from 0
    content = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "number"], name="task_input_one_per_reference")]

    def __str__(self) -> str:
        return f"reference {self.number} of {self.task_id}"


class Media(models.Model):
    """The kept file of a task that succeeded, with its poster, its hover sprite and its facts. Made once."""

    task = models.OneToOneField(VideoTask, on_delete=models.CASCADE, primary_key=True, related_name="media")
    file = models.CharField(max_length=200)  # names in the storage
    poster = models.CharField(max_length=200)
    sprite = models.CharField(max_length=200)
    last_frame = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    content_type = models.CharField(max_length=60)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    duration_ms = models.PositiveIntegerField()
    frames = models.PositiveIntegerField()
    has_audio = models.BooleanField()
    sprite_tiles = models.PositiveSmallIntegerField(default=0)
    stored_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(file__gt="", sha256__gt="", size_bytes__gt=0), name="media_has_a_file")
        ]

    def __str__(self) -> str:
        return self.file


class Upload(models.Model):
    """A reference somebody sent us: an image, a sound or a video, checked and kept under a random name."""

    class Kind(models.TextChoices):
        IMAGE = "image"
        VIDEO = "video"
        AUDIO = "audio"

    public_id = models.CharField(max_length=32, unique=True, editable=False, default=partial(new_id, "up"))
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="uploads", db_index=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=5, choices=Kind)
    file = models.CharField(max_length=200)
    name = models.CharField(max_length=200)  # as the sender called it; never a path
    content_type = models.CharField(max_length=60)
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)
    thumbnail = models.CharField(max_length=200)  # "" where none could be made
    used_at = models.DateTimeField(null=True)  # when a task was first made from it; until then it is kept for a day
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["team", "-id"], name="upload_newest_first"),
            models.Index(fields=["created_at"], condition=Q(used_at=None), name="upload_unused"),
        ]
        constraints = [models.CheckConstraint(condition=Q(file__gt="", size_bytes__gt=0), name="upload_has_a_file")]

    def __str__(self) -> str:
        return self.name

    @property
    def seconds(self) -> float | None:
        return None if self.duration_ms is None else self.duration_ms / 1000


class Collection(models.Model):
    """Videos of a team that are kept together, such as those of one film. A video is in one at most."""

    public_id = models.CharField(max_length=32, unique=True, editable=False, default=partial(new_id, "co"))
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="video_collections", db_index=False)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    name = models.CharField(max_length=60)
    key = models.CharField(max_length=200)  # the name whatever its case, as Python compares
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "key"], name="collection_one_per_name")]

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """A word that a team finds videos by, spelled as it was first."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="video_tags", db_index=False)
    name = models.CharField(max_length=40)
    key = models.CharField(max_length=130)  # the name whatever its case, as Python compares

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "key"], name="tag_one_per_name")]

    def __str__(self) -> str:
        return self.name


class Tagging(models.Model):
    """That a video has a tag."""

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="taggings", db_index=False)
    task = models.ForeignKey(VideoTask, on_delete=models.CASCADE, related_name="taggings", db_index=False)

    class Meta:
        indexes = [models.Index(fields=["task", "tag"], name="tagging_of_video")]
        constraints = [models.UniqueConstraint(fields=["tag", "task"], name="tagging_once")]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.task_id}"


class TaskEvent(models.Model):
    """What happened to a task, in order: submitted, polled to a new state, charged, stored, deleted. Append-only."""

    task = models.ForeignKey(VideoTask, on_delete=models.CASCADE, related_name="events", db_index=False)
    what = models.CharField(max_length=40)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, db_index=False)
    facts = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["task", "id"], name="task_events_in_order")]

    def __str__(self) -> str:
        return f"{self.what} of {self.task_id}"


class Webhook(models.Model):
    """News of a task owed to its `callback_url`, sent until it is taken or given up."""

    task = models.ForeignKey(VideoTask, on_delete=models.CASCADE, related_name="webhooks", db_index=False)
    version = models.PositiveIntegerField()
    state = models.CharField(max_length=14)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True)  # None once it was taken or given up
    lease_until = models.DateTimeField(null=True)
    taken_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="webhook_due")]
        constraints = [models.UniqueConstraint(fields=["task", "version"], name="webhook_one_per_change")]

    def __str__(self) -> str:
        return f"{self.task_id} is {self.state}"


class Lane(models.Model):
    """How fast one provider may be asked, shared by all processes: asked no sooner than `next_at`."""

    provider = models.OneToOneField(Provider, on_delete=models.CASCADE, primary_key=True, related_name="lane")
    next_at = models.DateTimeField(null=True)
    is_stopped = models.BooleanField(default=False)  # its key is refused: ask nothing until an admin mends it
    failures = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"lane of {self.provider}"
