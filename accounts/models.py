"""People and what they share: users, teams, memberships, providers with their sealed keys, access keys.

Knows models of language only as text ids. Rows are written by `people.py`, `vault.py` and `keys.py`.
"""

from functools import partial
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from accounts.ids import new_id


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """A person. What they may do is said by their memberships, never here. E-mail addresses are kept in lower case."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=80)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects = UserManager()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_is_lower_case")]

    def __str__(self) -> str:
        return self.name


class Team(models.Model):
    public_id = models.CharField(max_length=32, unique=True, editable=False, default=partial(new_id, "team"))
    name = models.CharField(max_length=80)
    people = models.ManyToManyField(User, through="Membership", related_name="teams")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        MEMBER = "member"
        VIEWER = "viewer"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "user"], name="membership_one_per_person_and_team"),
            models.CheckConstraint(
                condition=Q(role__in=["owner", "admin", "member", "viewer"]), name="membership_role_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}: {self.role}"


class Installation(models.Model):
    """One row, made with the first owner: its uniqueness is what lets only one of two racing first runs win."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    founded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="installation_is_one")]

    def __str__(self) -> str:
        return f"founded by {self.owner}"


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
