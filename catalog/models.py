"""What a team can call: models, and the offers through which its providers serve them.

Rows are written by `sync.py` from what a provider lists; what an admin says of them, by `curation.py`. A team sees only
its own: what one team's provider says of a model never shows in another's catalog.
"""

from django.db import models
from django.db.models import Q

from accounts.models import Provider, Team, User

# As offers are tried: by their own priority, then by their providers' order.
OFFER_ORDER = ("priority", "provider__place", "provider_id")


class ModelQuerySet(models.QuerySet["Model"]):
    def callable_now(self) -> "ModelQuerySet":
        """Models that no admin has hidden and at least one offer serves, by a provider that is not paused."""
        return self.filter(offers__is_on=True, offers__provider__paused_at=None, is_hidden=False).distinct()


class OfferQuerySet(models.QuerySet["Offer"]):
    def callable_now(self) -> "OfferQuerySet":
        """Those that are on, of models that no admin has hidden, by providers that no admin has paused."""
        return self.filter(is_on=True, provider__paused_at=None, model__is_hidden=False)

    def in_order(self) -> "OfferQuerySet":
        """As they are tried."""
        return self.order_by(*OFFER_ORDER)


class Price(models.Model):
    """What a token cost from a day on, as whole pico-dollars. Rows are never changed: the history of prices is kept,
    and a receipt that copied one can be traced. `cached_picousd` is for prompt tokens the provider had in its cache,
    None where it charges them like the others. Written by `prices.py`."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="prices")
    model_id = models.CharField(max_length=200)
    provider_name = models.CharField(max_length=80)
    prompt_picousd = models.BigIntegerField()
    completion_picousd = models.BigIntegerField()
    cached_picousd = models.BigIntegerField(null=True)
    source = models.CharField(max_length=120)  # who says so, in words
    as_of = models.DateField()
    set_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", null=True, db_index=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["team", "model_id", "id"], name="price_history")]
        constraints = [
            models.CheckConstraint(
                condition=Q(prompt_picousd__gte=0, completion_picousd__gte=0)
                & (Q(cached_picousd=None) | Q(cached_picousd__gte=0)),
                name="price_is_not_negative",
            )
        ]

    def __str__(self) -> str:
        return f"{self.model_id} by {self.provider_name}, {self.as_of}"


class Model(models.Model):
    """A model by the id callers use. Prices are strings of USD a token, as listed; empty when unknown.

    One that an admin has said something about stays when nobody offers it any more. `replaced_by` is the id of the
    model to call in its place, empty where there is none.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="models")
    model_id = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    description = models.CharField(max_length=2000, blank=True)
    context_length = models.PositiveIntegerField(null=True, blank=True)
    output_cap = models.PositiveIntegerField(null=True, blank=True)  # tokens a reply may have at most
    prompt_price = models.CharField(max_length=40, blank=True)
    completion_price = models.CharField(max_length=40, blank=True)
    is_hidden = models.BooleanField(default=False)  # then nobody can call it
    is_deprecated = models.BooleanField(default=False)
    deprecated_at = models.DateTimeField(null=True, editable=False)  # when an admin said so
    replaced_by = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ModelQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "model_id"], name="model_one_per_id_and_team"),
            models.CheckConstraint(
                condition=Q(replaced_by="") | Q(is_deprecated=True), name="model_is_replaced_when_deprecated"
            ),
            models.CheckConstraint(
                condition=Q(is_deprecated=False, deprecated_at=None)
                | Q(is_deprecated=True, deprecated_at__isnull=False),
                name="model_is_deprecated_since_a_moment",
            ),
        ]

    def __str__(self) -> str:
        return self.model_id


class Alias(models.Model):
    """A name of the team's own for a model, such as team/writer. The model need not be offered by anybody now."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="aliases")
    alias = models.CharField(max_length=200)
    model_id = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "alias"], name="alias_is_one_in_its_team")]

    def __str__(self) -> str:
        return f"{self.alias} for {self.model_id}"


class Offer(models.Model):
    """A provider's way to serve a model: under which id it is asked for there. Lower priority is tried first, and among
    equals the provider that stands first."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="offers")
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="offers")
    upstream_id = models.CharField(max_length=200)
    priority = models.PositiveSmallIntegerField(default=100)
    is_on = models.BooleanField(default=True)
    price = models.ForeignKey(Price, on_delete=models.SET_NULL, related_name="+", null=True)  # None: nobody knows it

    objects = OfferQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "model"], name="offer_one_per_provider_and_model"),
            models.CheckConstraint(condition=Q(upstream_id__gt=""), name="offer_has_upstream_id"),
        ]

    def __str__(self) -> str:
        return f"{self.model} by {self.provider}"


class Cause(models.TextChoices):
    """Why an offer or a provider's key is left alone. The last two are of a key, the others of an offer."""

    FAILING = "failing", "Failing"
    TIMEOUT = "timeout", "Not answering"
    RATE_LIMITED = "rate_limited", "Cooling down"
    NOT_AVAILABLE = "not_available", "Off"
    KEY_REFUSED = "key_refused", "Key refused"
    OUT_OF_FUNDS = "out_of_funds", "Out of funds"


class Health(models.Model):
    """What stands against asking; no row, or no cause, where nothing does. Written by `routing.py`, by the rules of
    `breaker.py`.

    Until `until` it is asked only when nothing else is left; then one request finds out, which has it to itself until
    `probing_until`. `pauses` counts those in a row, each longer than the one before. `last_error` outlives its cause
    and holds none of the provider's own words, which may quote a prompt.
    """

    cause = models.CharField(max_length=13, choices=Cause, blank=True)
    until = models.DateTimeField(null=True)
    probing_until = models.DateTimeField(null=True)
    pauses = models.PositiveSmallIntegerField(default=0)
    failed_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(cause="", until=None) | (~Q(cause="") & Q(until__isnull=False)),
                name="%(class)s_has_an_end",
            )
        ]


class OfferHealth(Health):
    """Beside that, how many calls failed and were answered since `window_began_at`, as far as they are written."""

    offer = models.OneToOneField(Offer, on_delete=models.CASCADE, related_name="health", primary_key=True)
    window_began_at = models.DateTimeField(null=True)
    failed = models.PositiveIntegerField(default=0)
    answered = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.offer}: {self.cause or 'healthy'}"


class ProviderHealth(Health):
    """Of a provider's key and account, and so of all its offers."""

    provider = models.OneToOneField(Provider, on_delete=models.CASCADE, related_name="health", primary_key=True)

    def __str__(self) -> str:
        return f"{self.provider}: {self.cause or 'healthy'}"


class PendingSync(models.Model):
    """What a provider's list would change, as it was read last, until an admin applies or dismisses it. Written by
    `pending.py`.

    `new` and `gone` are ids at the provider; `repriced` has {model_id, before, after, is_suspect}, each price as
    [prompt, completion, cached] in pico-dollars a token. `digest` is of those three.
    """

    provider = models.OneToOneField(Provider, on_delete=models.CASCADE, related_name="pending", primary_key=True)
    read_at = models.DateTimeField()
    digest = models.CharField(max_length=64)
    new = models.JSONField()
    gone = models.JSONField()
    repriced = models.JSONField()
    is_dismissed = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.provider}: {len(self.new)} new, {len(self.gone)} gone, {len(self.repriced)} repriced"
