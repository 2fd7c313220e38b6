"""Units of money: whole nano-dollars (1e-9 USD) for amounts, whole pico-dollars for the price of one token.

A price such as $0.00000015 a token is 150,000 pico-dollars. No float and no sum of rounded parts.
"""

from collections.abc import Iterable
from typing import Any

from accounts.models.money import MOST_NANOUSD
from accounts.refusals import BadRequest

NANO = 10**9
PICO_PER_NANO = 1000


def cost_nanousd(priced: Iterable[tuple[int, int]]) -> int:
    """What (tokens, pico-dollars a token) cost together, rounded up once."""
    picousd = sum(tokens * price for tokens, price in priced)
    return -(-picousd // PICO_PER_NANO)


def checked(amount_nanousd: Any, *, least: int = 1) -> int:
    """The amount, if it is a whole number from `least` to a billion dollars. Raises BadRequest."""
    if type(amount_nanousd) is not int or not least <= amount_nanousd <= MOST_NANOUSD:
        raise BadRequest(
            f"An amount of money must be from {dollars(least)} to {dollars(MOST_NANOUSD)}, "
            "in whole billionths of a dollar.",
            param="amount",
        )
    return amount_nanousd


def dollars(nanousd: int) -> str:
    """For sentences: at least two decimals, and as many as it takes to be exact: $12.40, $0.000012."""
    whole, part = divmod(abs(nanousd), NANO)
    decimals = f"{part:09}".rstrip("0").ljust(2, "0")
    return f"{'-' if nanousd < 0 else ''}${whole:,}.{decimals}"
