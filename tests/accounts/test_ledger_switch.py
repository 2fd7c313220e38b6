"""A request that goes on to another model takes what it holds with it, from one model's budgets to the other's."""

import pytest

from accounts import budgets, ledger
from accounts.budgets import Subject
from accounts.models import Budget, BudgetWindow
from accounts.operations import Switch
from accounts.refusals import Forbidden, PaymentRequired
from tests.accounts.conftest import DOLLAR, costing


@pytest.fixture
def limit(alice, wallet):
    def limit(hard_nanousd: int, model_id: str) -> Budget:
        subject, window = Subject(model_id=model_id), Budget.Window.DAY
        return budgets.limit(alice.team, by=alice.user, subject=subject, window=window, hard_nanousd=hard_nanousd)

    return limit


def counted(budget: Budget) -> tuple[int, int]:
    window = BudgetWindow.objects.get(budget=budget)
    return window.held_nanousd, window.spent_nanousd


def test_a_hold_and_its_charge_count_for_the_model_that_answered(alice, held, limit, wallet):
    llama, qwen = limit(5 * DOLLAR, "llama"), limit(5 * DOLLAR, "qwen")
    hold = held()

    assert ledger.apply([Switch(alice, hold, "qwen")]) == [True]
    assert (counted(llama), counted(qwen)) == ((0, 0), (DOLLAR, 0))
    ledger.settle(hold, calls=costing(DOLLAR // 4))

    assert (counted(llama), counted(qwen)) == ((0, 0), (0, DOLLAR // 4))
    hold.refresh_from_db()
    assert hold.receipt.model_id == "qwen"


def test_a_model_whose_budget_leaves_too_little_is_refused_and_nothing_changes(alice, held, limit, wallet):
    llama, qwen = limit(5 * DOLLAR, "llama"), limit(DOLLAR // 2, "qwen")
    hold = held()

    [refusal] = ledger.apply([Switch(alice, hold, "qwen")])

    assert isinstance(refusal, PaymentRequired) and "qwen's budget a day" in refusal.detail
    assert (counted(llama), counted(qwen)) == ((DOLLAR, 0), (0, 0))
    assert ledger.settle(hold, calls=costing(DOLLAR)) == DOLLAR


def test_a_model_without_a_price_is_refused_where_it_has_a_budget_unless_the_team_lets_it_pass(alice, held, limit):
    llama, qwen = limit(5 * DOLLAR, "llama"), limit(5 * DOLLAR, "qwen")
    hold = held()

    [refusal] = ledger.apply([Switch(alice, hold, "qwen", is_priced=False)])

    assert isinstance(refusal, Forbidden) and "what qwen costs" in refusal.detail
    assert (counted(llama), counted(qwen)) == ((DOLLAR, 0), (0, 0))
    alice.team.may_use_unpriced = True
    assert ledger.apply([Switch(alice, hold, "qwen", is_priced=False)]) == [True]


def test_a_model_without_a_price_and_a_budget_may_go_on_for_another(alice, held, limit):
    llama = limit(5 * DOLLAR, "llama")

    assert ledger.apply([Switch(alice, held(), "qwen", is_priced=False)]) == [True]
    assert counted(llama) == (0, 0)


def test_what_is_closed_stays_with_its_model(alice, held, wallet):
    hold = held()
    ledger.release(hold)

    assert ledger.apply([Switch(alice, hold, "qwen")]) == [False]


def test_a_hold_may_come_back_to_its_first_model(alice, held, limit, wallet):
    llama = limit(DOLLAR, "llama")
    hold = held()

    assert ledger.apply([Switch(alice, hold, "qwen"), Switch(alice, hold, "llama")]) == [True, True]
    assert counted(llama) == (DOLLAR, 0)
