"""The catalog as one person sees it: every model that is known or offered, what it costs, and whether they may call it.

A line is made once for the same facts and kept, so that what a page shows of it is rendered once too.
"""

import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from accounts.callers import Caller
from accounts.models import Budget, Membership, Wallet
from accounts.prepared import Prepared
from catalog import experience, health
from catalog.experience import Experience
from catalog.known import KnownModel, catalog
from catalog.models import Alias, Model, Offer

JUST_S = 5.0
MOST_KEPT = 64

# What stands in the way, the nearest to available first: a word for addresses, and for people.
STATES = {
    "available": "Available",
    "failing": "Provider failing",
    "unpriced": "No price known",
    "spent": "No credit left",
    "key": "Not for this key",
    "viewer": "Viewers cannot call",
    "paused": "Provider paused",
    "off": "Switched off",
    "hidden": "Hidden",
    "unconnected": "No provider",
}


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """Equal to itself only. Prices are pico-dollars a token; `video_price` is a video token's, the least of them."""

    model_id: str
    name: str
    about: str
    maker: str
    kind: str
    providers: tuple[str, ...]  # in the order they are tried; empty where nobody offers it
    sellers: tuple[str, ...]  # who is known to offer it
    context: int | None
    output: int | None
    prompt: int | None
    completion: int | None
    cached: int | None
    video_price: int | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    features: tuple[str, ...]
    experience: Experience | None
    state: str
    is_hidden: bool
    is_deprecated: bool
    replaced_by: str
    aliases: tuple[str, ...]
    haystack: str = field(repr=False)  # what a search looks through, in lower case

    @property
    def success(self) -> float | None:
        return self.experience.success if self.experience else None

    @property
    def first_token_ms(self) -> int | None:
        return self.experience.first_token_ms if self.experience else None

    @property
    def state_words(self) -> str:
        return STATES[self.state]

    @property
    def is_callable(self) -> bool:
        return self.state in ("available", "failing")


_MODELS = Prepared(
    lambda team: (
        Model.objects.filter(team=team)
        .order_by()
        .values_list(
            *("pk", "model_id", "name", "description", "context_length", "output_cap"),
            *("is_hidden", "is_deprecated", "replaced_by"),
        )
    ),
    team=-1,
)
# Apart from the models: joined and ordered as one question they take the database three times as long.
_OFFERS = Prepared(
    lambda team: (
        Offer.objects.filter(provider__team=team)
        .in_order()
        .values_list(
            *("pk", "model_id", "is_on", "provider__paused_at", "provider__name"),
            *("price__prompt_picousd", "price__completion_picousd", "price__cached_picousd"),
        )
    ),
    team=-1,
)
_ALIASES = Prepared(
    lambda team: Alias.objects.filter(team=team).order_by("alias").values_list("alias", "model_id"), team=-1
)
_WALLET = Prepared(
    lambda team: Wallet.objects.filter(team=team).values_list("balance_nanousd", "held_nanousd"), team=-1
)
_HARD_BUDGETS = Prepared(
    lambda team: Budget.objects.filter(wallet_id=team, hard_nanousd__isnull=False).values_list(
        "scope", "user_id", "access_key_id"
    ),
    team=-1,
)


@dataclass(frozen=True, slots=True)
class _Facts:
    """All that a caller's lines are made of. Equal ones make the same."""

    models: list[tuple[Any, ...]]
    offers: list[tuple[Any, ...]]
    resting: frozenset[int]  # offers that are left alone after failures
    aliases: list[tuple[Any, ...]]
    measured: dict[str, Experience]
    barrier: str
    is_budgeted: bool
    key_models: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class _Kept:
    until: float
    facts: _Facts
    lines: list[Line]


_kept: OrderedDict[tuple[object, ...], _Kept] = OrderedDict()


