"""Which providers may serve a model for a caller, in the order they are tried; and what to say when none may."""

from dataclasses import dataclass
from itertools import islice

from accounts import keys
from accounts.callers import Caller
from accounts.models import Provider, Team
from accounts.prepared import Prepared
from accounts.refusals import BadRequest
from accounts.shared_reads import once_a_group
from catalog import names, routing
from catalog.known import KnownModel, catalog
from catalog.models import Model, Offer, Price
from catalog.prices import TokenPrice
from catalog.routing import Health


@dataclass(frozen=True, slots=True)
class Callable:
    """A model that a caller may call: what is known of it, the price of the offer that is tried first, and its short
    names. What differs in spelling only is not among them."""

    model: Model
    known: KnownModel | None
    price: Price | None
    aliases: tuple[str, ...]

    @property
    def kind(self) -> str:
        return self.known.kind if self.known else "chat"


def callable_by(caller: Caller) -> list[Callable]:
    """What the caller may call, by id. Two queries."""
    aliases: dict[str, list[str]] = {}
    for alias, model_id in caller.team.aliases.order_by("alias").values_list("alias", "model_id"):
        aliases.setdefault(model_id, []).append(alias)
    rows = Offer.objects.callable_now().filter(model__team=caller.team)
    firsts: dict[str, Offer] = {}
    for offer in rows.select_related("model", "price").in_order():
        firsts.setdefault(offer.model.model_id, offer)
    found = [_callable(offer, aliases.get(model_id, [])) for model_id, offer in sorted(firsts.items())]
    return [each for each in found if keys.may_call(caller, each.model.model_id, *each.aliases)]


def callable_named(caller: Caller, name: str) -> Callable:
    """One of them, by its id or another name of it. Raises Forbidden or NotFound."""
    row = model(caller, name)
    aliases = caller.team.aliases.filter(model_id=row.model_id).order_by("alias").values_list("alias", flat=True)
    offer = row.offers.callable_now().select_related("model", "price").in_order().first()
    if offer is None:  # switched off a moment ago
        raise names.refusal(caller.team, name)
    return _callable(offer, list(aliases))


def _callable(offer: Offer, aliases: list[str]) -> Callable:
    known = catalog().get(offer.model.model_id)
    own = known.aliases if known else ()
    names_too = sorted({*own, *aliases} - {offer.model.model_id})
    return Callable(offer.model, known, offer.price, tuple(names_too))


def first_offers(team: Team) -> list[Offer]:
    """For each callable model the offer that is tried first, by name of the model; the built-in model stands last."""
    found: dict[int, Offer] = {}
    rows = Offer.objects.callable_now().filter(model__team=team)
    for offer in rows.select_related("provider", "model").in_order():
        found.setdefault(offer.model_id, offer)
    embedded = Provider.Kind.EMBEDDED
    return sorted(found.values(), key=lambda offer: (offer.provider.kind == embedded, offer.model.name.lower()))


def callable_ids(team: Team) -> list[str]:
    """The ids of the callable models, those that chat first, in the order of `first_offers`."""
    ids = [offer.model.model_id for offer in first_offers(team)]
    return sorted(ids, key=lambda model_id: kind_of(model_id) != "chat")


def kind_of(model_id: str) -> str:
    """One of KINDS. What nobody knows is taken to chat."""
    known = catalog().get(model_id)
    return known.kind if known else "chat"


def model(caller: Caller, model_id: str) -> Model:
    """One callable model, by its id or another name of it. Raises Forbidden with what is missing for it, or NotFound
    with the nearest ids."""
    for name in names.meanings(caller.team, model_id):
        if found := caller.team.models.callable_now().filter(model_id=name).first():
            keys.check_model(caller, model_id, name)
            return found
    keys.check_model(caller, model_id)
    raise names.refusal(caller.team, model_id)


# Each in the order of its model's fields, as `from_db` takes them.
_OFFER = ("id", "upstream_id", "priority")
_PROVIDER = (
    "id", "public_id", "name", "kind", "base_url", "key_sealed", "key_master_id", "place", "last_error",
)  # fmt: skip
_MODEL = ("id", "model_id", "context_length", "output_cap", "deprecated_at", "replaced_by")
_PRICE = ("id", "prompt_picousd", "completion_picousd", "cached_picousd", "source", "as_of")
_CANDIDATES = Prepared(
    lambda team, model_id: (
        Offer.objects.callable_now()
        .filter(model__team=team, model__model_id=model_id)
        .in_order()
        .values_list(
            *_OFFER,
            *(f"provider__{name}" for name in _PROVIDER),
            *(f"model__{name}" for name in _MODEL),
            *(f"price__{name}" for name in _PRICE),
            *routing.COLUMNS,
        )
    ),
    team=-1,
    model_id="<model>",
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An offer with its provider and model, what it costs, None where nobody knows, and how it is."""

    offer: Offer
    price: TokenPrice | None
    health: Health


@once_a_group
def candidates(caller: Caller, model_id: str) -> list[Candidate]:
    """The offers for a model, by its id or another name of it, in the order to try them: by priority, by their
    providers' order, then by health. Raises Forbidden with what is missing for it, NotFound with the nearest ids, or
    BadRequest for one that makes videos.
    One query where it is called by its id."""
    for name in names.meanings(caller.team, model_id):
        if found := _candidates(caller, name):
            keys.check_model(caller, model_id, name)
            _check_chats(name)
            return sorted(found, key=_turn)
    keys.check_model(caller, model_id)
    raise names.refusal(caller.team, model_id)


def _check_chats(model_id: str) -> None:
    known = catalog().get(model_id)
    if known and known.outputs == ("video",):
        raise BadRequest(
            f"{model_id} makes videos and does not chat. Ask for one with POST /api/v1/video/seedance/tasks.",
            code="model_makes_videos",
            param="model",
        )


def _turn(candidate: Candidate) -> tuple[int, ...]:
    return candidate.offer.priority, candidate.offer.provider.place, candidate.health.standing


def _candidates(caller: Caller, model_id: str) -> list[Candidate]:
    found = []
    for row in _CANDIDATES.rows(team=caller.team.pk, model_id=model_id):
        columns = iter(row)
        offer = Offer.from_db("default", _OFFER, [*islice(columns, len(_OFFER))])
        offer.provider = Provider.from_db("default", _PROVIDER, [*islice(columns, len(_PROVIDER))])
        offer.provider.team = caller.team
        offer.model = Model.from_db("default", _MODEL, [*islice(columns, len(_MODEL))])
        price_id, *figures = islice(columns, len(_PRICE))
        price = TokenPrice(*figures) if price_id else None
        found.append(Candidate(offer, price, routing.health(offer.pk, offer.provider.pk, [*columns])))
    return found
