"""What a token costs: prices as providers list them, as an admin enters them, or as known beforehand. The only writer
of Price rows and of an offer's price.

A price is a row that is never changed; an offer points to the one in force, or to none: then nobody knows what the
model costs, which is never the same as nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.callers import Caller
from accounts.models import Provider
from accounts.refusals import BadRequest, Conflict, NotFound
from catalog.known import catalog
from catalog.models import Offer, Price
from upstream.models import ListedModel

PICO = 10**12
TOKENS_PER_PRICE = 10**6  # people read prices by the million tokens
MOST_PER_MILLION = Decimal(1_000_000)
SUSPECT = 10  # a price that is this many times another is more likely a mistake than news

FROM_CATALOG = "catalog: "  # how the source of a price begins that no provider lists


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """Whole pico-dollars a token. `source` and `as_of` say who said so and when."""

    prompt_picousd: int
    completion_picousd: int
    cached_picousd: int | None
    source: str
    as_of: date

    def as_json(self) -> dict[str, Any]:
        """For a receipt."""
        return {
            "prompt_picousd": self.prompt_picousd,
            "completion_picousd": self.completion_picousd,
            "cached_picousd": self.cached_picousd,
            "source": self.source,
            "as_of": self.as_of.isoformat(),
        }

    @property
    def _figures(self) -> tuple[int, int, int | None]:
        return self.prompt_picousd, self.completion_picousd, self.cached_picousd


def from_million(text: str, *, param: str) -> int:
    """Pico-dollars a token from USD a million tokens as a person types it. Raises BadRequest."""
    try:
        amount = Decimal(text.strip().removeprefix("$").replace(",", ""))
    except InvalidOperation:
        raise BadRequest("Give a price in dollars for a million tokens, such as 0.15.", param=param) from None
    if not amount.is_finite() or not 0 <= amount <= MOST_PER_MILLION:
        raise BadRequest(
            f"A price must be from $0 to ${MOST_PER_MILLION:,} for a million tokens. What is given out free costs 0.",
            param=param,
        )
    return _whole_pico(amount / TOKENS_PER_PRICE)


def _whole_pico(usd: Decimal) -> int:
    return int((usd * PICO).to_integral_value(ROUND_CEILING))


def usd_text(picousd: int) -> str:
    """USD a token as text, with no digit lost and none too many: 0.00000015."""
    whole, part = divmod(picousd, PICO)
    return f"{whole}.{part:012}".rstrip("0").rstrip(".")


def listed_price(model: ListedModel, *, provider_name: str, as_of: date) -> TokenPrice | None:
    """What the provider asks by its own list. Both prices, or it is no price."""
    if model.prompt_price is None or model.completion_price is None:
        return None
    prompt, completion = (_whole_pico(Decimal(price)) for price in (model.prompt_price, model.completion_price))
    cached = None if model.cached_price is None else _whole_pico(Decimal(model.cached_price))
    return TokenPrice(prompt, completion, cached, f"listed by {provider_name}", as_of)


def known_price(model_id: str) -> TokenPrice | None:
    """The list price that the catalog of known models has, by whichever of a model's names."""
    known = catalog().find(model_id)
    if known is None or known.price is None:
        return None
    price = known.price
    return TokenPrice(price.prompt, price.completion, price.cached, FROM_CATALOG + price.source, price.as_of)


def fresh_price(offer: Offer, listed: ListedModel | None, *, provider: Provider, today: date) -> TokenPrice | None:
    """What an offer costs by its provider's list, or else by the catalog; None where that is no news.

    A price an admin entered stays, and so does one the provider no longer lists. Where requests cost something beside
    their tokens, only an admin can say what that comes to a token.
    """
    if listed and listed.asks_more:
        return None
    fresh = listed_price(listed, provider_name=provider.name, as_of=today) if listed else None
    if fresh is None and (offer.price is None or offer.price.source.startswith(FROM_CATALOG)):
        fresh = known_price(offer.model.model_id)
    if fresh is None or (offer.price and (offer.price.set_by_id or _same(offer.price, fresh))):
        return None
    return fresh


def take(provider: Provider, listed: Iterable[ListedModel], *, accepts_changes: bool = False) -> None:
    """Give the provider's offers the prices of its list, or the known ones where it lists none. In a transaction.

    Raises Conflict, before anything is written, where a price has become ten times another or nothing, unless
    `accepts_changes`.
    """
    today = timezone.now().date()
    by_id = {model.id: model for model in listed}
    changes: list[tuple[Offer, TokenPrice]] = []
    suspect: list[str] = []
    for offer in provider.offers.select_related("price", "model"):
        fresh = fresh_price(offer, by_id.get(offer.upstream_id), provider=provider, today=today)
        if fresh is None:
            continue
        if offer.price and is_suspect(offer.price, fresh):
            suspect.append(offer.model.model_id)
        changes.append((offer, fresh))
    if suspect and not accepts_changes:
        raise Conflict(_suspicion(provider, suspect), code="prices_suspect")
    for offer, price in changes:
        _put(offer, price, provider=provider, by=None)


def enter(
    caller: Caller, *, provider: Provider, model_id: str, prompt: str, completion: str, cached: str = ""
) -> Price:
    """An admin says what a model costs at a provider, in USD a million tokens. Raises BadRequest, NotFound."""
    price = TokenPrice(
        from_million(prompt, param="prompt"),
        from_million(completion, param="completion"),
        from_million(cached, param="cached") if cached.strip() else None,
        f"entered by {caller.user.name}",
        timezone.now().date(),
    )
    with transaction.atomic():
        offer = provider.offers.select_related("model").filter(model__model_id=model_id).first()
        if offer is None:
            raise NotFound(f"{provider.name} does not offer {model_id[:100]}.")
        row = _put(offer, price, provider=provider, by=caller)
        audit.record(
            caller.team.pk,
            actor=caller.user,
            action="price entered",
            subject=f"{model_id} at {provider.name}",
            prompt_picousd=price.prompt_picousd,
            completion_picousd=price.completion_picousd,
        )
    return row


def _put(offer: Offer, price: TokenPrice, *, provider: Provider, by: Caller | None) -> Price:
    row = Price.objects.create(
        team_id=provider.team_id,
        model_id=offer.model.model_id,
        provider_name=provider.name,
        prompt_picousd=price.prompt_picousd,
        completion_picousd=price.completion_picousd,
        cached_picousd=price.cached_picousd,
        source=price.source[:120],
        as_of=price.as_of,
        set_by=by.user if by else None,
    )
    Offer.objects.filter(pk=offer.pk).update(price=row)
    return row


def _same(old: Price, new: TokenPrice) -> bool:
    return (old.prompt_picousd, old.completion_picousd, old.cached_picousd) == new._figures


def is_suspect(old: Price, new: TokenPrice) -> bool:
    pairs = ((old.prompt_picousd, new.prompt_picousd), (old.completion_picousd, new.completion_picousd))
    return any(max(pair) >= SUSPECT * min(pair) and max(pair) > 0 for pair in pairs)


def _suspicion(provider: Provider, model_ids: list[str]) -> str:
    named = ", ".join(model_ids[:3]) + (f" and {len(model_ids) - 3} more" if len(model_ids) > 3 else "")
    return (
        f"{provider.name} now lists prices ten times higher or lower than before for {named}. Nothing was changed. "
        "Check them there, then sync again and accept the new prices."
    )
