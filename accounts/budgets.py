"""Budgets: limits on what a team, a member, an access key or a model may spend in a window of time, and their counters.

The only writer of Budget and BudgetWindow rows, together with a team's time zone. A window's counters are what the
holds opened in it spent and hold, no more: they can be made again from the holds at any time, and are when a budget is
set. Everything here runs in the caller's transaction, with the team's money locked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from django.db.models import Q, Sum

from accounts import audit, money
from accounts.models import AccessKey, Budget, BudgetWindow, Hold, Membership, Team, User
from accounts.refusals import BadRequest, Limit, NotFound, PaymentRequired
from accounts.statements import changed, lock_money, rows

_WHOLE_TIME = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


def span(window: str, *, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the window of that kind around `at` starts, and when the next one does. Weeks start on Monday."""
    today = at.astimezone(zone).date()
    match window:
        case Budget.Window.DAY:
            first, after = today, today + timedelta(days=1)
        case Budget.Window.WEEK:
            first = today - timedelta(days=today.weekday())
            after = first + timedelta(days=7)
        case Budget.Window.MONTH:
            first = today.replace(day=1)
            after = (first + timedelta(days=31)).replace(day=1)
        case _:
            return _WHOLE_TIME
    return _midnight(first, zone), _midnight(after, zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


# Changing them


@dataclass(frozen=True, slots=True)
class Subject:
    """What a budget limits; with nothing named, the whole team."""

    member: User | None = None
    access_key: AccessKey | None = None
    model_id: str = ""

    @property
    def scope(self) -> Budget.Scope:
        if self.member:
            return Budget.Scope.MEMBER
        if self.access_key:
            return Budget.Scope.ACCESS_KEY
        return Budget.Scope.MODEL if self.model_id else Budget.Scope.TEAM


def limit(
    team: Team,
    *,
    by: User | None,
    subject: Subject,
    window: Budget.Window,
    hard_nanousd: int | None,
    soft_nanousd: int | None = None,
) -> Budget:
    """Set the subject's budget for that window, in place of the one it has. What was spent in the window counts.

    Calls that run go on when they are over a lowered limit. Raises BadRequest, NotFound.
    """
    if hard_nanousd is None and soft_nanousd is None:
        raise BadRequest("A budget needs a limit, an amount to be told at, or both.", param="hard_nanousd")
    for amount in (hard_nanousd, soft_nanousd):
        if amount is not None:
            money.checked(amount, least=0)
    now = lock_money([team.pk])
    _check_subject(team, subject)
    budget, _ = Budget.objects.update_or_create(
        wallet_id=team.pk,
        scope=subject.scope,
        user=subject.member,
        access_key=subject.access_key,
        model_id=subject.model_id,
        window=window,
        defaults={"hard_nanousd": hard_nanousd, "soft_nanousd": soft_nanousd},
    )
    open_windows(team.pk, [budget.pk], now=now)
    audit.record(team.pk, actor=by, action="budget set", subject=describe(budget), hard=hard_nanousd, soft=soft_nanousd)
    return budget


def _check_subject(team: Team, subject: Subject) -> None:
    if subject.member and not team.memberships.filter(user=subject.member).exists():
        raise NotFound(f"{subject.member.name} is not in {team.name}.")
    if subject.access_key and subject.access_key.team_id != team.pk:
        raise NotFound("There is no such access key in this team.")


def lift(budget: Budget, *, by: User | None) -> None:
    """Remove a budget and its counters. A repeat changes nothing."""
    lock_money([budget.wallet_id])
    if Budget.objects.filter(pk=budget.pk).delete()[0]:
        audit.record(budget.wallet_id, actor=by, action="budget lifted", subject=describe(budget))


def set_time_zone(team: Team, *, by: User | None, time_zone: str) -> None:
    """Let the team's days, weeks and months begin elsewhere. What was spent since their new beginning counts."""
    if time_zone not in available_timezones():
        raise BadRequest(f"{time_zone!r} is no time zone. Use a name such as Europe/Berlin.", param="time_zone")
    now = lock_money([team.pk])
    Team.objects.filter(pk=team.pk).update(time_zone=time_zone)
    running = BudgetWindow.objects.filter(budget__wallet_id=team.pk, ends_at__gt=now)
    running.exclude(budget__window=Budget.Window.TOTAL).delete()
    open_windows(team.pk, Budget.objects.filter(wallet_id=team.pk).values_list("pk", flat=True), now=now)
    audit.record(team.pk, actor=by, action="time zone set", subject=time_zone)


def open_windows(team_id: int, budget_ids: Any, *, now: datetime) -> None:
    """Make the counters of the windows around `now` that are missing, from the holds that were opened in them."""
    zone = ZoneInfo(Team.objects.values_list("time_zone", flat=True).get(pk=team_id))
    missing = Budget.objects.filter(pk__in=budget_ids).exclude(windows__starts_at__lte=now, windows__ends_at__gt=now)
    for budget in missing:
        starts_at, ends_at = span(budget.window, at=now, zone=zone)
        # Of a time zone that was left, a window may have started in the same moment and be over by now.
        BudgetWindow.objects.filter(budget=budget, starts_at=starts_at).delete()
        spent, held = _counted(budget, starts_at, ends_at)
        BudgetWindow.objects.create(
            budget=budget, starts_at=starts_at, ends_at=ends_at, spent_nanousd=spent, held_nanousd=held
        )


def _counted(budget: Budget, starts_at: datetime, ends_at: datetime) -> tuple[int, int]:
    holds = Hold.objects.filter(wallet_id=budget.wallet_id, opened_at__gte=starts_at, opened_at__lt=ends_at)
    if budget.user_id:
        holds = holds.filter(user_id=budget.user_id)
    elif budget.access_key_id:
        holds = holds.filter(access_key_id=budget.access_key_id)
    elif budget.model_id:
        holds = holds.filter(model_id=budget.model_id)
    sums = holds.aggregate(
        charged=Sum("charged_nanousd"),
        refunded=Sum("refunded_nanousd"),
        held=Sum("amount_nanousd", filter=Q(state=Hold.State.OPEN)),
    )
    return (sums["charged"] or 0) - (sums["refunded"] or 0), sums["held"] or 0


# Counting


class Counter(NamedTuple):
    """A budget that applies to a call, and its window's counters. `window_id` is None before the window's first."""

    budget_id: int
    hard_nanousd: int | None
    window_id: int | None
    spent_nanousd: int
    held_nanousd: int

    def allows(self, amount_nanousd: int) -> bool:
        """What costs nothing is always allowed."""
        if self.hard_nanousd is None or not amount_nanousd:
            return True
        return self.spent_nanousd + self.held_nanousd + amount_nanousd <= self.hard_nanousd


_APPLIES = "(b.scope = 'team' OR b.user_id = %s OR b.access_key_id = %s OR b.model_id = %s)"

_COUNTERS = f"""
SELECT b.id, b.hard_nanousd, w.id, w.spent_nanousd, w.held_nanousd
FROM accounts_budget b
LEFT JOIN accounts_budgetwindow w ON w.budget_id = b.id AND w.starts_at <= %s AND w.ends_at > %s
WHERE b.wallet_id = %s AND {_APPLIES}
ORDER BY b.id
"""


def counters(hold: Hold) -> list[Counter]:
    """The budgets that apply to a hold that is about to be opened, with the windows that it falls into."""

    def read() -> list[Counter]:
        at = hold.opened_at
        return [Counter(*row) for row in rows(_COUNTERS, at, at, hold.wallet_id, *_who(hold))]

    found = read()
    missing = [counter.budget_id for counter in found if counter.window_id is None]
    if missing:
        open_windows(hold.wallet_id, missing, now=hold.opened_at)
        found = read()
    return found


def _who(hold: Hold) -> tuple[Any, ...]:
    return hold.user_id, hold.access_key_id, hold.model_id


_HOLD = """
UPDATE accounts_budgetwindow SET held_nanousd = held_nanousd + %s
WHERE id = %s AND (%s OR spent_nanousd + held_nanousd + %s <= %s)
"""


def count_held(counter: Counter, amount_nanousd: int) -> bool:
    """Whether the window could take it, by its own counters at this moment."""
    is_free = counter.hard_nanousd is None or not amount_nanousd
    values = (amount_nanousd, counter.window_id, is_free, amount_nanousd, counter.hard_nanousd or 0)
    return changed(_HOLD, *values) == 1


_COUNT = f"""
UPDATE accounts_budgetwindow SET
    spent_nanousd = spent_nanousd + %s,
    held_nanousd = held_nanousd - %s,
    alerted_at = CASE WHEN alerted_at IS NULL AND spent_nanousd + %s >= (
        SELECT soft_nanousd FROM accounts_budget WHERE id = budget_id
    ) THEN %s ELSE alerted_at END
WHERE starts_at <= %s AND ends_at > %s
AND budget_id IN (SELECT b.id FROM accounts_budget b WHERE b.wallet_id = %s AND {_APPLIES})
"""


def count_spent(hold: Hold, *, spent_nanousd: int, freed_nanousd: int, now: datetime) -> None:
    """Move money of a hold from held to spent, or back when negative, in every window it was opened in."""
    if spent_nanousd or freed_nanousd:
        values = (spent_nanousd, freed_nanousd, spent_nanousd, now, hold.opened_at, hold.opened_at, hold.wallet_id)
        changed(_COUNT, *values, *_who(hold))


# Telling


_WHOSE = {Budget.Window.TOTAL: "in all", Budget.Window.DAY: "a day", Budget.Window.WEEK: "a week"}


def describe(budget: Budget) -> str:
    """Such as: bob's budget a day, the team's budget in all, key ci-nightly's budget a month."""
    if budget.user:
        whose = f"{budget.user.name}'s"
    elif budget.access_key:
        whose = f"key {budget.access_key.name}'s"
    else:
        whose = f"model {budget.model_id}'s" if budget.model_id else "the team's"
    return f"{whose} budget {_WHOSE.get(Budget.Window(budget.window), 'a month')}"


def refusal(balance: Limit, counted: Sequence[Counter]) -> PaymentRequired:
    """The refusal of a hold: the wallet's limit and those of the budgets, the tightest first and in the sentence."""
    windows = BudgetWindow.objects.filter(pk__in=[counter.window_id for counter in counted])
    budgets = [
        Limit(
            name=describe(window.budget),
            limit_nanousd=window.budget.hard_nanousd,
            spent_nanousd=window.spent_nanousd,
            held_nanousd=window.held_nanousd,
            asked_nanousd=balance.asked_nanousd,
            resets_at=None if window.budget.window == Budget.Window.TOTAL else window.ends_at,
            who_can_raise=balance.who_can_raise,
        )
        for window in windows.select_related("budget__user", "budget__access_key").order_by("budget_id")
        if window.budget.hard_nanousd is not None
    ]
    limits = sorted([balance, *budgets], key=lambda limit: limit.left_nanousd)
    tightest = limits[0]
    left = money.dollars(max(0, tightest.left_nanousd))
    reset = f" It starts anew at {tightest.resets_at:%Y-%m-%d %H:%M} UTC." if tightest.resets_at else ""
    return PaymentRequired(
        f"This request may cost up to {money.dollars(tightest.asked_nanousd)}, and {tightest.name} has {left} left."
        f"{reset} Ask {' or '.join(tightest.who_can_raise) or 'an admin'} for more.",
        limits=limits,
    )


def who_can_raise(team_id: int) -> tuple[str, ...]:
    """The names of the team's owners and admins."""
    admins = Membership.objects.filter(team_id=team_id, role__in=[Membership.Role.OWNER, Membership.Role.ADMIN])
    return tuple(admins.order_by("pk").values_list("user__name", flat=True))
