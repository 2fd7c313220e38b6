"""Which other models a refused request could go to, and whether what was left pays for it."""

from dataclasses import dataclass

from accounts import money
from accounts.models import Receipt
from catalog.models import Offer

MOST = 3
BYTES_A_TOKEN = 4  # a prompt's bound counts its bytes; it has about this many times fewer tokens


@dataclass(frozen=True, slots=True)
class Alternative:
    """`nanousd` is the most the request could cost with it. `fits` is None where the prompt is too long for it."""

    model_id: str
    nanousd: int
    fits: bool | None
    context_length: int | None


def of(receipt: Receipt, *, left_nanousd: int) -> list[Alternative]:
    """Models with a price: those that fit first, priced ones before free ones, the cheapest first."""
    facts = receipt.refusal or {}
    if facts.get("prompt_tokens") is None or facts.get("output_tokens") is None:
        return []
    offers = Offer.objects.callable_now().filter(model__team=receipt.team_id, price__isnull=False)
    offers = offers.exclude(model__model_id=receipt.model_id)
    if receipt.access_key and receipt.access_key.allowed_models is not None:
        offers = offers.filter(model__model_id__in=receipt.access_key.allowed_models)
    dearest: dict[str, Alternative] = {}
    for offer in offers.select_related("model", "price"):
        found = _with(offer, facts["prompt_tokens"], facts["output_tokens"], left_nanousd)
        known = dearest.get(found.model_id)
        if known is None or found.nanousd > known.nanousd:
            dearest[found.model_id] = found
    return sorted(dearest.values(), key=lambda each: (not each.fits, not each.nanousd, each.nanousd))[:MOST]


def _with(offer: Offer, prompt: int, output: int, left_nanousd: int) -> Alternative:
    model, price = offer.model, offer.price
    assert price is not None
    cap = min(output, model.output_cap or output)
    cost = money.cost_nanousd([(prompt, price.prompt_picousd), (cap, price.completion_picousd)])
    is_readable = model.context_length is None or prompt // BYTES_A_TOKEN < model.context_length
    return Alternative(model.model_id, cost, cost <= left_nanousd if is_readable else None, model.context_length)
