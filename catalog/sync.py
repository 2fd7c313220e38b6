"""Takes models and offers from what a provider lists. The writer of Model and Offer rows, but for what admins say of
them (`curation.py`) and for prices.

A model that is known (`known.py`) has its known id here, whatever the provider calls it, so that several providers'
offers of one model meet in it.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import vault
from accounts.callers import Caller
from accounts.ids import current_request_id
from accounts.models import Provider, Team
from accounts.refusals import Conflict, NotFound
from catalog import implied, prices, routing
from catalog.known import catalog
from catalog.models import Model, Offer, Price
from upstream.client import Endpoint
from upstream.embedded import own
from upstream.embedded.model import CONTEXT_TOKENS
from upstream.errors import Garbled, Refused, UpstreamError
from upstream.models import NO_LIST, ListedModel, list_models
from upstream.video import VideoClient

EMBEDDED_MODEL = ListedModel(
    id="embedded/smollm2-135m-instruct",
    name="SmolLM2 135M",
    description="A small model running on this machine. It answers at once, costs nothing and needs no key; "
    "for anything demanding connect a provider.",
    context_length=4096,
    prompt_price="0",
    completion_price="0",
)


def read_models(endpoint: Endpoint, *, kind: str = "", models_by_hand: Sequence[str] = ()) -> list[ListedModel]:
    """Ask a provider for its models; those known by hand are for one that has no list. Raises UpstreamError with the
    exact sentence of the failure."""
    own = implied.models(kind, endpoint.base_url)
    if kind == Provider.Kind.ARK:  # it has no list: asked is whether it takes the key
        with closing(VideoClient(endpoint, "ark")) as client:
            client.check()
        return own
    try:
        listed = async_to_sync(list_models)(endpoint, request_id=current_request_id())
    except Refused as refused:
        if not models_by_hand or refused.status not in NO_LIST:
            raise
        listed = [ListedModel(id=id, name=id) for id in models_by_hand]
    if not listed:
        raise Garbled("The provider answered, but lists no models. Load or allow one there, then try again.")
    named = {catalog().find(model.id) for model in listed}
    return [*listed, *(model for model in own if catalog().find(model.id) not in named)]


def connect(
    team: Team,
    *,
    kind: Provider.Kind,
    name: str,
    base_url: str,
    api_key: str,
    models_by_hand: Sequence[str] = (),
    by: Caller | None = None,
) -> Provider:
    """Keep a provider that answers, and offer what it lists. Raises UpstreamError, or Conflict for a taken name."""
    endpoint = Endpoint(base_url=base_url, api_key=api_key)
    listed = read_models(endpoint, kind=kind, models_by_hand=models_by_hand)
    with transaction.atomic():
        provider = vault.store(
            team, kind=kind, name=name, base_url=base_url, api_key=api_key, models_by_hand=models_by_hand, by=by
        )
        apply(provider, listed)
    return provider


@dataclass(frozen=True, slots=True)
class PriceChange:
    """`is_suspect` where it is ten times the other, or one of them is nothing: an admin must accept it."""

    model_id: str
    before: Price
    after: prices.TokenPrice
    is_suspect: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """What a provider lists beside what is offered through it now. Nothing is changed by it."""

    provider: Provider
    listed: Sequence[ListedModel]
    new: Sequence[str]  # ids at the provider, as are those of `gone`
    gone: Sequence[str]
    repriced: Sequence[PriceChange]

    @property
    def is_nothing(self) -> bool:
        return not (self.new or self.gone or self.repriced)

    @property
    def only_adds(self) -> bool:
        return bool(self.new) and not (self.gone or self.repriced)


def difference(provider: Provider) -> Difference:
    """Ask a provider what it has. Raises UpstreamError, noting it at the provider."""
    endpoint = vault.endpoint(provider)
    try:
        listed = _read_models_of(provider, endpoint)
    except UpstreamError as error:
        vault.note_failure(provider, str(error))
        raise
    vault.note_success(provider)
    routing.retry_key(provider)
    return compare(provider, embedded_models() if endpoint.is_local else listed)


def _read_models_of(provider: Provider, endpoint: Endpoint) -> list[ListedModel]:
    try:
        return read_models(endpoint, kind=provider.kind, models_by_hand=provider.models_by_hand)
    except Refused as refused:
        another = vault.fall_back(provider, refused=endpoint) if refused.status == 401 else None
        if another is None:
            raise
    return read_models(another, kind=provider.kind, models_by_hand=provider.models_by_hand)


def compare(provider: Provider, listed: Sequence[ListedModel]) -> Difference:
    """The difference for a list at hand. One query."""
    today = timezone.now().date()
    offers = {offer.upstream_id: offer for offer in provider.offers.select_related("price", "model")}
    by_id = {model.id: model for model in listed}
    repriced = [
        PriceChange(offer.model.model_id, offer.price, fresh, prices.is_suspect(offer.price, fresh))
        for upstream_id, offer in offers.items()
        if offer.price
        and upstream_id in by_id
        and (fresh := prices.fresh_price(offer, by_id[upstream_id], provider=provider, today=today))
    ]
    return Difference(
        provider=provider,
        listed=listed,
        new=[model_id for model_id in by_id if model_id not in offers],
        gone=[
            upstream_id
            for upstream_id, offer in offers.items()
            if upstream_id not in by_id and not _is_said_by_admins(offer)
        ],
        repriced=repriced,
    )


def refresh_by_itself(provider: Provider) -> Difference:
    """Ask again with nobody looking: what only adds is taken, the rest waits for an admin. Raises UpstreamError."""
    found = difference(provider)
    if found.only_adds:
        apply(provider, found.listed)
    return found


@transaction.atomic
def apply(provider: Provider, listed: Sequence[ListedModel], *, accepts_prices: bool = False) -> None:
    """Make the provider's offers those of the list: new ones on, known ones kept, gone ones removed with their model
    when nobody else offers it. What another provider said of a model first is kept. Raises NotFound for a provider
    that was removed while it was asked."""
    team = _locked(provider.team)
    if not team.providers.filter(pk=provider.pk).exists():
        raise NotFound(f"{provider.name} was removed meanwhile.")
    named = named_here(listed)
    Model.objects.bulk_create(
        [_model(team, model_id, model) for model_id, model in named.items()], ignore_conflicts=True
    )
    models = team.models.filter(model_id__in=named)
    Offer.objects.bulk_create(
        [Offer(provider=provider, model=model, upstream_id=named[model.model_id].id) for model in models],
        ignore_conflicts=True,
    )
    for offer in provider.offers.filter(model__in=models).select_related("model"):
        wanted = named[offer.model.model_id].id
        if offer.upstream_id != wanted:  # the provider has begun to call it otherwise
            Offer.objects.filter(pk=offer.pk).update(upstream_id=wanted)
    for offer in provider.offers.exclude(model__model_id__in=named).select_related("model"):
        if not _is_said_by_admins(offer):
            offer.delete()
    prices.take(provider, listed, accepts_changes=accepts_prices)
    routing.listed_again(provider)
    _forget_unoffered(team)


def _is_said_by_admins(offer: Offer) -> bool:
    """Of an offer that its provider does not list: lists name no video models."""
    known = catalog().get(offer.model.model_id)
    return known is not None and known.kind == "video"


def named_here(listed: Sequence[ListedModel]) -> dict[str, ListedModel]:
    """The list by the ids that models have here. Of several names for one known model, one gets its id: the exact one,
    else the shortest; the others go by their own."""
    known = {model.id: found.id for model in listed if (found := catalog().find(model.id))}
    best: dict[str, str] = {}
    for name in sorted(known, key=lambda name: (name != known[name], len(name), name)):
        best.setdefault(known[name], name)
    return {known[model.id] if best.get(known.get(model.id, "")) == model.id else model.id: model for model in listed}


def _model(team: Team, model_id: str, listed: ListedModel) -> Model:
    """What the provider does not tell is taken from the catalog."""
    known = catalog().get(model_id)
    return Model(
        team=team,
        model_id=model_id,
        name=known.name if known and listed.name == listed.id else listed.name,
        description=listed.description or (known.about if known else ""),
        context_length=listed.context_length or (known.context if known else None),
        output_cap=listed.output_cap or (known.output if known else None),
        prompt_price=listed.prompt_price or "",
        completion_price=listed.completion_price or "",
    )


def _forget_unoffered(team: Team) -> None:
    """But for those that an admin has said something about."""
    team.models.filter(offers=None, is_hidden=False, is_deprecated=False).delete()


def rotate(provider: Provider, *, base_url: str, api_key: str, overlap: timedelta, by: Caller) -> int:
    """Give a provider another key or address, if it answers there. Returns how many models it lists. Raises
    UpstreamError, and then keeps all as it was, or Conflict."""
    endpoint = Endpoint(base_url=base_url, api_key=api_key)
    listed = read_models(endpoint, kind=provider.kind, models_by_hand=provider.models_by_hand)
    fresh = vault.rotate(provider, base_url=base_url, api_key=api_key, overlap=overlap, by=by)
    vault.note_success(fresh)
    routing.retry_key(fresh)
    return len(listed)


def remove(provider: Provider, *, by: Caller) -> None:
    """Forget a provider, its key, its offers and the models only it offered. Raises Conflict for the built-in one."""
    if provider.kind == Provider.Kind.EMBEDDED:
        raise Conflict("The built-in model stays. To run without it, start the server with --no-embedded.")
    with transaction.atomic():
        team = _locked(provider.team)
        vault.remove(provider, by=by)
        _forget_unoffered(team)


def _locked(team: Team) -> Team:
    """The team's row lock: its providers and models change one after the other."""
    return Team.objects.select_for_update().get(pk=team.pk)


def offer_embedded(team: Team) -> None:
    """Put the built-in model and those of one's own into a team's catalog."""
    apply(vault.store_embedded(team), embedded_models())


def embedded_models() -> list[ListedModel]:
    """What this machine serves itself: the built-in model, and what is in the folder of models now."""
    return [EMBEDDED_MODEL, *map(_own_model, own.found(settings.MODELS_DIR).files)]


def _own_model(model_id: str) -> ListedModel:
    return ListedModel(
        id=model_id,
        name=model_id.removeprefix(own.PREFIX),
        description="From a file of your own, running on this machine.",
        context_length=CONTEXT_TOKENS,
        prompt_price="0",
        completion_price="0",
    )


def offer_own_models() -> None:
    """At the start: have each team's offers follow the files in the folder of models. A query a team."""
    listed = embedded_models()
    for provider in Provider.objects.filter(kind=Provider.Kind.EMBEDDED).select_related("team"):
        if not compare(provider, listed).is_nothing:
            apply(provider, listed)
