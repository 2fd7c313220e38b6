"""How a team stands with its limits: members with what they spent, and every budget with its counters. For pages."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Prefetch, Q, QuerySet, Sum
from django.utils import timezone

from accounts import budgets, raises
from accounts.bars import Bar
from accounts.models import AccessKey, Budget, BudgetRaise, BudgetWindow, Membership, Team, UsageDay
from accounts.money import decimal_dollars, dollars

EACH = {
    Budget.Window.TOTAL: "in all",
    Budget.Window.DAY: "a day",
    Budget.Window.WEEK: "a week",
    Budget.Window.MONTH: "a month",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget and where it stands now. `limit_nanousd` has its raises in it; None where it only tells somebody."""

    pk: int
    name: str  # such as The whole team, or a model's id
    whose: str  # in full, such as bob's budget a month
    scope: str
    subject: str  # the member's number, else team, or model; as forms name it
    model_id: str
    window: str
    each: str
    hard_nanousd: int | None
    soft_nanousd: int | None
    raised_nanousd: int
    raised_until: datetime | None
    spent_nanousd: int
    held_nanousd: int
    warned_at: datetime | None  # when spending reached the amount to warn at
    resets_at: datetime | None

    @property
    def number(self) -> str:
        """For ids on a page."""
        return str(self.pk)

    @property
    def limit_nanousd(self) -> int | None:
        return None if self.hard_nanousd is None else self.hard_nanousd + self.raised_nanousd

    @property
    def left_nanousd(self) -> int | None:
        return None if self.limit_nanousd is None else self.limit_nanousd - self.spent_nanousd - self.held_nanousd

    @property
    def bar(self) -> Bar:
        limit = self.limit_nanousd if self.limit_nanousd is not None else self.soft_nanousd
        return Bar(limit or 0, self.spent_nanousd, self.held_nanousd)

    @property
    def sentence(self) -> str:
        """The bar in words."""
        limit = self.limit_nanousd if self.limit_nanousd is not None else self.soft_nanousd
        return f"{self.whose}: {dollars(self.spent_nanousd)} of {dollars(limit or 0)} spent"


def of(team: Team, scopes: Iterable[Budget.Scope]) -> list[Standing]:
    """The team's budgets of these scopes, in that order, the longest windows first."""
    wanted = list(scopes)
    return _standings(Budget.objects.filter(wallet_id=team.pk, scope__in=wanted), wanted, team.time_zone)


def of_key(key: AccessKey, *, models: Collection[str] | None) -> list[Standing]:
    """The budgets that requests made with a key have to fit into, for `models` or any model: its own first."""
    of_models = Q(scope=Budget.Scope.MODEL) if models is None else Q(model_id__in=models)
    wallet = Budget.objects.filter(wallet_id=key.team_id)
    applying = wallet.filter(Q(access_key=key) | Q(user=key.owner_id) | Q(scope=Budget.Scope.TEAM) | of_models)
    order = [Budget.Scope.ACCESS_KEY, Budget.Scope.MEMBER, Budget.Scope.TEAM, Budget.Scope.MODEL]
    return _standings(applying, order, key.team.time_zone)


def _standings(budgets_asked: QuerySet[Budget], wanted: list[Budget.Scope], time_zone: str) -> list[Standing]:
    now, zone = timezone.now(), ZoneInfo(time_zone)
    running = BudgetWindow.objects.filter(starts_at__lte=now, ends_at__gt=now)
    found = budgets_asked.select_related("user", "access_key").prefetch_related(
        Prefetch("windows", queryset=running, to_attr="running"),
        Prefetch("raises", queryset=BudgetRaise.objects.filter(ends_at__gt=now).order_by("ends_at"), to_attr="now"),
    )
    order = [Budget.Window.MONTH, Budget.Window.WEEK, Budget.Window.DAY, Budget.Window.TOTAL]
    ranked = sorted(
        found,
        key=lambda each: (
            wanted.index(Budget.Scope(each.scope)),
            each.model_id,
            order.index(Budget.Window(each.window)),
        ),
    )
    return [_standing(budget, now=now, zone=zone) for budget in ranked]


def as_set(team: Team, *, subject: str, model_id: str, window: str) -> dict[str, str]:
    """The amounts of the budget of that subject and window, for the form that changes it; nothing where it has none."""
    for each in of(team, [Budget.Scope.TEAM, Budget.Scope.MEMBER, Budget.Scope.MODEL]):
        if (each.subject, each.model_id, each.window) == (subject, model_id, window):
            amounts = {"hard": each.hard_nanousd, "soft": each.soft_nanousd}
            return {name: decimal_dollars(amount) for name, amount in amounts.items() if amount is not None}
    return {}


def _standing(budget: Budget, *, now: datetime, zone: ZoneInfo) -> Standing:
    # A window is made by the first request in it: until then nothing is spent.
    window = next(iter(budget.running), None)  # type: ignore[attr-defined]
    raised: list[BudgetRaise] = budget.now  # type: ignore[attr-defined]
    names = {Budget.Scope.TEAM: "The whole team", Budget.Scope.MODEL: budget.model_id}
    return Standing(
        pk=budget.pk,
        name=names.get(Budget.Scope(budget.scope), str(budget.user or budget.access_key)),
        whose=budgets.describe(budget),
        scope=budget.scope,
        subject=str(budget.user_id or ("model" if budget.model_id else "team")),
        model_id=budget.model_id,
        window=budget.window,
        each=EACH[Budget.Window(budget.window)],
        hard_nanousd=budget.hard_nanousd,
        soft_nanousd=budget.soft_nanousd,
        raised_nanousd=sum(each.amount_nanousd for each in raised),
        raised_until=raised[0].ends_at if raised else None,
        spent_nanousd=window.spent_nanousd if window else 0,
        held_nanousd=window.held_nanousd if window else 0,
        warned_at=window.alerted_at if window else None,
        resets_at=None if budget.window == Budget.Window.TOTAL else budgets.span(budget.window, at=now, zone=zone)[1],
    )


@dataclass(frozen=True, slots=True)
class Member:
    user_id: int
    name: str
    email: str
    role: str
    last_seen: datetime | None
    spent_nanousd: int  # this month, by the team's clock
    budgets: list[Standing]


def members(team: Team) -> list[Member]:
    """Everybody in the team, owners first."""
    spent = _spent_this_month(team)
    by_member: dict[str, list[Standing]] = {}
    for standing in of(team, [Budget.Scope.MEMBER]):
        by_member.setdefault(standing.subject, []).append(standing)
    ranks = list(Membership.Role)
    rows = team.memberships.select_related("user").order_by("created_at", "pk")
    return [
        Member(
            user_id=row.user_id,
            name=row.user.name,
            email=row.user.email,
            role=row.get_role_display(),
            last_seen=row.user.last_login,
            spent_nanousd=spent.get(row.user_id, 0),
            budgets=by_member.get(str(row.user_id), []),
        )
        for row in sorted(rows, key=lambda row: ranks.index(Membership.Role(row.role)))
    ]


def _spent_this_month(team: Team) -> dict[int, int]:
    first = raises.today(team).replace(day=1)
    days = UsageDay.objects.filter(team=team, day__gte=first).values("user_id")
    return dict(days.annotate(sum=Sum("spent_nanousd")).values_list("user_id", "sum"))
