"""What became of each request, and what a day's requests come to.

Receipts are written once, by `accounts/receipts.py`, in the transaction that ends the request's hold; a request that
was refused has one without a hold. Amounts are whole nano-dollars, prices whole pico-dollars a token.
"""

from django.db import models
from django.db.models import F, Q

from accounts.models.keys import AccessKey
from accounts.models.money import Attempt, Hold
from accounts.models.people import Team, User


class Receipt(models.Model):
    """One request: who asked for what through which door, what came of it, and what it cost.

    `price` is what the charge was worked out with: {prompt_picousd, completion_picousd, cached_picousd, source, as_of};
    empty for a model without a price. `refusal` holds the facts of the error a caller was given, such as the limits
    that were looked at. `total_ms` counts from the request to its end, `first_token_ms` to the first byte of a reply.
    """

    class Door(models.TextChoices):
        PLAYGROUND = "playground", "Playground"
        API = "api", "API"
        VIDEO = "video", "Videos"

    class Outcome(models.TextChoices):
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped by the caller"
        INTERRUPTED = "interrupted", "Broken off by the provider"
        FAILED = "failed", "Failed at the provider"
        REFUSED = "refused", "Refused by a limit of the team"
        LAPSED = "lapsed", "Ended by a restart"

    request_id = models.CharField(max_length=40, unique=True)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="receipts", db_index=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    access_key = models.ForeignKey(AccessKey, on_delete=models.PROTECT, related_name="+", null=True, db_index=False)
    hold = models.OneToOneField(Hold, on_delete=models.PROTECT, related_name="receipt", null=True)
    door = models.CharField(max_length=10, choices=Door)
    client = models.CharField(max_length=80)  # such as openai-python 3.54, as the caller's own headers say
    model_id = models.CharField(max_length=200)
    provider_name = models.CharField(max_length=80)
    outcome = models.CharField(max_length=11, choices=Outcome)
    status = models.PositiveSmallIntegerField()  # as the API answered, or would have
    code = models.CharField(max_length=64)  # of the refusal, empty where there was none
    attempts = models.PositiveSmallIntegerField()
    held_nanousd = models.BigIntegerField()
    charged_nanousd = models.BigIntegerField()
    basis = models.CharField(max_length=10, choices=Attempt.Basis)
    tokens_in = models.PositiveIntegerField(null=True)
    tokens_out = models.PositiveIntegerField(null=True)
    price = models.JSONField()
    refusal = models.JSONField(null=True)
    began_at = models.DateTimeField()
    first_token_ms = models.PositiveIntegerField(null=True)
    total_ms = models.PositiveIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["team", "id"], name="receipt_newest_first"),
            models.Index(fields=["team", "user", "id"], name="receipt_by_member"),
            models.Index(fields=["team", "model_id", "id"], name="receipt_by_model"),
            models.Index(fields=["access_key", "id"], condition=Q(access_key__isnull=False), name="receipt_by_key"),
            models.Index(fields=["team", "id"], condition=Q(access_key=None), name="receipt_of_playground"),
            models.Index(fields=["team", "outcome", "id"], condition=~Q(outcome="done"), name="receipt_not_done"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(charged_nanousd__gte=0, charged_nanousd__lte=F("held_nanousd")),
                name="receipt_charges_what_was_held",
            ),
            models.CheckConstraint(
                condition=~Q(outcome="refused") | Q(hold=None, charged_nanousd=0), name="receipt_refused_costs_nothing"
            ),
        ]

    def __str__(self) -> str:
        return self.request_id


class UsageDay(models.Model):
    """What one member spent on one model through one key and provider in a day of the team's time zone.

    Added up from receipts in the transaction that writes each, so a page never disagrees with the ledger. Spent is
    charges less refunds. `access_key_id` is 0 for the playground: nulls would never be equal in the constraint.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="usage", db_index=False)
    day = models.DateField()
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", db_index=False)
    access_key_id = models.BigIntegerField(default=0)
    model_id = models.CharField(max_length=200)
    provider_name = models.CharField(max_length=80)
    requests = models.PositiveBigIntegerField()
    failed = models.PositiveBigIntegerField()  # at the provider, or broken off
    refused = models.PositiveBigIntegerField()  # by a limit of the team
    tokens_in = models.PositiveBigIntegerField()
    tokens_out = models.PositiveBigIntegerField()
    spent_nanousd = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["team", "day", "user", "access_key_id", "model_id", "provider_name"],
                name="usage_day_is_one_row",
            )
        ]

    def __str__(self) -> str:
        return f"{self.team} on {self.day}: {self.model_id}"
