"""How counts, measures and durations read on a page. Money is `usd.py`'s."""

from django import template

from accounts.money import NANO
from emma18_site.templatetags.usd import usd

register = template.Library()

_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))
SPELLED_OUT = 10_000  # below it every digit is shown


@register.filter
def compact(count: int | None) -> str:
    """9,999, then 18.2k, 41.2M; a dash where nothing was counted."""
    if count is None:
        return "–"
    if abs(count) < SPELLED_OUT:
        return f"{count:,}"
    size, unit = next(each for each in _UNITS if abs(count) >= each[0])
    return f"{count / size:.1f}{unit}"


@register.filter
def figure(amount: int, measure: str) -> str:
    """An amount in what it measures: money for spend, counts for the rest."""
    if measure == "spend":
        return usd(amount)
    return compact(amount) if measure == "tokens" else f"{amount:,}"


@register.filter
def scale(amount: int, measure: str) -> str:
    """The same beside a line of a chart: no digit more than it takes."""
    if measure == "spend":
        whole, part = divmod(amount, NANO)
        decimals = f".{part:09}".rstrip("0").ljust(3, "0") if part else ""
        return f"${whole:,}{decimals}"
    if amount < SPELLED_OUT:
        return f"{amount:,}"
    size, unit = next(each for each in _UNITS if amount >= each[0])
    return f"{amount / size:g}{unit}"


@register.filter
def took(ms: int | None) -> str:
    """12 ms, 0.81 s, 9.4 s, 2 min 14 s; a dash where nothing happened."""
    if ms is None:
        return "–"
    if ms < 100:
        return f"{ms} ms"
    if ms < 60_000:
        return f"{ms / 1000:.{2 if ms < 1000 else 1}f} s"
    return f"{ms // 60_000} min {ms % 60_000 // 1000} s"


@register.filter
def status_words(status: str) -> str:
    """An attempt's word for programs as people read it: provider unavailable."""
    return status.replace("_", " ")
