"""An icon of the sprite: a builtin, as every page has dozens. A template for it took ten times as long."""

from functools import lru_cache

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

SPINNER = "loader-circle"


@register.simple_tag
@lru_cache(maxsize=256)
def icon(name: str) -> SafeString:
    """The spinner turns, by `data-spin`."""
    spin = SafeString(" data-spin" if name == SPINNER else "")
    return format_html(
        '<svg class="icon"{} aria-hidden="true"><use href="{}#{}"></use></svg>',
        spin,
        static("icons/sprite.svg"),
        name,
    )
