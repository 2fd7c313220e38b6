"""The keys of a team: those to its providers, sealed, and those it issued to its programs.

Rows are written by `accounts/vault.py` and `accounts/keys.py`.
"""

from datetime import datetime
from functools import partial

from django.db import models
from django.db.models import F, Q

from accounts import key_names
from accounts.ids import new_id
from accounts.models.people import Team, User


class Provider(models.Model):
    """An upstream a team connected. Its key is sealed for this row, team, kind and base URL, see `vault.py`, and so is
    the one before it, which is kept for the case that the new one is refused before `previous_key_until`.

    Among offers of one priority those of the provider with the lower `place` are tried first. One that is paused is
    asked for nothing.
    """

    class Kind(models.TextChoices):
        EMMA18 = "emma18", "EMMA18"
        ARK = "ark", "Volcengine Ark or BytePlus ModelArk"
        OPENAI_COMPATIBLE = "openai-compatible", "OpenAI-compatible"
        EMBEDDED = "embedded", "Built in"

    public_id = models.CharField(max_length=32, unique=True, editable=False, default=partial(new_id, "prov"))
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="providers")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=20, choices=Kind)
    base_url = models.CharField(max_length=500, blank=True)
    key_sealed = models.BinaryField(default=b"")
    key_master_id = models.CharField(max_length=32, blank=True)
    key_last_four = models.CharField(max_length=4, blank=True)
    previous_key_sealed = models.BinaryField(default=b"")
    previous_key_master_id = models.CharField(max_length=32, blank=True)
    previous_key_last_four = models.CharField(max_length=4, blank=True)
    previous_key_until = models.DateTimeField(null=True, blank=True)
    # When a new key was refused, so that the one before it is used again. Until the next one is entered.
    fell_back_at = models.DateTimeField(null=True, blank=True)
    place = models.PositiveSmallIntegerField(default=1000)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    # How many video tasks it has under way at most; None where nobody set it. Others wait for their turn.
    videos_at_once = models.PositiveSmallIntegerField(null=True, blank=True)
    models_by_hand = models.JSONField(default=list, blank=True)  # ids, for a server that lists none
    last_ok_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    connected_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "name"], name="provider_one_per_name"),
            models.UniqueConstraint(
                fields=["team"], condition=Q(kind="embedded"), name="provider_one_embedded_per_team"
            ),
            models.CheckConstraint(
                condition=Q(kind="embedded", base_url="", key_sealed=b"") | (~Q(kind="embedded") & Q(base_url__gt="")),
                name="provider_has_address_unless_embedded",
            ),
            models.CheckConstraint(
                condition=Q(previous_key_sealed=b"", previous_key_until=None)
                | (~Q(previous_key_sealed=b"") & Q(previous_key_until__isnull=False)),
                name="provider_previous_key_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(paused_at=None, paused_by=None) | Q(paused_at__isnull=False, paused_by__isnull=False),
                name="provider_is_paused_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(videos_at_once=None) | Q(videos_at_once__gte=1), name="provider_takes_at_least_one_video"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AccessKeyQuerySet(models.QuerySet["AccessKey"]):
    def usable(self) -> "AccessKeyQuerySet":
        """Keys that were not revoked and whose owner is still in the team and active. They may have expired."""
        return self.filter(revoked_at=None, owner__is_active=True, team__memberships__user=F("owner"))

    def for_list(self) -> "AccessKeyQuerySet":
        """With their owners; revoked ones last, newest first among their like."""
        return self.select_related("owner").order_by(F("revoked_at").desc(nulls_first=True), "-created_at", "-pk")

    def matching(self, text: str) -> "AccessKeyQuerySet":
        """Those whose name, owner or last four characters have the text in them."""
        found = Q(name__icontains=text) | Q(owner__name__icontains=text) | Q(last_four__icontains=text)
        return self.filter(found) if text else self


class AccessKey(models.Model):
    """A key we issued. Only its digest is kept; prefix and last four let people tell keys apart."""

    public_id = models.CharField(max_length=32, unique=True, editable=False, default=partial(new_id, "key"))
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="access_keys")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="access_keys")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    prefix = models.CharField(max_length=8)
    last_four = models.CharField(max_length=4)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_client = models.CharField(max_length=80, default="")
    revoked_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    # When the secret was last exchanged, and when the one it has now was first used.
    rotated_at = models.DateTimeField(null=True)
    secret_used_at = models.DateTimeField(null=True)
    # The secret before the last rotation, which still opens the door until then.
    previous_digest = models.CharField(max_length=64, unique=True, null=True)
    previous_until = models.DateTimeField(null=True)
    # Limits; None is no limit of the key's own. Money limits are budgets.
    allowed_models = models.JSONField(null=True)  # a list of model ids
    requests_per_minute = models.PositiveIntegerField(null=True)
    tokens_per_minute = models.PositiveIntegerField(null=True)
    concurrent_requests = models.PositiveIntegerField(null=True)

    objects = AccessKeyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(previous_digest=None, previous_until=None)
                | Q(previous_digest__isnull=False, previous_until__isnull=False),
                name="access_key_previous_secret_has_an_end",
            ),
            models.CheckConstraint(
                condition=~Q(requests_per_minute=0) & ~Q(tokens_per_minute=0) & ~Q(concurrent_requests=0),
                name="access_key_limits_are_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"{key_names.isolated(self.name)} ({self.prefix}…{self.last_four})"

    @property
    def label(self) -> str:
        return key_names.labelled(self.name, self.last_four)

    @property
    def secret_made_at(self) -> datetime:
        return self.rotated_at or self.created_at

    def is_expired(self, *, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at

    def is_rotating(self, *, at: datetime) -> bool:
        """Whether the secret before the last rotation still opens the door."""
        return self.previous_until is not None and self.previous_until > at
