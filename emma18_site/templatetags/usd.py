"""How an amount of money reads on a page. The exact one is `accounts.money.dollars`."""

from django import template

from accounts.money import NANO, dollars

register = template.Library()

CENT = NANO // 100


@register.filter
def usd(nanousd: int | None) -> str:
    """Short: $1,204.50, $0.0042, $0.000012, and a dash where there is no amount. Cents from a dollar up; below, at
    least four decimals and two digits that count."""
    if nanousd is None:
        return "–"
    amount = abs(nanousd)
    sign = "−" if nanousd < 0 else ""
    if amount % CENT == 0 or amount >= NANO:
        return f"{sign}${amount / NANO:,.2f}"
    decimals = 4
    while decimals < 9 and amount * 10**decimals < 10 * NANO:
        decimals += 1
    return f"{sign}${amount / NANO:.{decimals}f}"


@register.filter
def usd_short(nanousd: int) -> str:
    """A limit: $20, and no cents where there are none."""
    return f"${nanousd // NANO:,}" if nanousd % NANO == 0 else usd(nanousd)


@register.filter
def usd_steady(nanousd: int | None) -> str:
    """In a column where amounts stand under each other: never less than four decimals, and more where it takes them."""
    if nanousd is None or abs(nanousd) < NANO // 1000:
        return "$0.0000" if nanousd == 0 else usd(nanousd)
    return f"{'−' if nanousd < 0 else ''}${abs(nanousd) / NANO:,.4f}"


@register.filter
def exact_usd(nanousd: int | None) -> str:
    return "" if nanousd is None else dollars(nanousd)
