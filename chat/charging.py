"""What a completion costs: the most it can, before it is sent; and what is due for what came, after.

Pure arithmetic over whole tokens and pico-dollars. Knows no ledger and no provider.
"""

from dataclasses import dataclass
from typing import Any

from accounts import money
from accounts.models.money import MOST_NANOUSD
from accounts.refusals import BadRequest
from catalog.prices import TokenPrice
from chat.requests import ChatRequest

# A byte-level tokenizer never makes more tokens than bytes; roles and separators come on top.
TOKENS_A_MESSAGE = 8
TOKENS_A_REQUEST = 64
# The largest image of the providers' own rules, but for one model that counts small images dear.
TOKENS_AN_IMAGE = 6_000
DEFAULT_OUTPUT_CAP = 16_384
LEAST_OUTPUT_CAP = 256
BYTES_A_TOKEN = 4  # of text in most languages, where a provider does not count for us
FEWEST_BYTES_A_TOKEN = 2  # of what people write, in any
MOST_TOKENS = 2**31 - 1  # that a column holds

# Parameters under which providers ask another price, and the values under which they do not.
_PRICED_PARAMETERS: dict[str, tuple[object, ...]] = {
    "service_tier": (None, "auto", "default", "standard"),
    "speed": (None, "standard"),
    "modalities": (None, ["text"]),
    "web_search_options": (None,),
    "search_parameters": (None, {"mode": "off"}),
    "enable_search": (None, False),
    "plugins": (None, []),
}
_TOOLS_OF_THE_CALLER = ("function", "custom")  # all others the provider runs itself, at a price


@dataclass(slots=True)
class Bound:
    """The most that a request can cost. `output_cap` is what is sent where the caller set none; None where nothing is
    at stake."""

    amount_nanousd: int
    least_nanousd: int | None
    prompt_tokens: int
    output_cap: int | None


def prompt_bound(request: ChatRequest) -> int:
    """Tokens that the prompt has at most, apart from what it refers to."""
    return request.text_bytes + _around_text(request)


def _around_text(request: ChatRequest) -> int:
    return TOKENS_A_MESSAGE * request.messages + TOKENS_A_REQUEST + TOKENS_AN_IMAGE * request.images


