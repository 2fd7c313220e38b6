"""Takes models and offers from what a provider lists. The only writer of Model and Offer rows."""

from asgiref.sync import async_to_sync
from django.db import transaction

from accounts import vault
from accounts.ids import current_request_id
from accounts.models import Provider, Team
from accounts.refusals import Conflict, NotFound
from catalog.models import Model, Offer
from upstream.client import Endpoint
from upstream.errors import Garbled, UpstreamError
from upstream.models import ListedModel, list_models

EMBEDDED_MODEL = ListedModel(
    id="embedded/smollm2-135m-instruct",
    name="SmolLM2 135M",
    description="A small model running on this machine. It answers at once, costs nothing and needs no key; "
    "for anything demanding connect a provider.",
    context_length=4096,
    prompt_price="0",
    completion_price="0",
)


def read_models(endpoint: Endpoint) -> list[ListedModel]:
    """Ask a provider for its models. Raises UpstreamError with the exact sentence of the failure."""
    listed = async_to_sync(list_models)(endpoint, request_id=current_request_id())
    if not listed:
        raise Garbled("The provider answered, but lists no models. Load or allow one there, then try again.")
    return listed


def connect(team: Team, *, kind: Provider.Kind, name: str, base_url: str, api_key: str) -> Provider:
    """Keep a provider that answers, and offer what it lists. Raises UpstreamError, or Conflict for a taken name."""
    listed = read_models(Endpoint(base_url=base_url, api_key=api_key))
    with transaction.atomic():
        provider = vault.store(team, kind=kind, name=name, base_url=base_url, api_key=api_key)
        apply(provider, listed)
    return provider


def refresh(provider: Provider) -> int:
    """Ask again what the provider has and offer that. Returns how many models. Raises UpstreamError, noting it."""
    endpoint = vault.endpoint(provider)
    try:
        listed = read_models(endpoint)
    except UpstreamError as error:
        vault.note_failure(provider, str(error))
        raise
    apply(provider, [EMBEDDED_MODEL] if endpoint.is_local else listed)
    vault.note_success(provider)
    return provider.offers.count()


@transaction.atomic
def apply(provider: Provider, listed: list[ListedModel]) -> None:
    """Make the provider's offers those of the list: new ones on, known ones kept, gone ones removed with their model
    when nobody else offers it. What another provider said of a model first is kept. Raises NotFound for a provider
    that was removed while it was asked."""
    team = _locked(provider.team)
    if not team.providers.filter(pk=provider.pk).exists():
        raise NotFound(f"{provider.name} was removed meanwhile.")
    Model.objects.bulk_create(
        [
            Model(
                team=team,
                model_id=model.id,
                name=model.name,
                description=model.description,
                context_length=model.context_length,
                prompt_price=model.prompt_price or "",
                completion_price=model.completion_price or "",
            )
            for model in listed
        ],
        ignore_conflicts=True,
    )
    ids = [model.id for model in listed]
    models = team.models.filter(model_id__in=ids)
    Offer.objects.bulk_create(
        [Offer(provider=provider, model=model, upstream_id=model.model_id) for model in models],
        ignore_conflicts=True,
    )
    provider.offers.exclude(model__model_id__in=ids).delete()
    team.models.filter(offers=None).delete()


def remove(provider: Provider) -> None:
    """Forget a provider, its key, its offers and the models only it offered. Raises Conflict for the built-in one."""
    if provider.kind == Provider.Kind.EMBEDDED:
        raise Conflict("The built-in model stays. To run without it, start the server with --no-embedded.")
    with transaction.atomic():
        team = _locked(provider.team)
        vault.remove(provider)
        team.models.filter(offers=None).delete()


def _locked(team: Team) -> Team:
    """The team's row lock: its providers and models change one after the other."""
    return Team.objects.select_for_update().get(pk=team.pk)


def offer_embedded(team: Team) -> None:
    """Put the built-in model into a team's catalog."""
    apply(vault.store_embedded(team), [EMBEDDED_MODEL])
