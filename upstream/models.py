"""Asks a provider which models it has. Knows the many shapes of a model list.

Knows no Django, no team, no money.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from upstream import answers
from upstream.client import Endpoint, Limits, fleeting_pool, is_kind, read_whole, send
from upstream.errors import Garbled, Redirected, Refused, provider_words

PATH = "/models"
LIMITS = Limits(first_byte_s=20, idle_s=10, total_s=30, answer_bytes=5 << 20)
MOST_MODELS = 10_000
ID_CAP = 200
DESCRIPTION_CAP = 2000
MOST_CONTEXT = 1_000_000_000
MOST_PRICE = Decimal(1000)
PRICE_CAP = 40
ASK_FOR_URL = "Is the base URL right? It usually ends in /v1."
NO_LIST = {404, 405}  # statuses of a server that serves no model list
# OpenAI-compatible servers agree on `id` and on little else.
CONTEXT_KEYS = ("context_length", "context_window", "max_context_length", "max_model_len")
OUTPUT_KEYS = ("max_output_tokens", "max_completion_tokens", "max_output_length")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model as the provider lists it. Prices are USD a token, as the text the provider gave; `asks_more` where
    requests have a price of their own beside it."""

    id: str
    name: str
    description: str = ""
    context_length: int | None = None
    prompt_price: str | None = None
    completion_price: str | None = None
    output_cap: int | None = None
    cached_price: str | None = None
    asks_more: bool = False


async def list_models(endpoint: Endpoint, *, request_id: str, limits: Limits = LIMITS) -> list[ListedModel]:
    """The provider's models in its own order, each id once. Raises `UpstreamError` with a sentence to show."""
    async with fleeting_pool(endpoint) as pool:
        try:
            answer = await send(endpoint, "GET", PATH, request_id=request_id, limits=limits, pool=pool)
        except Refused as refused:
            if refused.status in NO_LIST:
                sentence = f"There is no model list at this address. {ASK_FOR_URL} Or enter the models by hand."
                raise Refused(refused.status, sentence) from refused
            raise
        except Redirected as redirected:
            raise Garbled(f"{redirected} {_where_to(redirected)}") from redirected
        try:
            if is_kind(answer, "text/html"):
                raise Garbled(f"The provider answered with a web page, not a model list. {ASK_FOR_URL}")
            listing = answers.read_json(await read_whole(answer, cap=limits.answer_bytes), secret=endpoint.api_key)
        finally:
            answer.close()
    return _models(_items(listing, secret=endpoint.api_key))


def is_id(text: str) -> bool:
    """Whether a model can be asked for by this id."""
    return 0 < len(text) <= ID_CAP and text.isprintable() and " " not in text


def _where_to(redirected: Redirected) -> str:
    if not redirected.location:
        return ASK_FOR_URL
    address = redirected.location.removesuffix(PATH)
    return f"It points to {address}. If that is your provider, enter it as the base URL."


def _items(listing: object, *, secret: str) -> list[object]:
    """The list in {"data": […]}, {"models": […]} or a bare […]."""
    if isinstance(listing, dict):
        if error := listing.get("error"):
            raise answers.error_object(error, secret=secret)
        listing = listing.get("data", listing.get("models"))
    if not isinstance(listing, list):
        raise Garbled(f"The provider answered with JSON that is not a model list. {ASK_FOR_URL}")
    if len(listing) > MOST_MODELS:
        raise Garbled(f"The provider lists more than {MOST_MODELS:,} models.")
    return listing


def _models(items: list[object]) -> list[ListedModel]:
    models: dict[str, ListedModel] = {}
    for item in items:
        model = _model(item if isinstance(item, dict) else {"id": item})
        if model is not None:
            models.setdefault(model.id, model)
    return list(models.values())


def _model(item: dict[str, Any]) -> ListedModel | None:
    id = item.get("id")
    if not isinstance(id, str) or not is_id(id):
        return None
    pricing = item.get("pricing")
    pricing = pricing if isinstance(pricing, dict) else {}
    return ListedModel(
        id=id,
        name=_words(item.get("name") or item.get("display_name"), cap=ID_CAP) or id,
        description=_words(item.get("description"), cap=DESCRIPTION_CAP),
        context_length=_first_count(item, CONTEXT_KEYS),
        output_cap=_first_count(top if isinstance(top := item.get("top_provider"), dict) else item, OUTPUT_KEYS),
        prompt_price=_price(pricing.get("prompt")),
        completion_price=_price(pricing.get("completion")),
        cached_price=_price(pricing.get("input_cache_read")),
        asks_more=Decimal(_price(pricing.get("request")) or 0) > 0,
    )


def _words(value: object, *, cap: int) -> str:
    return provider_words(value, secret="", cap=cap) if isinstance(value, str) else ""


def _first_count(item: dict[str, Any], keys: tuple[str, ...]) -> int | None:
    """The first of these keys that has a number of tokens."""
    for key in keys:
        count = item.get(key)
        if type(count) is int and 0 < count <= MOST_CONTEXT:
            return count
    return None


def _price(value: object) -> str | None:
    """The price as given, if it is one. Some providers say -1 for "it depends"."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > PRICE_CAP:
        return None
    try:
        price = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    if not price.is_finite() or not 0 <= price <= MOST_PRICE:
        return None
    return value.strip() if isinstance(value, str) else f"{price:f}"
