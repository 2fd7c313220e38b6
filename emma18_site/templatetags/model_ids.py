"""A model's id in its two parts, the maker's quiet and the name's loud: anthropic/ and claude-sonnet-4.6."""

from django import template

register = template.Library()


@register.filter
def maker(model_id: str) -> str:
    """With the slash behind it; empty where the id names none."""
    found, slash, _ = model_id.rpartition("/")
    return found + slash


@register.filter
def bare(model_id: str) -> str:
    return model_id.rpartition("/")[2]
