"""What is left of the budgets that are running, read for pages. What a request may still spend is decided elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import FilteredRelation, OuterRef, Q, QuerySet, Subquery, Sum

from accounts import raises
from accounts.bars import Bar
from accounts.callers import Caller
from accounts.models import Budget, BudgetRaise, BudgetWindow, Team, Wallet
from accounts.prepared import Prepared

WORDS = {
    Budget.Window.TOTAL: "in all",
    Budget.Window.DAY: "today",
    Budget.Window.WEEK: "this week",
    Budget.Window.MONTH: "this month",
}


@dataclass(frozen=True, slots=True)
class Allowance:
    """A budget's hard limit, raises included, and how much of it the window that runs now has used."""

    hard_nanousd: int
    spent_nanousd: int
    held_nanousd: int
    when: str

    @property
    def left_nanousd(self) -> int:
        return max(0, self.hard_nanousd - self.spent_nanousd - self.held_nanousd)

    @property
    def left_percent(self) -> str:
        return f"{100 * self.left_nanousd / max(self.hard_nanousd, 1):.1f}%"

    @property
    def bar(self) -> Bar:
        return Bar(self.hard_nanousd, self.spent_nanousd, self.held_nanousd)


def of(team: Team, scope: Budget.Scope, *, at: datetime) -> dict[Any, Allowance]:
    """By member id, access key id or model id, the budget with least left."""
    budgets = list(Budget.objects.filter(wallet_id=team.pk, scope=scope, hard_nanousd__isnull=False))
    windows = _running(budgets, at=at)
    raised = raises.raised([budget.pk for budget in budgets], at=at) if budgets else {}
    tightest: dict[Any, Allowance] = {}
    for budget in budgets:
        window = windows.get(budget.pk)
        allowance = Allowance(
            (budget.hard_nanousd or 0) + raised.get(budget.pk, 0),
            window.spent_nanousd if window else 0,
            window.held_nanousd if window else 0,
            WORDS[Budget.Window(budget.window)],
        )
        subject = budget.user_id or budget.access_key_id or budget.model_id
        if subject not in tightest or allowance.left_nanousd < tightest[subject].left_nanousd:
            tightest[subject] = allowance
    return tightest


@dataclass(frozen=True, slots=True)
class Left:
    """What a person may still spend: of the tightest budget of their own, else of the team's credit, which has no
    limit to compare it with."""

    left_nanousd: int
    allowance: Allowance | None


def _budgets_of(team: int, user: int, at: datetime) -> QuerySet[Wallet, Any]:
    """The team's credit, once for each hard limit of the person's own, with what stands beside it."""
    mine = FilteredRelation(
        "budgets",
        condition=Q(budgets__user=user, budgets__scope=Budget.Scope.MEMBER, budgets__hard_nanousd__isnull=False),
    )
    window = BudgetWindow.objects.filter(budget_id=OuterRef("mine__pk"), starts_at__lte=at, ends_at__gt=at)
    raised = BudgetRaise.objects.filter(budget_id=OuterRef("mine__pk"), ends_at__gt=at).order_by().values("budget_id")
    return (
        Wallet.objects.filter(pk=team)
        .annotate(mine=mine)
        .values_list(
            "balance_nanousd",
            "held_nanousd",
            "mine__hard_nanousd",
            "mine__window",
            Subquery(window.values("spent_nanousd")[:1]),
            Subquery(window.values("held_nanousd")[:1]),
            Subquery(raised.annotate(sum=Sum("amount_nanousd")).values("sum")),
        )
    )


_BUDGETS = Prepared(_budgets_of, team=-1, user=-2, at=datetime(1918, 1, 1, tzinfo=UTC))


def left(caller: Caller, *, at: datetime) -> Left:
    """One query, as every page asks for it."""
    rows = _BUDGETS.rows(team=caller.team.pk, user=caller.user.pk, at=at)
    credit, tightest = 0, None
    for balance, held_by_all, hard, window_name, spent, held, more in rows:
        credit = balance - held_by_all
        if hard is not None:
            words = WORDS[Budget.Window(window_name)]
            allowance = Allowance(hard + (more or 0), spent or 0, held or 0, words)
            if tightest is None or allowance.left_nanousd < tightest.left_nanousd:
                tightest = allowance
    return Left(tightest.left_nanousd if tightest else credit, tightest)


def _running(budgets: Iterable[Budget], *, at: datetime) -> dict[int, BudgetWindow]:
    """A window is made by the first request in it: until then nothing is spent."""
    pks = [budget.pk for budget in budgets]
    found = BudgetWindow.objects.filter(budget_id__in=pks, starts_at__lte=at, ends_at__gt=at) if pks else []
    return {window.budget_id: window for window in found}
