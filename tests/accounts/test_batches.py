"""Group commit: one transaction for those who wait together, in which each is decided for itself."""

import asyncio
import threading

import pytest
from django.db import IntegrityError, OperationalError, transaction

from accounts import ids, ledger
from accounts.batches import Batches
from accounts.models import AuditEntry, Hold, Wallet
from accounts.refusals import PaymentRequired, Unavailable
from tests.accounts.conftest import DOLLAR, costing


@pytest.fixture
def wallet(transactional_db, alice) -> Wallet:
    """Ten dollars that other threads see."""
    with transaction.atomic():
        ledger.top_up(alice.team, by=alice.user, key="start", amount_nanousd=10 * DOLLAR)
    return Wallet.objects.get(team=alice.team)


@pytest.fixture
def batches() -> Batches:
    return Batches()


def holding(batches: Batches, caller, request_id: str, amount_nanousd: int = DOLLAR):
    return batches.run(
        caller.team.pk, ledger.hold, caller, request_id=request_id, amount_nanousd=amount_nanousd, model_id="llama"
    )


async def test_calls_that_wait_together_are_one_transaction(batches, wallet):
    told = []

    def work() -> None:
        told.append("called")
        transaction.on_commit(lambda: told.append("committed"))

    await asyncio.gather(*(batches.run(wallet.pk, work) for _ in range(3)))

    assert told == ["called"] * 3 + ["committed"] * 3


async def test_calls_that_come_while_a_group_runs_are_the_next_group(batches, wallet):
    told, may_go_on, runs = [], threading.Event(), threading.Event()

    def first() -> None:
        runs.set()
        may_go_on.wait(10)
        transaction.on_commit(lambda: told.append("first"))

    running = asyncio.ensure_future(batches.run(wallet.pk, first))
    await asyncio.to_thread(runs.wait, 10)
    others = asyncio.gather(*(batches.run(wallet.pk, told.append, number) for number in range(3)))
    await asyncio.sleep(0)
    may_go_on.set()
    await asyncio.gather(running, others)

    assert told == ["first", 0, 1, 2]


async def test_a_refused_hold_takes_nothing_from_those_beside_it(batches, alice, wallet):
    amounts = [4 * DOLLAR, 7 * DOLLAR, 6 * DOLLAR]
    calls = [holding(batches, alice, f"req_{amount}", amount) for amount in amounts]

    first, refused, last = await asyncio.gather(*calls, return_exceptions=True)

    assert isinstance(refused, PaymentRequired)
    assert (first.amount_nanousd, last.amount_nanousd) == (4 * DOLLAR, 6 * DOLLAR)


async def test_a_call_that_breaks_is_undone_alone(batches, alice, wallet):
    def broken() -> None:
        ledger.top_up(alice.team, by=None, key="undone", amount_nanousd=5)
        Wallet.objects.filter(pk=wallet.pk).update(held_nanousd=-1)

    outcomes = await asyncio.gather(
        holding(batches, alice, "req_1"),
        batches.run(wallet.pk, broken),
        holding(batches, alice, "req_2"),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [Hold, IntegrityError, Hold]


async def test_with_the_database_away_everybody_waiting_is_told_and_nothing_is_kept(batches, alice, wallet, caplog):
    def away() -> None:
        raise OperationalError("database is locked")

    outcomes = await asyncio.gather(
        holding(batches, alice, "req_1"), batches.run(wallet.pk, away), return_exceptions=True
    )
    after = await holding(batches, alice, "req_2")

    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert after.request_id == "req_2"
    assert not await Hold.objects.filter(request_id="req_1").aexists()


async def test_who_leaves_before_the_group_began_is_not_called(batches, alice, wallet):
    leaving = asyncio.ensure_future(holding(batches, alice, "req_left"))
    staying = asyncio.ensure_future(holding(batches, alice, "req_stayed"))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying

    assert [hold.request_id async for hold in Hold.objects.all()] == ["req_stayed"]


async def test_draining_waits_for_every_call(batches, alice, wallet):
    hold = await holding(batches, alice, "req_1")
    settling = asyncio.ensure_future(batches.run(wallet.pk, ledger.settle, hold, calls=costing(5)))
    await asyncio.sleep(0)

    await batches.drained()

    assert settling.done() and settling.result() == 5


async def test_each_call_keeps_the_request_id_of_its_caller(batches, alice, wallet):
    async def request(key: str) -> str:
        own = ids.bind_request_id()
        await batches.run(wallet.pk, ledger.top_up, alice.team, by=None, key=key, amount_nanousd=1)
        return own

    own_ids = await asyncio.gather(asyncio.create_task(request("a")), asyncio.create_task(request("b")))

    written = AuditEntry.objects.filter(action="top-up", actor=None).order_by("subject")
    assert [entry.request_id async for entry in written] == own_ids
