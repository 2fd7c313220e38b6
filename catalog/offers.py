"""Which providers may serve a model for a caller, in the order they are tried; and what to say when none may."""

from difflib import get_close_matches

from accounts.callers import Caller
from accounts.models import Provider, Team
from accounts.refusals import NotFound
from catalog.models import Model, Offer


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
    found = caller.team.models.callable_now().filter(model_id=model_id).first()
    if found is None:
        raise _no_such_model(caller.team, model_id)
    return found


def candidates(caller: Caller, model_id: str) -> list[Offer]:
    """The offers for a model in the order to try them. Raises NotFound with the nearest ids. One query."""
    found = list(
        Offer.objects.filter(is_on=True, model__team=caller.team, model__model_id=model_id)
        .select_related("provider__team", "model")
        .order_by("priority", "pk")
    )
    if not found:
        raise _no_such_model(caller.team, model_id)
    return found


def _no_such_model(team: Team, model_id: str) -> NotFound:
    known = list(team.models.callable_now().values_list("model_id", flat=True))
    by_lower = {known_id.lower(): known_id for known_id in known}
    nearest = [by_lower[match] for match in get_close_matches(model_id.lower(), by_lower, n=3, cutoff=0.5)]
    hint = f"Did you mean {' or '.join(nearest)}?" if nearest else "GET /api/v1/models lists what you may call."
    return NotFound(f"There is no model {model_id[:100]!r} here. {hint}", code="model_not_found", param="model")
