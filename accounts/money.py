"""Units of money: whole nano-dollars (1e-9 USD) for amounts, whole pico-dollars for the price of one token.

A price such as $0.00000015 a token is 150,000 pico-dollars. No float and no sum of rounded parts.
"""

import re
from collections.abc import Iterable
from decimal import Context, Decimal
from typing import Any

from accounts.models.money import MOST_NANOUSD
from accounts.refusals import BadRequest

NANO = 10**9
PICO_PER_NANO = 1000
_EXACT = Context(prec=60)


def cost_nanousd(priced: Iterable[tuple[int, int]]) -> int:
    """What (tokens, pico-dollars a token) cost together, rounded up once."""
    picousd = 0
    for tokens, price in priced:
        picousd += tokens * price
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


# A comma only between thousands: where people write 5,00 for five dollars, it must not become five hundred.
_TYPED = re.compile(r"\$? ?((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,20})(?:\.[0-9]{0,20})?|\.[0-9]{1,20})")


def from_dollars(text: str, *, least: int = 1, param: str = "amount") -> int:
    """An amount as a person types it: 5, 5.00, $1,204.50. Raises BadRequest for anything else, and for more decimals
    than a nano-dollar has."""
    typed = _TYPED.fullmatch(text.strip())
    if typed is None:
        raise BadRequest("Enter an amount in dollars, such as 5.00.", param=param)
    nanousd = Decimal(typed[1].replace(",", "")).scaleb(9, _EXACT)
    if nanousd != nanousd.to_integral_value():
        raise BadRequest("Leave out decimals after the ninth: a billionth of a dollar is the least.", param=param)
    if not least <= nanousd <= MOST_NANOUSD:
        raise BadRequest(f"Enter an amount from {dollars(least)} to {dollars(MOST_NANOUSD)}.", param=param)
    return int(nanousd)


def dollars(nanousd: int) -> str:
    """For sentences: at least two decimals, and as many as it takes to be exact: $12.40, $0.000012."""
    whole, part = divmod(abs(nanousd), NANO)
    return f"{'-' if nanousd < 0 else ''}${whole:,}.{_decimals(part)}"


def decimal_dollars(nanousd: int) -> str:
    """For programs: as exact, without the sign of the currency and commas: 12.40, -0.000012."""
    whole, part = divmod(abs(nanousd), NANO)
    return f"{'-' if nanousd < 0 else ''}{whole}.{_decimals(part)}"


def _decimals(part_nanousd: int) -> str:
    return f"{part_nanousd:09}".rstrip("0").ljust(2, "0")
