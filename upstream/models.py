"""Asks a provider which models it has. Knows the many shapes of a model list; knows no Django, no team, no money."""

from dataclasses import dataclass

from upstream.client import Endpoint


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model as the provider lists it. Prices are USD a token, as the text the provider gave."""

    id: str
    name: str
    description: str
    context_length: int | None
    prompt_price: str | None
    completion_price: str | None


async def list_models(endpoint: Endpoint, *, request_id: str) -> list[ListedModel]:
    raise NotImplementedError