def lines(caller: Caller, *, sees_hidden: bool = False) -> list[Line]:
    """As they are now. Seven queries at most, however many models; made anew only where one of the facts is another."""
    who = _who(caller, sees_hidden)
    facts, kept = _facts(caller), _kept.get(who)
    found = kept.lines if kept and kept.facts == facts else _made(facts, sees_hidden=sees_hidden)
    _kept[who] = _Kept(time.monotonic() + JUST_S, facts, found)
    while len(_kept) > MOST_KEPT:
        with suppress(KeyError):  # another thread was here first
            _kept.popitem(last=False)
    return found


def just_seen(caller: Caller, *, sees_hidden: bool = False) -> list[Line]:
    """The lines as they were up to some seconds ago: for who types a search into a page that has just been loaded."""
    kept = _kept.get(_who(caller, sees_hidden))
    return kept.lines if kept and time.monotonic() < kept.until else lines(caller, sees_hidden=sees_hidden)


def _facts(caller: Caller) -> _Facts:
    team = caller.team
    return _Facts(
        models=_MODELS.rows(team=team.pk),
        offers=_OFFERS.rows(team=team.pk),
        resting=health.resting(team),
        aliases=_ALIASES.rows(team=team.pk),
        measured=experience.of(team),
        barrier=_barrier(caller),
        is_budgeted=not team.may_use_unpriced and _has_hard_budget(caller),
        key_models=_key_models(caller),
    )


def _made(facts: _Facts, *, sees_hidden: bool) -> list[Line]:
    aliases: dict[str, tuple[str, ...]] = {}
    for alias, model_id in facts.aliases:
        aliases[model_id] = (*aliases.get(model_id, ()), alias)
    offers: dict[int, list[tuple[Any, ...]]] = {}
    for pk, of_model, *offer in facts.offers:
        offers.setdefault(of_model, []).append((*offer, pk in facts.resting))
    found, offered = [], set()
    for pk, *row in facts.models:
        model_id, ways = row[0], tuple(offers.get(pk, ()))
        offered.add(model_id)
        of_caller = facts.barrier, facts.is_budgeted, facts.key_models
        found.append(_offered(tuple(row), ways, facts.measured.get(model_id), *of_caller, aliases.get(model_id, ())))
    found += [
        _unconnected(known.id, facts.measured.get(known.id), aliases.get(known.id, ()))
        for known in catalog()
        if known.id not in offered
    ]
    return found if sees_hidden else [line for line in found if not line.is_hidden]


def forget() -> None:
    """Read anew when next asked."""
    _kept.clear()


def _who(caller: Caller, sees_hidden: bool) -> tuple[object, ...]:
    return caller.team.pk, caller.user.pk, caller.role, caller.access_key and caller.access_key.pk, sees_hidden


def _barrier(caller: Caller) -> str:
    """What keeps the caller from every model with a price: viewer, spent or nothing."""
    if not caller.has_role(Membership.Role.MEMBER):
        return "viewer"
    wallet = _WALLET.rows(team=caller.team.pk)
    return "" if any(balance > held for balance, held in wallet) else "spent"


def _key_models(caller: Caller) -> frozenset[str] | None:
    key = caller.access_key
    return None if key is None or key.allowed_models is None else frozenset(key.allowed_models)


def _has_hard_budget(caller: Caller) -> bool:
    """Whether a limit applies to the caller, under which nothing without a price can be called."""
    key_id = caller.access_key.pk if caller.access_key else None
    rows = _HARD_BUDGETS.rows(team=caller.team.pk)
    return any(
        scope == Budget.Scope.TEAM or user_id == caller.user.pk or (key_id and of_key == key_id)
        for scope, user_id, of_key in rows
    )


