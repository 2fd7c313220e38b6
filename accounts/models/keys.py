"""The keys of a team: those to its providers, sealed, and those it issued to its programs.

Rows are written by `accounts/vault.py` and `accounts/keys.py`.
"""

from functools import partial

from django.db import models
from django.db.models import F, Q

from accounts.ids import new_id
from accounts.models.people import Team, User


class Provider(models.Model):
    """An upstream a team connected. Its key is sealed for this row, team, kind and base URL, see `vault.py`."""

    class Kind(models.TextChoices):
        EMMA18 = "emma18", "EMMA18"
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
        ]

    def __str__(self) -> str:
        return self.name


class AccessKeyQuerySet(models.QuerySet["AccessKey"]):
    def usable(self) -> "AccessKeyQuerySet":
        """Keys that still open the door: not revoked, and their owner is still in the team and active."""
        return self.filter(revoked_at=None, owner__is_active=True, team__memberships__user=F("owner"))

    def for_list(self) -> "AccessKeyQuerySet":
        """With `owner_name`; usable ones first, newest first among their like."""
        return self.annotate(owner_name=F("owner__name")).order_by(
            F("revoked_at").desc(nulls_first=True), "-created_at", "-pk"
        )


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
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = AccessKeyQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…{self.last_four})"
