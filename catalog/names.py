"""What a model may be called: by its id, by a team's alias, by a documented short name or as some vendor spells it. And
what to say to who calls one that nobody serves.
"""

from collections.abc import Iterator
from difflib import get_close_matches

from accounts.models import Team
from accounts.refusals import Forbidden, NotFound, Refusal
from catalog.known import LONGEST_ID, KnownModel, catalog
from catalog.models import Model

MOST_SELLERS = 3


def meanings(team: Team, name: str) -> Iterator[str]:
    """The ids that a name may stand for, the likeliest first: most callers never need the second."""
    if not may_exist(name):
        return
    yield name
    target = team.aliases.filter(alias=name).values_list("model_id", flat=True).first()
    if target:
        yield target
    if known := catalog().find(target or name):
        yield from (other for other in (known.id, *known.aliases) if other not in (name, target))


def id_of(team: Team, name: str) -> str | None:
    """The id of the model that is called by a name; where none can be called, of one that the team or the catalog knows
    by it, if there is one."""
    ids = list(meanings(team, name))
    for models in (team.models.callable_now(), team.models.all()):
        found = set(models.filter(model_id__in=ids).values_list("model_id", flat=True))
        if found:
            return min(found, key=ids.index)
    return next((known.id for each in ids if (known := catalog().get(each))), None)


def may_exist(model_id: str) -> bool:
    """Whether it is worth asking: databases refuse some characters, and comparing takes time with an id's length."""
    return len(model_id) <= LONGEST_ID and model_id.isprintable()


def refusal(team: Team, name: str) -> Refusal:
    """Why a name leads to no model that can be called."""
    if not may_exist(name):
        return NotFound(f"There is no model {name[:100]!r} here. {_LISTS}", code="model_not_found", param="model")
    ids = list(meanings(team, name))
    row = team.models.filter(model_id__in=ids).order_by("-is_hidden").first()
    if row:
        return _refusal_of_row(row)
    known = next((model for each in ids if (model := catalog().get(each))), None)
    return _not_connected(known) if known else _no_such_model(team, name)


def sellers_sentence(known: KnownModel) -> str:
    """What to connect so that it can be called."""
    sellers = known.sellers[:MOST_SELLERS]
    if not sellers:
        return "An admin can connect a provider that offers it under Providers."
    either = " or ".join([", ".join(sellers[:-1]), sellers[-1]] if len(sellers) > 1 else sellers)
    return f"An admin can connect {either} under Providers."


_LISTS = "GET /api/v1/models lists what you may call."


def _refusal_of_row(row: Model) -> Forbidden:
    if row.is_hidden:
        words = f"An admin of your team has taken {row.model_id} out of the catalog. Ask one to put it back."
        return Forbidden(words, code="model_hidden", param="model")
    paused = row.offers.filter(is_on=True).values_list("provider__name", flat=True).order_by("provider__name")
    if paused:
        words = f"{row.model_id} cannot be called: {_and(list(paused))} paused. An admin can resume it under Providers."
        return Forbidden(words, code="model_paused", param="model")
    if row.offers.exists():
        words = f"{row.model_id} is switched off at every provider that has it. An admin can switch it on under Models."
        return Forbidden(words, code="model_off", param="model")
    known = catalog().get(row.model_id)
    if known:
        return _not_connected(known)
    words = f"No connected provider offers {row.model_id} any more. {_LISTS}"
    return Forbidden(words, code="model_not_connected", param="model")


def _and(providers: list[str]) -> str:
    return f"{providers[0]} is" if len(providers) == 1 else f"{', '.join(providers[:-1])} and {providers[-1]} are"


def _not_connected(known: KnownModel) -> Forbidden:
    return Forbidden(
        f"{known.id} is known, but no connected provider offers it. {sellers_sentence(known)}",
        code="model_not_connected",
        param="model",
        facts={"providers": list(known.sellers)},
    )


def _no_such_model(team: Team, model_id: str) -> NotFound:
    ids = [*team.models.callable_now().values_list("model_id", flat=True)]
    ids += team.aliases.values_list("alias", flat=True)
    by_lower = {known_id.lower(): known_id for known_id in ids}
    nearest = [by_lower[match] for match in get_close_matches(model_id.lower(), by_lower, n=3, cutoff=0.5)]
    hint = f"Did you mean {' or '.join(nearest)}?" if nearest else _LISTS
    return NotFound(f"There is no model {model_id[:100]!r} here. {hint}", code="model_not_found", param="model")