@lru_cache(maxsize=1 << 14)
def _offered(
    model: tuple[Any, ...],  # as _MODELS gives it, without its number
    offers: tuple[tuple[Any, ...], ...],  # as _OFFERS gives them, without numbers; and whether each is left alone
    measured: Experience | None,
    barrier: str,
    budgeted: bool,
    key_models: frozenset[str] | None,
    aliases: tuple[str, ...],
) -> Line:
    model_id, name, about, context, output, is_hidden, is_deprecated, replaced_by = model
    switched_on = [offer for offer in offers if offer[0]]
    ways = [offer for offer in switched_on if offer[1] is None]
    prompt, completion, cached = ways[0][3:6] if ways else (None, None, None)
    known = catalog().get(model_id)
    video = _least_video_price(known)
    names = {model_id, *aliases, *(known.aliases if known else ())}
    if is_hidden:
        state = "hidden"
    elif not ways:
        state = "paused" if switched_on else "off" if offers else "unconnected"
    elif key_models is not None and names.isdisjoint(key_models):
        state = "key"
    elif barrier == "viewer" or barrier == "spent" and (prompt or completion or video):
        state = barrier
    elif prompt is None and video is None and budgeted:
        state = "unpriced"
    elif all(is_resting for *_, is_resting in ways):
        state = "failing"
    else:
        state = "available"
    return _line(
        known,
        model_id=model_id,
        name=name,
        about=about,
        context=context,
        output=output,
        providers=tuple(dict.fromkeys(offer[2] for offer in ways or offers)),
        prices=(prompt, completion, cached) if offers else _known_prices(known),
        measured=measured,
        state=state,
        is_hidden=is_hidden,
        is_deprecated=is_deprecated,
        replaced_by=replaced_by,
        aliases=aliases,
    )


@lru_cache(maxsize=1 << 12)
def _unconnected(model_id: str, measured: Experience | None, aliases: tuple[str, ...]) -> Line:
    known = catalog()[model_id]
    return _line(
        known,
        model_id=known.id,
        name=known.name,
        about=known.about,
        context=known.context,
        output=known.output,
        providers=(),
        prices=_known_prices(known),
        measured=measured,
        state="unconnected",
        is_hidden=False,
        is_deprecated=False,
        replaced_by="",
        aliases=aliases,
    )


def _known_prices(known: KnownModel | None) -> tuple[int | None, int | None, int | None]:
    price = known.price if known else None
    return (price.prompt, price.completion, price.cached) if price else (None, None, None)


def _least_video_price(known: KnownModel | None) -> int | None:
    return min((row.token for row in known.video_prices), default=None) if known else None


def _line(
    known: KnownModel | None,
    *,
    model_id: str,
    name: str,
    about: str,
    context: int | None,
    output: int | None,
    providers: tuple[str, ...],
    prices: tuple[int | None, int | None, int | None],
    measured: Experience | None,
    state: str,
    is_hidden: bool,
    is_deprecated: bool,
    replaced_by: str,
    aliases: tuple[str, ...],
) -> Line:
    maker = known.maker if known else model_id.rpartition("/")[0]
    sellers = known.sellers if known else ()
    features = known.features if known else ()
    names = tuple(dict.fromkeys((*(known.aliases if known else ()), *aliases)))
    kind = known.kind if known else "chat"
    return Line(
        model_id=model_id,
        name=name,
        about=about,
        maker=maker,
        kind=kind,
        providers=providers,
        sellers=sellers,
        context=context,
        output=output,
        prompt=prices[0],
        completion=prices[1],
        cached=prices[2],
        video_price=_least_video_price(known),
        inputs=known.inputs if known else ("text",),
        outputs=known.outputs if known else ("text",),
        features=features,
        experience=measured,
        state=state,
        is_hidden=is_hidden,
        is_deprecated=is_deprecated or bool(known and known.is_deprecated),
        replaced_by=replaced_by or (known.replaced_by if known else ""),
        aliases=names,
        haystack=" ".join((model_id, name, maker, *providers, *names, *features, kind)).lower(),
    )


def named(caller: Caller, name: str, *, sees_hidden: bool = False) -> Line | None:
    """The line of a model, by its id or a short name."""
    found = {line.model_id: line for line in lines(caller, sees_hidden=sees_hidden)}
    by_alias = {alias: line for line in found.values() for alias in line.aliases}
    return found.get(name) or by_alias.get(name)
