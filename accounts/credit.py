"""How long a team's credit lasts: what is left of it, what was spent, and how both went on from day to day.

Reads the wallet, the days of usage and the few entries that people made, never the charges one by one: three queries,
however much was spent. Days are the team's own, in its time zone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import OuterRef, Subquery, Sum

from accounts import credit_chart, usage
from accounts.credit_chart import CreditChart, Point
from accounts.models import Entry, Team, UsageDay, Wallet

BURN_DAYS = 7
SHOWN_DAYS, LEAST_SHOWN_DAYS = 30, 7  # of the past, in the chart
SHOWN_AHEAD = 92
FAR_DAYS = 3 * 365  # further ahead nobody believes a day
UNEVEN = 1.25  # by that much weekdays and weekends differ before both are told


@dataclass(frozen=True, slots=True)
class Burn:
    """What a day costs at present, over the last days that are over; `days` is how many of them there were."""

    a_day_nanousd: int
    days: int
    weekday_nanousd: int | None  # where both are known and differ
    weekend_nanousd: int | None


@dataclass(frozen=True, slots=True)
class Credit:
    """`change_percent` compares this month with the same days of the one before, None where nothing was spent then.
    `lasts_days` is None where nothing is spent."""

    available_nanousd: int
    held_nanousd: int
    entry_count: int
    spent_nanousd: int  # this month
    change_percent: int | None
    before: str  # the days it is compared with, such as 1–24 Oct
    burn: Burn
    lasts_days: int | None
    today: date
    chart: CreditChart | None

    @property
    def runs_out(self) -> date | None:
        """About when; None where nobody can tell, or it is too far."""
        if self.lasts_days is None or self.lasts_days > FAR_DAYS:
            return None
        return self.today + timedelta(days=self.lasts_days)

    @property
    def is_far(self) -> bool:
        return self.lasts_days is not None and self.lasts_days > FAR_DAYS

    @property
    def change_size(self) -> int:
        return abs(self.change_percent or 0)


def of(team: Team, *, now: datetime) -> Credit:
    zone = ZoneInfo(team.time_zone)
    today = now.astimezone(zone).date()
    month = usage.span("month", today=today)
    before = usage.before(month)
    first_entry = Entry.objects.filter(wallet_id=OuterRef("pk"), number=1).values("created_at")
    wallet = Wallet.objects.annotate(began_at=Subquery(first_entry)).get(pk=team.pk)
    spent = _spent_by_day(team, since=min(before.first, today - timedelta(days=SHOWN_DAYS)))
    burn = _burn(spent, today)
    lasts_days = wallet.available_nanousd // burn.a_day_nanousd if burn.a_day_nanousd else None
    this_month, the_month_before = _sum(spent, month.first, today), _sum(spent, before.first, before.last)
    change = round(100 * (this_month - the_month_before) / the_month_before) if the_month_before > 0 else None
    return Credit(
        available_nanousd=wallet.available_nanousd,
        held_nanousd=wallet.held_nanousd,
        entry_count=wallet.entry_count,
        spent_nanousd=this_month,
        change_percent=change,
        before=before.words,
        burn=burn,
        lasts_days=lasts_days,
        today=today,
        chart=_chart(wallet, spent, lasts_days=lasts_days, now=now, zone=zone) if wallet.entry_count else None,
    )


def _spent_by_day(team: Team, *, since: date) -> dict[date, int]:
    days = UsageDay.objects.filter(team=team, day__gte=since).values("day").annotate(sum=Sum("spent_nanousd"))
    return dict(days.order_by().values_list("day", "sum"))


def _sum(spent: Mapping[date, int], first: date, last: date) -> int:
    return sum(amount for day, amount in spent.items() if first <= day <= last)


def _burn(spent: Mapping[date, int], today: date) -> Burn:
    """Over the seven days before today, or those since the first that cost something: a team may be new. On its first
    day, what today cost so far."""
    days = [today - timedelta(days=number) for number in range(BURN_DAYS, 0, -1)]
    if not any(day < days[0] for day, amount in spent.items() if amount > 0):
        costly = [day for day in days if spent.get(day, 0) > 0]
        days = [day for day in days if costly and day >= costly[0]] or [today]
    sums = {day: max(0, spent.get(day, 0)) for day in days}
    weekday, weekend = (_mean([sums[day] for day in days if (day.weekday() >= 5) == late]) for late in (False, True))
    is_uneven = len(days) == BURN_DAYS and max(weekday, weekend) > UNEVEN * min(weekday, weekend)
    return Burn(_mean(list(sums.values())), len(days), weekday if is_uneven else None, weekend if is_uneven else None)


def _mean(amounts: Sequence[int]) -> int:
    return sum(amounts) // len(amounts) if amounts else 0


# Its way


def _chart(
    wallet: Wallet, spent: Mapping[date, int], *, lasts_days: int | None, now: datetime, zone: ZoneInfo
) -> CreditChart:
    today = now.astimezone(zone).date()
    began: datetime = wallet.began_at  # type: ignore[attr-defined]
    shown = min(SHOWN_DAYS, max(LEAST_SHOWN_DAYS, (today - began.astimezone(zone).date()).days))
    first = today - timedelta(days=shown)
    by_people = Entry.objects.filter(wallet_id=wallet.pk, created_at__gte=_start(first, zone))
    # A refund is taken off the day of its request, with what was spent.
    moves = by_people.exclude(kind=Entry.Kind.CHARGE).exclude(kind=Entry.Kind.REFUND).order_by("created_at", "number")
    points = _way(wallet.balance_nanousd, spent, list(moves), first=first, now=now, zone=zone)
    return credit_chart.drawn(
        points,
        available_nanousd=wallet.available_nanousd,
        first=first,
        past=_days_between(_start(first, zone), now),
        ahead=0 if not lasts_days else min(lasts_days, SHOWN_AHEAD),
        lasts_days=lasts_days,
    )


def _way(
    balance: int, spent: Mapping[date, int], moves: list[Entry], *, first: date, now: datetime, zone: ZoneInfo
) -> list[Point]:
    """Backwards from now, day by day: what a day cost is spread over it evenly, what people moved is a step."""
    points = [Point(_days_between(_start(first, zone), now), balance)]
    day, until = now.astimezone(zone).date(), now
    while day >= first:
        start, cost = _start(day, zone), spent.get(day, 0)
        length = max(1.0, (until - start).total_seconds())
        end = balance
        for move in reversed([each for each in moves if start <= each.created_at < until]):
            passed = (until - move.created_at).total_seconds() / length
            level = end + int(cost * passed)
            x = _days_between(_start(first, zone), move.created_at)
            points.append(Point(x, max(0, level), max(0, move.amount_nanousd)))
            points.append(Point(x, max(0, level - move.amount_nanousd)))
            end -= move.amount_nanousd
        balance = end + cost
        points.append(Point(_days_between(_start(first, zone), start), max(0, balance)))
        day, until = day - timedelta(days=1), start
    return points[::-1]


def _start(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone)


def _days_between(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() / 86400
