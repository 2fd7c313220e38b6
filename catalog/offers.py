"""Which providers may serve a model for a caller, in the order they are tried; and what to say when none may."""

from difflib import get_close_matches

from accounts.callers import Caller
from accounts.models import Provider, Team
from accounts.prepared import Prepared
from accounts.refusals import NotFound
from catalog.models import Model, Offer

LONGEST_ID = 200


def callable_models(team: Team) -> list[Model]:
    """The team's chat models with an offer that is on, by id. One query."""
    return list(team.models.callable_now().order_by("model_id"))


def first_offers(team: Team) -> list[Offer]:
    """For each callable model the offer that is tried first, by name of the model; the built-in model stands last."""
    found: dict[int, Offer] = {}
    rows = Offer.objects.filter(is_on=True, model__team=team).select_related("provider", "model")
    for offer in rows.order_by("priority", "pk"):
        found.setdefault(offer.model_id, offer)
    embedded = Provider.Kind.EMBEDDED
    return sorted(found.values(), key=lambda offer: (offer.provider.kind == embedded, offer.model.name.lower()))


def model(caller: Caller, model_id: str) -> Model:
    """One callable model. Raises NotFound with the nearest ids."""
    found = caller.team.models.callable_now().filter(model_id=model_id).first() if _may_exist(model_id) else None
    if found is None:
        raise _no_such_model(caller.team, model_id)
    return found


_PROVIDER = (
    "id", "public_id", "name", "kind", "base_url", "key_sealed", "key_master_id", "last_error",
)  # fmt: skip
_CANDIDATES = Prepared(
    lambda team, model_id: (
        Offer.objects.filter(is_on=True, model__team=team, model__model_id=model_id)
        .order_by("priority", "pk")
        .values_list("id", "upstream_id", *(f"provider__{name}" for name in _PROVIDER))
    ),
    team=-1,
    model_id="<model>",
)


def candidates(caller: Caller, model_id: str) -> list[Offer]:
    """The offers for a model in the order to try them. Raises NotFound with the nearest ids. One query."""
    found = []
    if _may_exist(model_id):
        for row in _CANDIDATES.rows(team=caller.team.pk, model_id=model_id):
            offer = Offer.from_db("default", ("id", "upstream_id"), row[:2])
            offer.provider = Provider.from_db("default", _PROVIDER, row[2:])
            offer.provider.team = caller.team
            found.append(offer)
    if not found:
        raise _no_such_model(caller.team, model_id)
    return found


def _may_exist(model_id: str) -> bool:
    """Whether it is worth asking: databases refuse some characters, and comparing takes time with an id's length."""
    return len(model_id) <= LONGEST_ID and model_id.isprintable()


def _no_such_model(team: Team, model_id: str) -> NotFound:
    known = team.models.callable_now().values_list("model_id", flat=True) if _may_exist(model_id) else ()
    by_lower = {known_id.lower(): known_id for known_id in known}
    nearest = [by_lower[match] for match in get_close_matches(model_id.lower(), by_lower, n=3, cutoff=0.5)]
    hint = f"Did you mean {' or '.join(nearest)}?" if nearest else "GET /api/v1/models lists what you may call."
    return NotFound(f"There is no model {model_id[:100]!r} here. {hint}", code="model_not_found", param="model")
