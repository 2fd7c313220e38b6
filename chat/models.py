"""Conversations and their turns. Every change of a turn's state or text is made by `conversations.py`."""

from functools import partial

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.ids import new_id
from accounts.models import Team


class Conversation(models.Model):
    public_id = models.CharField(max_length=32, unique=True, editable=False, default=partial(new_id, "conv"))
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="conversations")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="conversations")
    title = models.CharField(max_length=120)
    model_id = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["team", "owner", "-updated_at"], name="conversation_newest_first")]

    def __str__(self) -> str:
        return self.title


class Turn(models.Model):
    """One side's say: a person's prompt, or a model's reply to its parent turn.

    A reply's `text` only grows. `blocks` holds its finished Markdown blocks in order, each as
    [end, html]: `end` counts characters of `text`; what follows the last end is the plain tail.
    `leased_until` is renewed by the process that writes the reply; a lease that lapsed means the writer is gone.
    """

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    class State(models.TextChoices):
        WAITING = "waiting"
        WRITING = "writing"
        DONE = "done"
        STOPPED = "stopped"
        FAILED = "failed"
        INTERRUPTED = "interrupted"

    UNFINISHED = (State.WAITING, State.WRITING)

    public_id = models.CharField(max_length=32, unique=True, editable=False, default=partial(new_id, "turn"))
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="turns")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, related_name="replies", null=True, blank=True)
    role = models.CharField(max_length=10, choices=Role)
    state = models.CharField(max_length=12, choices=State)
    text = models.TextField(blank=True)
    blocks = models.JSONField(default=list)
    model_id = models.CharField(max_length=200, blank=True)
    provider_name = models.CharField(max_length=80, blank=True)
    request_id = models.CharField(max_length=32, blank=True)
    error = models.CharField(max_length=500, blank=True)
    is_cut_off = models.BooleanField(default=False)  # the model reached its limit before the end of what it had to say
    stop_asked = models.BooleanField(default=False)
    leased_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    first_token_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    tokens_in = models.PositiveIntegerField(null=True, blank=True)
    tokens_out = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(role="user", state="done") | Q(role="assistant", model_id__gt=""),
                name="turn_of_a_person_is_done_of_a_model_names_it",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "writing"], leased_until__isnull=False)
                | Q(state__in=["done", "stopped", "failed", "interrupted"], leased_until__isnull=True),
                name="turn_is_leased_while_unfinished",
            ),
        ]
        indexes = [
            models.Index(fields=["leased_until"], condition=Q(leased_until__isnull=False), name="turn_lapsing_lease")
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def is_unfinished(self) -> bool:
        return self.state in self.UNFINISHED
