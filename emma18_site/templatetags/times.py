"""How a moment reads on a page: near ones as a distance, far ones as a date. Knows nothing else."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django import template
from django.utils import timezone

register = template.Library()

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S


@register.filter
def ago(moment: datetime) -> str:
    """`just now`, `3 min ago`, `5 h ago`, `2 days ago`, then the date."""
    now = timezone.localtime()
    passed_s = (now - moment).total_seconds()
    if passed_s < MINUTE_S:
        return "just now"
    if passed_s < HOUR_S:
        return f"{passed_s // MINUTE_S:.0f} min ago"
    if passed_s < DAY_S:
        return f"{passed_s // HOUR_S:.0f} h ago"
    if passed_s < 2 * DAY_S:
        return "1 day ago"
    if passed_s < 7 * DAY_S:
        return f"{passed_s // DAY_S:.0f} days ago"
    there = timezone.localtime(moment)
    return f"{there.day} {there:%b}" if there.year == now.year else f"{there.day} {there:%b %Y}"


@register.filter
def last_day(end: datetime, zone: str) -> str:
    """The day that is over at `end` by the clock of that time zone: `30 Nov`, with the year unless it is this one."""
    day = (end - timedelta(seconds=1)).astimezone(ZoneInfo(zone))
    is_this_year = day.year == timezone.now().astimezone(ZoneInfo(zone)).year
    return f"{day.day} {day:%b}" if is_this_year else f"{day.day} {day:%b %Y}"
