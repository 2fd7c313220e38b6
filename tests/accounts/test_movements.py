"""The ledger as people read it: holds and entries in one history, with the credit after each line, page by page."""

import random

import pytest
from django.db import transaction

from accounts import keys, ledger, movements
from accounts.models import Hold, Wallet
from accounts.refusals import BadRequest
from tests.accounts.conftest import DOLLAR, costing
from tests.receipts import finished, fund


def lines_of(caller, *, size: int, kind: str = "") -> list[movements.Line]:
    found, before = [], ""
    while True:
        page = movements.page(caller, kind=kind, before=before, size=size)
        found += page.lines
        if not page.older:
            return found
        before = page.older


def busy(caller, holds: int) -> None:
    """Requests that overlap, end in every way, and money that people move in between."""
    chance = random.Random(18)
    running: list[Hold] = []
    for number in range(holds):
        with transaction.atomic():
            hold = ledger.hold(caller, request_id=f"req_b{number}", amount_nanousd=DOLLAR // 10, model_id="llama")
        running.append(hold)
        if number % 5 == 4:
            with transaction.atomic():
                ledger.correct(caller.team, by=caller.user, key=f"c{number}", amount_nanousd=-7, note="Mend.")
        while len(running) > 3:
            ended = running.pop(chance.randrange(len(running)))
            with transaction.atomic():
                ledger.settle(ended, calls=costing(chance.randrange(DOLLAR // 10))) if chance.random() < 0.7 else (
                    ledger.release(ended)
                )


def test_a_request_is_held_then_settled_and_the_rest_given_back(alice, held):
    with transaction.atomic():
        ledger.settle(held(), calls=costing(300_000_000))

    lines = movements.page(alice).lines

    assert [line.kind for line in lines] == ["settled", "open", "top-up"]
    assert [line.change_nanousd for line in lines] == [700_000_000, -DOLLAR, 10 * DOLLAR]
    assert [line.after_nanousd for line in lines] == [9_700_000_000, 9 * DOLLAR, 10 * DOLLAR]
    assert [line.cost_nanousd for line in lines] == [300_000_000, None, None]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_credit_after_is_exact_on_every_page_down_to_nothing(alice, wallet, size):
    busy(alice, 20)
    wallet.refresh_from_db()

    lines = lines_of(alice, size=size)

    assert lines[0].after_nanousd == wallet.available_nanousd
    assert all(
        newer.after_nanousd - newer.change_nanousd == older.after_nanousd
        for newer, older in zip(lines, lines[1:], strict=False)
    )
    assert lines[-1].after_nanousd == lines[-1].change_nanousd
    assert min(line.after_nanousd for line in lines) >= 0
    assert len({(line.kind == "open", line.request_id, line.number) for line in lines}) == len(lines)


def test_what_happens_meanwhile_moves_no_page(alice, wallet):
    busy(alice, 8)
    first = movements.page(alice, size=5)
    rest = lines_of(alice, size=1000)[5:]

    busy_since = finished(alice, 1000)

    assert busy_since and movements.page(alice, before=first.older, size=1000).lines == rest


@pytest.mark.parametrize("kind", ["entries", "charge", "correction", "top-up"])
def test_entries_alone_show_the_balance_after_each(alice, wallet, kind):
    busy(alice, 12)

    lines = lines_of(alice, size=2, kind=kind)

    entries = Wallet.objects.get(team=alice.team).entries.order_by("-number")
    wanted = entries if kind == "entries" else entries.filter(kind=kind)
    assert [(line.number, line.after_nanousd) for line in lines] == list(
        wanted.values_list("number", "balance_nanousd")
    )


def test_member_sees_a_line_for_each_request_of_theirs_alone(alice, bob, held):
    fund(alice)
    finished(alice, model_id="alices")
    finished(bob, 5_000_000, model_id="bobs", key=keys.issue(bob, name="laptop")[0])
    held(bob, model_id="running")

    page = movements.page(bob)

    assert [(line.kind, line.model_id, line.change_nanousd) for line in page.lines] == [
        ("open", "running", -DOLLAR),
        ("settled", "bobs", -5_000_000),
    ]
    assert {line.after_nanousd for line in page.lines} == {None}


def test_member_pages_through_their_own(alice, bob):
    fund(alice)
    for number in range(5):
        finished(bob, 1000, model_id=str(number))

    assert [line.model_id for line in lines_of(bob, size=2)] == ["4", "3", "2", "1", "0"]


def test_cursor_of_another_team_or_of_nobodys_making_is_refused(alice, charlie, wallet):
    busy(alice, 4)
    cursor = movements.page(alice, size=2).older

    for caller, before in ((charlie, cursor), (alice, cursor + "x"), (alice, "1"), (alice, "\x00")):
        with pytest.raises(BadRequest, match="Open it from its beginning"):
            movements.page(caller, before=before)


def test_history_costs_the_same_queries_however_long(alice, wallet, django_assert_max_num_queries):
    busy(alice, 40)

    with django_assert_max_num_queries(3):
        assert len(movements.page(alice, size=60).lines) == 60
