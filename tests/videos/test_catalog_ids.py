"""The money of Seedance goes by its id in the catalog, whichever of its names a task or an older row has."""

from importlib import import_module

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import transaction

from accounts import budgets, keys, ledger, limits
from accounts.models import Budget, BudgetWindow, Hold, Receipt, UsageDay
from tests.conftest import signed_in
from tests.contract.shape import assert_refused
from tests.videos.conftest import T2V, Program, let_pass
from videos.modes import SEEDANCE

MODEL = "bytedance/seedance-2.0"
NAMES = [MODEL, SEEDANCE]


def limit(caller, model_id, hard=None, soft=None):
    return limits.set_budget(
        caller, member_id=None, model_id=model_id, window="month", hard_nanousd=hard, soft_nanousd=soft
    )


def limit_as_it_was(caller, hard):
    """A budget under the id that tasks are asked for by, which is kept under no such name any more."""
    with transaction.atomic():
        budgets.limit(
            caller.team,
            by=caller.user,
            subject=budgets.Subject(model_id=SEEDANCE),
            window=Budget.Window.MONTH,
            hard_nanousd=hard,
        )


def make_a_clip(program, provider):
    created = program.create().json()
    let_pass()
    provider.make()
    let_pass()
    return created


def use_shown(caller):
    return signed_in(caller).get(f"/models/{MODEL}").context["dossier"].use


def rename_old_rows():
    import_module("accounts.migrations.0013_videos_by_catalog_id").by_catalog_id(apps, None)


def as_it_was():
    """All rows as an installation has them that was not brought up to date."""
    for model in (Hold, Receipt, UsageDay):
        model.objects.filter(model_id=MODEL).update(model_id=SEEDANCE)


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_of_the_id_that_models_shows_limits_it(program, funded, ark, name):
    limit(funded, MODEL, hard=0)

    refused = assert_refused(program.create({**T2V, "model": name}), 402)

    assert refused["error"]["limits"][0]["name"] == f"model {MODEL}'s budget a month"


@pytest.mark.parametrize("allowed", NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_a_key_that_may_call_it_by_one_name_may_by_the_other(funded, ark, allowed, name):
    row, secret = keys.issue(funded, name="studio")
    type(row).objects.update(allowed_models=[allowed])

    created = Program(secret).create({**T2V, "model": name})

    assert (created.status_code, created.json()["model"]) == (200, SEEDANCE)


def test_its_page_receipt_and_usage_agree(program, funded, connected, provider):
    created = make_a_clip(program, provider)

    use = use_shown(funded)
    assert (use.spent_nanousd, use.requests) == (756_000_000, 1)
    assert program.client.get(f"/api/v1/generations/{created['request_id']}").json()["model"] == MODEL
    assert program.get(created["id"]).json()["model"] == SEEDANCE


def test_older_rows_are_renamed_and_budgets_go_on_counting(program, funded, connected, provider):
    make_a_clip(program, provider)
    as_it_was()
    limit_as_it_was(funded, hard=800_000_000)

    rename_old_rows()

    assert use_shown(funded).spent_nanousd == 756_000_000
    assert Budget.objects.get().model_id == MODEL
    assert_refused(program.create(), 402)
    call_command("ledgercheck")


def test_a_task_under_way_is_renamed_with_what_is_held_for_it(program, funded, connected, provider):
    program.create()
    as_it_was()
    limit_as_it_was(funded, hard=800_000_000)
    assert BudgetWindow.objects.get().held_nanousd == 760_767_000

    rename_old_rows()
    let_pass()
    provider.make()
    let_pass()

    window = BudgetWindow.objects.get()
    assert (window.held_nanousd, window.spent_nanousd) == (0, 756_000_000)


def test_of_two_budgets_the_lower_amounts_stay_and_of_two_days_the_sum(program, funded, connected, provider):
    make_a_clip(program, provider)
    as_it_was()
    make_a_clip(program, provider)
    limit_as_it_was(funded, hard=2 * 10**9)
    limit(funded, MODEL, hard=3 * 10**9, soft=10**9)

    rename_old_rows()

    budget, day = Budget.objects.get(), UsageDay.objects.get()
    assert (budget.model_id, budget.hard_nanousd, budget.soft_nanousd) == (MODEL, 2 * 10**9, 10**9)
    assert (day.model_id, day.requests, day.spent_nanousd) == (MODEL, 2, 2 * 756_000_000)
    call_command("ledgercheck")
    assert_refused(program.create({**T2V, "duration": 12}), 402)


def test_a_refund_of_a_renamed_clip_is_taken_off_its_day(program, funded, connected, provider):
    make_a_clip(program, provider)
    as_it_was()
    rename_old_rows()

    with transaction.atomic():
        ledger.refund(Hold.objects.get(), by=funded.user, key="all", amount_nanousd=756_000_000)

    assert UsageDay.objects.get().spent_nanousd == 0