def prompt_estimate(request: ChatRequest) -> int:
    """Tokens that the prompt has about."""
    return -(-request.text_bytes // BYTES_A_TOKEN) + TOKENS_AN_IMAGE // 6 * request.images


def bound(
    request: ChatRequest, prices: list[TokenPrice | None], *, context: int | None, model_cap: int | None
) -> Bound:
    """Over all the prices at which it may be served. Raises BadRequest for what has a price of its own."""
    priced = [price for price in prices if price and costs(price)]
    prompt = prompt_bound(request)
    if not priced:
        return Bound(0, None, prompt, None)
    _refuse_what_costs_otherwise(request)
    if request.references:  # each may be as long as the model can read
        if context is None:
            raise BadRequest(
                "A message refers to a file or a video by its address or id. What that can cost is unknown for this "
                "model, as nobody knows how much it reads. Send the data in the request itself.",
                param="messages",
            )
        prompt = max(prompt, context)
    cap = request.output_cap
    if cap is not None:
        return Bound(_most(request, priced, prompt, capped(cap, model_cap, context)), None, prompt, None)
    room = max(LEAST_OUTPUT_CAP, context - _prompt_at_most(request)) if context else DEFAULT_OUTPUT_CAP
    cap = capped(min(DEFAULT_OUTPUT_CAP, room), model_cap, context)
    least = min(LEAST_OUTPUT_CAP, cap)
    return Bound(_most(request, priced, prompt, cap), _most(request, priced, prompt, least), prompt, cap)


def costs(price: TokenPrice) -> bool:
    return bool(price.prompt_picousd or price.completion_picousd)


def _refuse_what_costs_otherwise(request: ChatRequest) -> None:
    for name, free_values in _PRICED_PARAMETERS.items():
        if request.body.get(name) not in free_values:
            raise BadRequest(
                f"'{name}' changes what a provider asks, and no price is known for it here. Leave it out.", param=name
            )
    tools = request.body.get("tools")
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind is not None and kind not in _TOOLS_OF_THE_CALLER:
            raise BadRequest(
                f"'tools[{index}]' is run by the provider, and no price is known for that here. Leave it out, or offer "
                "a function of your own.",
                param=f"tools[{index}]",
            )


def _prompt_at_most(request: ChatRequest) -> int:
    """Tokens of a prompt as people write them: by the bound for any bytes a long one would leave no room to reply."""
    return -(-request.text_bytes // FEWEST_BYTES_A_TOKEN) + _around_text(request)


def dearest(bounds: list[Bound]) -> Bound:
    """The most that a request can cost when any of several models may answer it, all under one cap."""
    first, *others = bounds
    if not others:
        return first
    caps = [bound.output_cap for bound in bounds if bound.output_cap is not None]
    leasts = [bound.least_nanousd for bound in bounds if bound.least_nanousd is not None]
    return Bound(
        max(bound.amount_nanousd for bound in bounds),
        max(leasts, default=None),
        first.prompt_tokens,
        min(caps, default=None),
    )


def capped(cap: int, *limits: int | None) -> int:
    """No model writes more than it can, whatever it is allowed."""
    return min([cap, *(limit for limit in limits if limit)])


def _most(request: ChatRequest, prices: list[TokenPrice], prompt: int, cap: int) -> int:
    output = cap * request.choices
    most = max(
        [money.cost_nanousd(((prompt, _dearest_prompt(price)), (output, price.completion_picousd))) for price in prices]
    )
    return min(most, MOST_NANOUSD)


def _dearest_prompt(price: TokenPrice) -> int:
    return max(price.prompt_picousd, price.cached_picousd or 0)


def affordable_cap(
    request: ChatRequest, prices: list[TokenPrice | None], bound: Bound, held_nanousd: int
) -> int | None:
    """The cap on the output that what was held pays for; the bound's own where it was held whole."""
    if bound.output_cap is None or held_nanousd >= bound.amount_nanousd:
        return bound.output_cap
    caps = [
        (held_nanousd * money.PICO_PER_NANO - bound.prompt_tokens * _dearest_prompt(price))
        // (price.completion_picousd * request.choices)
        for price in prices
        if price and price.completion_picousd
    ]
    return min([bound.output_cap, *caps])


@dataclass(slots=True)
class Tokens:
    """What a request used. `cached` are among `prompt`."""

    prompt: int
    completion: int
    cached: int = 0


def reported(usage: object) -> Tokens | None:
    """A provider's own count, if it makes sense."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = _figure(usage.get("prompt_tokens")), _figure(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
    reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    if usage.get("total_tokens") == prompt + completion + reasoning:  # some count it apart, others within completion
        completion = min(completion + reasoning, MOST_TOKENS)
    return Tokens(prompt, completion, min(cached, prompt))


def _detail(usage: dict[str, Any], details: str, name: str) -> int:
    found = usage.get(details)
    return _figure(found.get(name)) or 0 if isinstance(found, dict) else 0


def _figure(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def delivered(request: ChatRequest, output_bytes: int) -> Tokens:
    """An estimate for what was delivered, where the provider did not count. It grows with what came."""
    return Tokens(prompt_estimate(request), -(-output_bytes // BYTES_A_TOKEN))


def cost(price: TokenPrice | None, tokens: Tokens) -> int:
    """Nano-dollars, rounded up once. Without a price nothing is charged; the receipt says that none is known."""
    if price is None:
        return 0
    cached_price = price.prompt_picousd if price.cached_picousd is None else price.cached_picousd
    return money.cost_nanousd(
        (
            (tokens.prompt - tokens.cached, price.prompt_picousd),
            (tokens.cached, cached_price),
            (tokens.completion, price.completion_picousd),
        )
    )


def output_bytes(choices: list[Any], part: str) -> int:
    """The size of what these choices say: their text, their reasoning and the arguments of tools they call. `part` is
    delta or message."""
    size = 0
    for choice in choices:
        said = choice.get(part) if isinstance(choice, dict) else None
        if isinstance(said, dict):
            size += sum(_text_bytes(value) for name, value in said.items() if name != "role")
    return size


def _text_bytes(value: Any) -> int:
    """Of all text in a value, however deep a provider nests it."""
    size, within = 0, [value]
    while within:
        each = within.pop()
        if isinstance(each, str):
            size += len(each) if each.isascii() else len(each.encode(errors="replace"))
        elif isinstance(each, dict | list):
            within.extend(each.values() if isinstance(each, dict) else each)
    return size
