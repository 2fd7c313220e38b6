"""The ledger: what may be held, what is charged, and that doing it again changes nothing."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from accounts import ledger, money
from accounts.models import Attempt, AuditEntry, Entry, Hold, Wallet
from accounts.refusals import BadRequest, Conflict, PaymentRequired
from tests.accounts.conftest import DOLLAR, costing


def figures(wallet: Wallet) -> tuple[int, int]:
    """Balance and what is held."""
    wallet.refresh_from_db()
    return wallet.balance_nanousd, wallet.held_nanousd


def test_a_hold_keeps_money_that_a_settlement_charges_in_part(wallet, held):
    hold = held(amount_nanousd=4 * DOLLAR)
    assert figures(wallet) == (10 * DOLLAR, 4 * DOLLAR)

    assert ledger.settle(hold, calls=costing(3 * DOLLAR)) == 3 * DOLLAR

    assert figures(wallet) == (7 * DOLLAR, 0)
    assert [(entry.kind, entry.balance_nanousd) for entry in wallet.entries.order_by("number")] == [
        ("top-up", 10 * DOLLAR),
        ("charge", 7 * DOLLAR),
    ]


def test_a_released_hold_costs_nothing(wallet, held):
    assert ledger.release(held(), calls=[ledger.Call(None, "timeout")]) == 0

    assert figures(wallet) == (10 * DOLLAR, 0)
    assert not Entry.objects.filter(kind=Entry.Kind.CHARGE).exists()
    assert Attempt.objects.get().status == "timeout"


def test_what_is_held_cannot_be_held_again(alice, wallet, held):
    held(amount_nanousd=6 * DOLLAR)

    with pytest.raises(
        PaymentRequired, match=r"up to \$5.00, and the balance of Northlight has \$4.00 left"
    ) as refused:
        held(amount_nanousd=5 * DOLLAR)

    [limit] = refused.value.limits
    assert (limit.limit, limit.held, limit.asked) == (10 * DOLLAR, 6 * DOLLAR, 5 * DOLLAR)
    assert limit.who_can_raise == ("alice",)
    assert figures(wallet) == (10 * DOLLAR, 6 * DOLLAR)


def test_a_repeated_hold_is_the_first_one(wallet, held):
    first = held(amount_nanousd=9 * DOLLAR, request_id="req_same")

    assert held(amount_nanousd=9 * DOLLAR, request_id="req_same") == first
    assert figures(wallet) == (10 * DOLLAR, 9 * DOLLAR)


def test_a_repeated_hold_is_the_first_one_with_money_left_as_well(wallet, held):
    first = held(request_id="req_same")

    assert held(request_id="req_same") == first
    assert figures(wallet) == (10 * DOLLAR, DOLLAR)


def test_settling_again_charges_nothing_more_and_tells_the_first_charge(wallet, held):
    hold = held()
    ledger.settle(hold, calls=costing(400))

    assert ledger.settle(hold, calls=costing(900)) == 400
    assert ledger.release(hold) == 400
    assert figures(wallet) == (10 * DOLLAR - 400, 0)
    assert hold.attempts.count() == 1


def test_a_cost_beyond_the_hold_is_not_charged_but_written_down_and_logged(wallet, held, caplog):
    hold = held(amount_nanousd=1000)

    assert ledger.settle(hold, calls=[ledger.Call(None, "timeout"), *costing(1700)]) == 1000

    assert list(hold.attempts.order_by("number").values_list("status", "cost_nanousd", "overrun_nanousd")) == [
        ("timeout", 0, 0),
        ("done", 1700, 700),
    ]
    [line] = [line for line in caplog.records if line.levelname == "ERROR"]
    assert line.message == "request cost more than was held"
    assert (line.request_id, line.model, line.not_charged_nanousd) == (hold.request_id, "llama", 700)


def test_a_cost_that_the_hold_covers_is_no_error(held, caplog):
    ledger.settle(held(amount_nanousd=1000), calls=[*costing(400), *costing(600)])

    assert not caplog.records


def test_a_free_request_is_held_without_money_and_moves_none(alice):
    hold = ledger.hold(alice, request_id="req_free", amount_nanousd=0, model_id="embedded")

    assert ledger.settle(hold, calls=costing(0)) == 0
    assert not Entry.objects.exists()


def test_a_lapsed_hold_is_charged_what_was_delivered_by_its_last_checkpoint(wallet, held):
    hold = held(lease_s=-1)
    ledger.renew(hold, delivered_nanousd=300, lease_s=-1)
    ledger.renew(hold, delivered_nanousd=200, lease_s=-1)

    assert (ledger.reap(), ledger.reap()) == (1, 0)

    assert figures(wallet) == (10 * DOLLAR - 300, 0)
    assert hold.attempts.get().basis == Attempt.Basis.CHECKPOINT


def test_a_lapsed_hold_of_which_nothing_was_delivered_is_released(wallet, held):
    held(lease_s=-1)
    held(lease_s=60)
    held(lease_s=None)

    assert ledger.reap() == 1
    assert figures(wallet) == (10 * DOLLAR, 2 * DOLLAR)


def test_a_renewed_hold_is_not_reaped_and_a_closed_one_not_renewed(held):
    hold = held(lease_s=-1)

    assert ledger.renew(hold, delivered_nanousd=5)
    assert ledger.reap() == 0
    ledger.settle(hold, calls=costing(5))
    assert not ledger.renew(hold, delivered_nanousd=6)


def test_refunds_give_back_at_most_the_charge(alice, wallet, held):
    hold = held()
    ledger.settle(hold, calls=costing(900))
    for _ in range(2):
        ledger.refund(hold, by=alice.user, key="complaint", amount_nanousd=600)

    with pytest.raises(Conflict, match="less than"):
        ledger.refund(hold, by=alice.user, key="another", amount_nanousd=301)
    assert figures(wallet) == (10 * DOLLAR - 300, 0)


def test_a_top_up_counts_once_under_its_key(alice, wallet):
    for _ in range(2):
        ledger.top_up(alice.team, by=alice.user, key="code-7", amount_nanousd=500)

    with pytest.raises(Conflict, match="with another amount"):
        ledger.top_up(alice.team, by=alice.user, key="code-7", amount_nanousd=501)
    assert figures(wallet) == (10 * DOLLAR + 500, 0)
    assert AuditEntry.objects.filter(action="top-up", actor=alice.user).count() == 2


def test_a_correction_takes_no_money_that_is_held(alice, wallet, held):
    held(amount_nanousd=9 * DOLLAR)
    correct = {"by": alice.user, "note": "topped up twice"}

    with pytest.raises(Conflict, match=r"cannot take -\$2.00"):
        ledger.correct(alice.team, key="c1", amount_nanousd=-2 * DOLLAR, **correct)
    ledger.correct(alice.team, key="c2", amount_nanousd=-DOLLAR, **correct)
    assert figures(wallet) == (9 * DOLLAR, 9 * DOLLAR)


@pytest.mark.parametrize("amount", [-1, 0, True, 1.5, float("nan"), "5", None, 10**18 + 1])
def test_what_is_no_amount_of_money_is_refused(alice, amount):
    with pytest.raises(BadRequest, match="An amount of money must be"):
        ledger.top_up(alice.team, by=alice.user, key="k", amount_nanousd=amount)
    assert not Entry.objects.exists()


def test_a_balance_beyond_all_bounds_is_refused(alice, wallet):
    with pytest.raises(Conflict, match="cannot take"):
        ledger.top_up(alice.team, by=alice.user, key="k", amount_nanousd=10**18)


def test_costs_are_rounded_up_once():
    assert money.cost_nanousd([(1, 150), (3, 600)]) == 2  # 1,950 pico-dollars
    assert money.cost_nanousd([(1_000_000, 150_000), (0, 600_000)]) == 150_000_000
    assert money.cost_nanousd([]) == 0


@pytest.mark.parametrize(
    ("nanousd", "text"), [(0, "$0.00"), (12_400_000_000, "$12.40"), (12, "$0.000000012"), (-1_500_000_000, "-$1.50")]
)
def test_amounts_are_told_exactly(nanousd, text):
    assert money.dollars(nanousd) == text


@pytest.mark.parametrize("model", [Entry, AuditEntry])
@pytest.mark.parametrize("change", ["update", "delete"])
def test_entries_can_be_neither_changed_nor_deleted(wallet, model, change):
    field = "note" if model is Entry else "subject"
    rows = model.objects.all()
    assert rows.exists()

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        rows.update(**{field: "never was"}) if change == "update" else rows._raw_delete(rows.db)


@pytest.mark.parametrize(
    "wrong",
    [
        {"balance_nanousd": -1},
        {"held_nanousd": 11 * DOLLAR},
        {"held_nanousd": -1},
    ],
)
def test_the_database_itself_refuses_a_wallet_that_is_overdrawn(wallet, wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        Wallet.objects.filter(pk=wallet.pk).update(**wrong)


def test_money_is_changed_in_a_transaction_only(alice, transactional_db):
    with pytest.raises(transaction.TransactionManagementError):
        ledger.hold(alice, request_id="req_1", amount_nanousd=0, model_id="llama")


def test_ledgercheck_names_the_rows_that_are_wrong(wallet, held, capsys):
    held(request_id="req_late")
    with transaction.atomic():
        Hold.objects.update(amount_nanousd=7, lease_until=timezone.now() - timedelta(minutes=2))
        with pytest.raises(CommandError, match="broken in 2 places") as failed:
            call_command("ledgercheck")
        transaction.set_rollback(True)

    told = capsys.readouterr().out
    assert failed.value.returncode == 1
    assert "I2" in told and f"held {DOLLAR}, holds 7" in told
    assert "I7" in told and "req_late" in told


def test_ledgercheck_counts_what_it_proved(wallet, held, capsys):
    ledger.settle(held(), calls=costing(5))

    call_command("ledgercheck")

    assert "1 wallets, 2 entries, 1 holds" in capsys.readouterr().out
