"""Budgets: limits on what a team, a member, an access key or a model may spend in a window of time, and their counters.

The only writer of Budget and BudgetWindow rows, together with a team's time zone. A window's counters are what the
holds opened in it spent and hold, no more: they can be made again from the holds at any time, and are when a budget is
set. Everything here runs in the caller's transaction, with the team's money locked.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.db.models import Q, Sum

from accounts import audit, money
from accounts.models import AccessKey, Budget, BudgetWindow, Hold, Membership, Team, User
from accounts.models.money import MOST_NANOUSD
from accounts.operations import Keep
from accounts.refusals import BadRequest, Limit, NotFound, PaymentRequired
from accounts.statements import changed_by_all, lock_money, moment, places, rows

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


@dataclass(slots=True)
class Counter:
    """A budget and what one of its windows has spent and holds, in memory. `hard_nanousd` includes what it is raised
    by at this time."""

    budget_id: int
    user_id: int | None
    access_key_id: int | None
    model_id: str
    hard_nanousd: int | None
    soft_nanousd: int | None
    pk: int
    starts_at: datetime
    ends_at: datetime
    spent_nanousd: int
    held_nanousd: int
    alerted_at: datetime | None
    as_read: tuple[int, int] = (0, 0)

    @property
    def left(self) -> int:
        return MOST_NANOUSD if self.hard_nanousd is None else self.hard_nanousd - self.spent_nanousd - self.held_nanousd

    @property
    def is_changed(self) -> bool:
        return self.as_read != (self.spent_nanousd, self.held_nanousd)

    def applies(self, user_id: int, access_key_id: int | None, model_id: str) -> bool:
        if self.user_id:
            return self.user_id == user_id
        if self.access_key_id:
            return self.access_key_id == access_key_id
        return not self.model_id or self.model_id == model_id

    def spend(self, nanousd: int, *, now: datetime) -> None:
        """Count what was spent, or given back when negative, and note when that reaches the soft limit."""
        self.spent_nanousd += nanousd
        if self.alerted_at is None and self.soft_nanousd is not None and self.spent_nanousd >= self.soft_nanousd:
            self.alerted_at = now


type Who = tuple[int, int | None, str]  # a person, the key they came with, a model


def counters(
    team_ids: Iterable[int], who: Iterable[Who], *, since: datetime, now: datetime, opening: bool
) -> dict[int, list[Counter]]:
    """By team, the windows that end after `since` of the budgets that apply to any of these.

    With `opening`, those around `now` are made where they are missing: something is about to be held.
    """
    teams = list(team_ids)
    users, keys, models = (sorted({value for value in values if value}) for values in zip(*who, strict=True))
    subjects = " OR ".join(
        [
            "b.scope = 'team'",
            *(f"b.{column} IN ({places(len(values))})" for column, values in _columns(users, keys, models)),
        ]
    )
    values = (now, since, *teams, *users, *keys, *models)
    sql = _COUNTERS.format(places(len(teams)), subjects)

    found = rows(sql, *values)
    if opening and found:
        current = {row[1] for row in found if row[7] is not None and moment(row[8]) <= now < moment(row[9])}
        missing = {(row[0], row[1]) for row in found if row[1] not in current}
        for team_id in {team_id for team_id, _ in missing}:
            open_windows(team_id, [budget_id for owner, budget_id in missing if owner == team_id], now=now)
        if missing:
            found = rows(sql, *values)
    by_team: dict[int, list[Counter]] = {}
    for (
        team_id,
        budget_id,
        user_id,
        key_id,
        model_id,
        hard,
        soft,
        pk,
        starts_at,
        ends_at,
        spent,
        held,
        told,
        up,
    ) in found:
        if pk is None:
            continue
        counter = Counter(
            *(budget_id, user_id, key_id, model_id, None if hard is None else hard + up, soft),
            *(pk, moment(starts_at), moment(ends_at), spent, held, told),
            as_read=(spent, held),
        )
        by_team.setdefault(team_id, []).append(counter)
    return by_team


def _columns(users: list[Any], keys: list[Any], models: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    for column, values in (("user_id", users), ("access_key_id", keys), ("model_id", models)):
        if values:
            yield column, values


_COUNTERS = """
SELECT b.wallet_id, b.id, b.user_id, b.access_key_id, b.model_id, b.hard_nanousd, b.soft_nanousd,
    w.id, w.starts_at, w.ends_at, w.spent_nanousd, w.held_nanousd, w.alerted_at,
    (SELECT CAST(COALESCE(SUM(r.amount_nanousd), 0) AS BIGINT) FROM accounts_budgetraise r
     WHERE r.budget_id = b.id AND r.ends_at > %s)
FROM accounts_budget b LEFT JOIN accounts_budgetwindow w ON w.budget_id = b.id AND w.ends_at > %s
WHERE b.wallet_id IN ({}) AND ({}) ORDER BY b.id
"""

_WRITE = """
UPDATE accounts_budgetwindow SET spent_nanousd = %s, held_nanousd = %s, alerted_at = %s
WHERE id = %s AND spent_nanousd = %s AND held_nanousd = %s
"""


def write(changed: Sequence[Counter]) -> None:
    """Write the counters of windows as they are in memory."""
    changed_by_all(
        _WRITE,
        [(each.spent_nanousd, each.held_nanousd, each.alerted_at, each.pk, *each.as_read) for each in changed],
    )


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


def not_enough(
    asked: Keep, *, balance_nanousd: int, held_nanousd: int, counted: Sequence[Counter], rates: Sequence[Limit]
) -> PaymentRequired:
    """The refusal of a hold: every limit that was looked at, the tightest first and in the sentence."""
    team = asked.caller.team
    who = who_can_raise(team.pk)
    wanted = asked.amount_nanousd if asked.least_nanousd is None else asked.least_nanousd
    limits = [
        Limit(
            name=f"the balance of {team.name}",
            limit=balance_nanousd,
            spent=0,
            held=held_nanousd,
            asked=wanted,
            resets_at=None,
            who_can_raise=who,
        )
    ]
    budgets = Budget.objects.select_related("user", "access_key").in_bulk([each.budget_id for each in counted])
    for each in counted:
        budget = budgets[each.budget_id]
        if each.hard_nanousd is not None:
            limits.append(
                Limit(
                    name=describe(budget),
                    limit=each.hard_nanousd,
                    spent=each.spent_nanousd,
                    held=each.held_nanousd,
                    asked=wanted,
                    resets_at=None if budget.window == Budget.Window.TOTAL else each.ends_at,
                    who_can_raise=who,
                    budget_id=budget.pk,
                )
            )
    limits.sort(key=lambda limit: limit.left)
    tightest = limits[0]
    left = money.dollars(max(0, tightest.left))
    reset = f" It starts anew at {tightest.resets_at:%Y-%m-%d %H:%M} UTC." if tightest.resets_at else ""
    cost = "may cost up to" if asked.least_nanousd is None else "needs at least"
    return PaymentRequired(
        f"This request {cost} {money.dollars(wanted)}, and {tightest.name} has {left} left."
        f"{reset} Ask {' or '.join(who) or 'an admin'} for more.",
        limits=[*limits, *rates],
    )


def who_can_raise(team_id: int) -> tuple[str, ...]:
    """The names of the team's owners and admins."""
    admins = Membership.objects.filter(team_id=team_id, role__in=[Membership.Role.OWNER, Membership.Role.ADMIN])
    return tuple(admins.order_by("pk").values_list("user__name", flat=True))
