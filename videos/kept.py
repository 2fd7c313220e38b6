"""Fragments of pages rendered once for what they show, and kept: thirty cards by the template take 15 ms. Knows no
request."""

from collections.abc import Hashable
from functools import lru_cache

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

_TOKEN = "<token>"  # stands in what is kept for the token of a request: what people wrote has no such brackets there


def rendered(template: str, *, csrf_token: str = "", **shown: Hashable) -> SafeString:
    """Everything the template shows is in `shown`, where what looks different is not equal."""
    return SafeString(_rendered(template, **shown).replace(_TOKEN, csrf_token))


@lru_cache(maxsize=1 << 11)
def _rendered(template: str, **shown: Hashable) -> str:
    return render_to_string(template, shown | {"csrf_token": SafeString(_TOKEN)})
