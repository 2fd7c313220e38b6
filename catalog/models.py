"""What a team can call: models, and the offers through which its providers serve them.

Rows are written by `sync.py` from what a provider lists. A team sees only its own: what one team's provider says of
a model never shows in another's catalog.
"""

from django.db import models
from django.db.models import Q

from accounts.models import Provider, Team


class ModelQuerySet(models.QuerySet["Model"]):
    def callable_now(self) -> "ModelQuerySet":
        """Models that at least one offer serves."""
        return self.filter(offers__is_on=True).distinct()


class Model(models.Model):
    """A model by the id callers use. Prices are strings of USD a token, as listed; empty when unknown."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="models")
    model_id = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    description = models.CharField(max_length=2000, blank=True)
    context_length = models.PositiveIntegerField(null=True, blank=True)
    prompt_price = models.CharField(max_length=40, blank=True)
    completion_price = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ModelQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "model_id"], name="model_one_per_id_and_team")]

    def __str__(self) -> str:
        return self.model_id


class Offer(models.Model):
    """A provider's way to serve a model: under which id it is asked for there. Lower priority is tried first."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="offers")
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="offers")
    upstream_id = models.CharField(max_length=200)
    priority = models.PositiveSmallIntegerField(default=100)
    is_on = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "model"], name="offer_one_per_provider_and_model"),
            models.CheckConstraint(condition=Q(upstream_id__gt=""), name="offer_has_upstream_id"),
        ]

    def __str__(self) -> str:
        return f"{self.model} by {self.provider}"
