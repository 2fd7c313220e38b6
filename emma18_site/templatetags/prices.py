"""How a price of a model and the size of its context read on a page."""

from django import template

register = template.Library()

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
PICO_PER_MILLION = 10**6  # pico-dollars a token that are one dollar a million


@register.filter
def per_million(picousd: int | None) -> str:
    """What a million tokens cost: $0.15, $3.00, $0.0375, free, and a dash where nobody knows."""
    if picousd is None:
        return "–"
    if picousd == 0:
        return "free"
    dollars = picousd / PICO_PER_MILLION
    text = f"{dollars:,.4f}".rstrip("0")
    whole, _, part = text.partition(".")
    return f"${whole}.{part:0<2}" if dollars >= 0.0001 else f"${dollars:.6f}"


@register.filter
def tokens(count: int | None) -> str:
    """128K, 1M, 1.05M, 4,096 as 4K; a dash where it is not known. Vendors count in either thousand."""
    if count is None:
        return "–"
    if count >= 10**6:
        return f"{count / 10**6:.2f}".rstrip("0").rstrip(".") + "M"
    return f"{count // 1000}K" if count >= 1000 else str(count)


@register.filter
def whole(count: int) -> str:
    """Every digit: 262,144."""
    return f"{count:,}"


@register.filter
def month(year_and_month: str) -> str:
    """2025-01 as Jan 2025, a year alone as it is."""
    year, _, number = year_and_month.partition("-")
    return f"{_MONTHS[int(number) - 1]} {year}" if number.isdecimal() and 0 < int(number) < 13 else year_and_month


@register.filter
def feature_words(features: tuple[str, ...]) -> str:
    names = {"tools": "tools", "json": "JSON mode", "vision": "vision", "reasoning": "reasoning"}
    words = ", ".join(names[feature] for feature in features)
    return words[:1].upper() + words[1:]


@register.filter
def percent(share: float) -> str:
    """99.9%; a whole hundred only where nothing failed."""
    return "100%" if share == 100 else f"{min(share, 99.9):.1f}%"


@register.filter
def modes(words: tuple[str, ...]) -> str:
    """Text, images, sound: as a sentence names them."""
    names = {"text": "text", "image": "images", "audio": "sound", "video": "video", "pdf": "PDF"}
    listed = ", ".join(names[word] for word in words)
    return listed[:1].upper() + listed[1:]
