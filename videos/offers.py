"""Which providers can make a clip of a model for a team, in the order they are tried. Knows no key; writes nothing.

The catalog's offers say so, in which order, and under which id to ask; `catalog/implied.py` says which kinds of
provider have the Seedance models. By an offer of its own an admin may also have a Seedance id drawn by the storyboard
renderer, which never stands in for it by itself. The storyboards themselves need no offer.
"""

from dataclasses import dataclass

from accounts.models import Provider, Team
from accounts.refusals import Forbidden, Refusal
from catalog import deprecations
from catalog import names as catalog_names
from catalog.deprecations import Deprecation
from catalog.known import catalog
from catalog.models import Offer
from videos.modes import MODELS, STORYBOARD

MAKERS = (Provider.Kind.EMMA18, Provider.Kind.ARK, Provider.Kind.EMBEDDED)


@dataclass(frozen=True, slots=True)
class Way:
    """A provider, and under which id it is asked for the model."""

    provider: Provider
    upstream_model: str

    @property
    def is_drawn(self) -> bool:
        return self.provider.kind == Provider.Kind.EMBEDDED


def named(name: str) -> str | None:
    """The video model that goes by this name: its documented id, or another that the catalog knows it by."""
    if name in MODELS:
        return name
    known = catalog().get(name)
    return next((each for each in (known.id, *known.aliases) if each in MODELS), None) if known else None


def names(model_id: str) -> set[str]:
    """All that a video model goes by."""
    known = catalog().get(model_id)
    return {model_id, known.id, *known.aliases} if known else {model_id}


def catalog_id(model_id: str) -> str:
    """What Models calls it. Limits, receipts and usage go by this id; tasks by the documented one."""
    known = catalog().get(model_id)
    return known.id if known else model_id


def ways(team: Team, model_id: str) -> list[Way]:
    """The best first, and none to a model that an admin has hidden. Three queries at most."""
    offers = Offer.objects.callable_now().filter(model__team=team, model__model_id__in=names(model_id))
    rows = offers.filter(provider__kind__in=MAKERS).select_related("provider__team").in_order()
    found = [Way(offer.provider, _asked(offer)) for offer in rows]
    if model_id == STORYBOARD and not hidden(team, STORYBOARD):
        renderers = team.providers.filter(kind=Provider.Kind.EMBEDDED, paused_at=None).select_related("team")
        found += [Way(provider, STORYBOARD) for provider in renderers]
    return found


def available(team: Team) -> set[str]:
    """The models that a team can use now. Four queries at most."""
    called = {name: model_id for model_id in MODELS for name in names(model_id)}
    offers = Offer.objects.callable_now().filter(model__team=team, model__model_id__in=called)
    offered = offers.filter(provider__kind__in=MAKERS).values_list("model__model_id", flat=True)
    return {called[name] for name in offered} | ({STORYBOARD} if ways(team, STORYBOARD) else set())


def hidden(team: Team, *model_ids: str) -> set[str]:
    """Those of the models that an admin has taken out of the catalog. One query."""
    called = {name: model_id for model_id in model_ids for name in names(model_id)}
    rows = team.models.filter(model_id__in=called, is_hidden=True).values_list("model_id", flat=True)
    return {called[name] for name in rows}


def deprecation(team: Team, model_id: str) -> Deprecation | None:
    """One query."""
    model = team.models.filter(model_id__in=names(model_id)).order_by("pk").first()
    return deprecations.of(model) if model else None


def refusal(team: Team, model_id: str) -> Refusal:
    """What to say where there is no way: of a hidden model, what the catalog says."""
    if hidden(team, model_id):
        return catalog_names.refusal(team, model_id)
    return Forbidden(
        f"No provider of your team offers {model_id}. An admin can connect one under Providers: EMMA18, Volcengine Ark "
        f"or BytePlus ModelArk. To draft without one, ask for {STORYBOARD}.",
        code="provider_not_connected",
        param="model",
    )


def _asked(offer: Offer) -> str:
    return STORYBOARD if offer.provider.kind == Provider.Kind.EMBEDDED else offer.upstream_id
