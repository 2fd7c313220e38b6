"""Which addresses this process may connect to. Knows IP addresses; knows no names, no HTTP, no settings."""

from collections.abc import Iterable


def allow(networks: Iterable[str], *, loopback: bool) -> None:
    """Set once at start: the special networks that may be called after all, and whether loopback may."""
    raise NotImplementedError
