"""Budgets: which apply to a call, what a window counts, and who is told which limit stood in the way."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from accounts import budgets, keys, ledger, people
from accounts.budgets import Subject
from accounts.models import Budget, BudgetWindow
from accounts.refusals import BadRequest, NotFound, PaymentRequired
from tests.accounts.conftest import DOLLAR, costing

Window = Budget.Window


@pytest.fixture
def limit(alice, wallet):
    """Sets a budget of a dollar a day for the whole team unless told otherwise."""

    def limit(hard_nanousd: int | None = DOLLAR, *, window: Window = Window.DAY, soft_nanousd=None, **subject):
        return budgets.limit(
            alice.team,
            by=alice.user,
            subject=Subject(**subject),
            window=window,
            hard_nanousd=hard_nanousd,
            soft_nanousd=soft_nanousd,
        )

    return limit


def test_the_tightest_of_all_limits_is_named_and_all_are_told(alice, bob, held, limit):
    limit(3 * DOLLAR)
    limit(2 * DOLLAR, window=Window.MONTH, member=bob.user)
    limit(5, window=Window.TOTAL, model_id="another")
    ledger.settle(held(bob, DOLLAR), calls=costing(DOLLAR))

    with pytest.raises(PaymentRequired, match=r"bob's budget a month has \$1.00 left.*Ask alice for more") as refused:
        held(bob, 3 * DOLLAR)

    assert [(limit.name, limit.allows) for limit in refused.value.limits] == [
        ("bob's budget a month", False),
        ("the team's budget a day", False),
        ("the balance of Northlight", True),
    ]
    assert refused.value.facts["limits"][0]["spent"] == DOLLAR


def test_a_refusal_by_one_budget_holds_nothing_in_another(bob, held, limit, wallet):
    limit(10 * DOLLAR)
    limit(DOLLAR, member=bob.user)

    with pytest.raises(PaymentRequired):
        held(bob, 2 * DOLLAR)

    wallet.refresh_from_db()
    assert wallet.held_nanousd == 0
    assert set(BudgetWindow.objects.values_list("held_nanousd", flat=True)) == {0}


def test_an_access_key_has_a_budget_of_its_own(alice, access_key, held, limit):
    caller = keys.caller_with(f"Bearer {access_key}")
    limit(DOLLAR, access_key=caller.access_key, window=Window.WEEK)
    held(caller)

    with pytest.raises(PaymentRequired, match=r"key laptop's budget a week has \$0.00 left"):
        held(caller, 1)
    held(alice, 1)
    held(caller, 0)  # what is free is not a matter of money


def test_a_budget_that_is_set_late_counts_what_was_spent_before(alice, held, limit):
    ledger.settle(held(alice), calls=costing(700))
    held(alice, 200)

    limit(1000)

    with pytest.raises(PaymentRequired, match=r"\$0.0000001 left"):
        held(alice, 101)
    held(alice, 100)


def test_a_refund_is_given_back_to_the_budget(alice, held, limit):
    limit(1000)
    hold = held(alice, 1000)
    ledger.settle(hold, calls=costing(1000))
    ledger.refund(hold, by=alice.user, key="k", amount_nanousd=400)

    held(alice, 400)


def test_somebody_is_told_once_when_the_soft_limit_is_reached(alice, held, limit):
    budget = limit(None, soft_nanousd=500)
    ledger.settle(held(alice, 499), calls=costing(499))
    assert budget.windows.get().alerted_at is None

    ledger.settle(held(alice), calls=costing(1))
    reached_at = budget.windows.get().alerted_at
    ledger.settle(held(alice), calls=costing(1))

    assert reached_at is not None
    assert budget.windows.get().alerted_at == reached_at


def test_a_budget_is_replaced_and_lifted(alice, held, limit):
    limit(5)
    budget = limit(7)
    assert Budget.objects.get().hard_nanousd == 7
    held(alice, 7)
    limit(3)  # under what is held: what runs goes on

    budgets.lift(budget, by=alice.user)
    budgets.lift(budget, by=alice.user)
    held(alice)


def test_moving_the_team_to_another_time_zone_counts_its_windows_anew(alice, held, limit):
    day = limit(1000)
    limit(5000, window=Window.TOTAL)
    hold = held(alice, 600)
    before = day.windows.get().starts_at

    budgets.set_time_zone(alice.team, by=alice.user, time_zone="Pacific/Kiritimati")
    budgets.set_time_zone(alice.team, by=alice.user, time_zone="Pacific/Pago_Pago")
    ledger.settle(hold, calls=costing(600))

    assert day.windows.get().starts_at != before
    assert BudgetWindow.objects.get(budget__window="total").spent_nanousd == 600


def test_what_cannot_be_a_budget_is_refused(alice, charlie, limit):
    stranger, _ = keys.issue(people.member(charlie.team, user=charlie.user), name="theirs")
    with pytest.raises(BadRequest, match="needs a limit"):
        limit(None)
    with pytest.raises(BadRequest, match="amount of money"):
        limit(-1)
    with pytest.raises(NotFound, match="charlie is not in"):
        limit(member=charlie.user)
    with pytest.raises(NotFound, match="no such access key"):
        limit(access_key=stranger)
    with pytest.raises(BadRequest, match="no time zone"):
        budgets.set_time_zone(alice.team, by=alice.user, time_zone="Mars/Olympus")


@pytest.mark.parametrize(
    ("window", "starts", "ends"),
    [
        # Clocks in Berlin go back an hour on that Sunday, which is 25 hours long.
        (Window.DAY, "2026-10-24 22:00", "2026-10-25 23:00"),
        (Window.WEEK, "2026-10-18 22:00", "2026-10-25 23:00"),
        (Window.MONTH, "2026-09-30 22:00", "2026-10-31 23:00"),
        (Window.TOTAL, "1970-01-01 00:00", "9999-12-31 00:00"),
    ],
)
def test_windows_follow_the_teams_clock(window, starts, ends):
    at = datetime(2026, 10, 25, 22, 30, tzinfo=UTC)

    span = budgets.span(window, at=at, zone=ZoneInfo("Europe/Berlin"))

    assert [f"{moment:%Y-%m-%d %H:%M}" for moment in span] == [starts, ends]
