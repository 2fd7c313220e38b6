"""Whose clock a page shows: the browser tells its time zone in a cookie (static/js/zone.js); without it, UTC."""

from collections.abc import Mapping
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

ZONE_COOKIE = "zone"


def zone_from(cookies: Mapping[str, str]) -> tzinfo:
    """The browser's time zone, or UTC when it told none that exists."""
    try:
        return ZoneInfo(cookies.get(ZONE_COOKIE, "UTC"))
    except (KeyError, ValueError, OSError):  # unknown, not a name at all, the name of a folder
        return UTC
