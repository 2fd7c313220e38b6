"""Group commit: one transaction for those who wait together, in which each is decided for itself."""

import asyncio
import gc
import threading
import time
import weakref

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts import ids, ledger
from accounts.asgi import in_database
from accounts.batches import BUSY_GROUP, ON_DISK_WITHIN_S, Batches, _thread
from accounts.models import Attempt, Entry, Hold, Receipt, Team, Wallet
from accounts.operations import Call, Close, Keep
from accounts.refusals import BadRequest, PaymentRequired, Refusal, Unavailable
from accounts.shared_reads import once_a_group
from accounts.statements import rows
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
    return batches.submit(Keep(caller, request_id, amount_nanousd, "llama"))


def settling(batches: Batches, held, nanousd: int):
    return batches.submit(Close(held, Hold.State.SETTLED, costing(nanousd)))


def test_a_group_of_thirty_takes_as_many_statements_as_one_of_three(alice, db):
    ledger.top_up(alice.team, by=alice.user, key="start", amount_nanousd=DOLLAR)
    counts = []
    for size in (3, 30):
        names = [f"req_{size}_{number}" for number in range(size)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            held = ledger.apply([Keep(alice, name, 5, "llama") for name in names])
            ledger.apply([Close(each, Hold.State.SETTLED, costing(5)) for each in held])
        counts.append(len(queries))

    assert counts[0] == counts[1]


async def test_those_that_come_while_a_group_runs_are_the_next_group(batches, alice, wallet):
    may_go_on, runs, begun = threading.Event(), threading.Event(), []

    def first() -> Keep:
        runs.set()
        may_go_on.wait(10)
        return Keep(alice, "req_first", 1, "llama")

    def reads(name: str) -> Keep:
        begun.append(name)
        return Keep(alice, name, 1, "llama")

    running = batches.submit(first)
    await asyncio.to_thread(runs.wait, 10)
    others = [batches.submit(lambda name=name: reads(name)) for name in ("req_a", "req_b")]
    await asyncio.sleep(0)
    assert begun == []
    may_go_on.set()
    await asyncio.gather(running, *others)

    assert begun == ["req_a", "req_b"]


async def test_a_refused_hold_takes_nothing_from_those_beside_it_and_leaves_a_receipt(batches, alice, wallet):
    amounts = [4 * DOLLAR, 7 * DOLLAR, 6 * DOLLAR]
    calls = [holding(batches, alice, f"req_{amount}", amount) for amount in amounts]

    first, refused, last = await asyncio.gather(*calls, return_exceptions=True)

    assert isinstance(refused, PaymentRequired)
    assert (first.amount_nanousd, last.amount_nanousd) == (4 * DOLLAR, 6 * DOLLAR)
    receipt = await Receipt.objects.aget()
    assert (receipt.request_id, receipt.outcome, receipt.status) == (f"req_{7 * DOLLAR}", "refused", 402)
    assert receipt.refusal["limits"][0]["left"] == 6 * DOLLAR


async def test_what_breaks_is_undone_alone(batches, alice, wallet):
    held = await holding(batches, alice, "req_1")
    cannot_be_stored = [Call(None, "", basis=Attempt.Basis.REPORTED, cost_nanousd=1)]

    broken, other = await asyncio.gather(
        batches.submit(Close(held, Hold.State.SETTLED, cannot_be_stored)),
        holding(batches, alice, "req_2"),
        return_exceptions=True,
    )

    assert isinstance(broken, Exception)
    assert other.request_id == "req_2"
    assert await Hold.objects.filter(state=Hold.State.OPEN).acount() == 2


async def test_with_the_database_away_everybody_waiting_is_told_and_nothing_is_kept(batches, alice, wallet, caplog):
    def away() -> Keep:
        raise OperationalError("database is locked")

    outcomes = await asyncio.gather(holding(batches, alice, "req_1"), batches.submit(away), return_exceptions=True)
    after = await holding(batches, alice, "req_2")

    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert after.request_id == "req_2"
    assert not await Hold.objects.filter(request_id="req_1").aexists()


async def test_who_leaves_before_the_group_began_is_not_called(batches, alice, wallet):
    leaving = holding(batches, alice, "req_left")
    staying = holding(batches, alice, "req_stayed")
    leaving.cancel()
    await staying

    assert [hold.request_id async for hold in Hold.objects.all()] == ["req_stayed"]


async def test_who_leaves_when_the_group_has_begun_is_told_of_nothing_but_what_came_of_it_is(batches, alice, wallet):
    may_go_on, runs, left = threading.Event(), threading.Event(), []

    def reads() -> Keep:
        runs.set()
        may_go_on.wait(10)
        return Keep(alice, "req_left", 1, "llama")

    leaving = batches.submit(reads, if_left=left.append)
    await asyncio.to_thread(runs.wait, 10)
    leaving.cancel()
    may_go_on.set()
    await batches.drained()

    assert [held.request_id for held in left] == ["req_left"]
    assert await Hold.objects.filter(request_id="req_left").aexists()


async def test_what_is_handed_over_is_done_and_told_whatever_it_is_and_whoever_breaks_beside_it(batches, alice, wallet):
    told: list[object] = []

    def breaks(_: object) -> None:
        raise RuntimeError("what hears of it is broken")

    batches.hand_over(Keep(alice, "req_1", DOLLAR, "llama"), breaks)
    batches.hand_over(Keep(alice, "req_2", DOLLAR, "llama"), told.append)
    batches.hand_over(Keep(alice, "req_3", 100 * DOLLAR, "llama"), told.append)
    await batches.drained()

    held, refused = told
    assert held.request_id == "req_2"
    assert isinstance(refused, PaymentRequired)


async def test_whoever_handed_over_hears_of_it_when_the_event_loop_ends(batches, alice, wallet):
    may_go_on, runs, told = threading.Event(), threading.Event(), []

    def reads() -> Keep:
        runs.set()
        may_go_on.wait(10)
        return Keep(alice, "req_begun", 1, "llama")

    batches.hand_over(reads, told.append)
    await asyncio.to_thread(runs.wait, 10)
    batches.hand_over(Keep(alice, "req_waiting", 1, "llama"), told.append)
    ended = asyncio.all_tasks() - {asyncio.current_task()}
    for task in ended:
        task.cancel()
    await asyncio.wait(ended)
    may_go_on.set()

    assert [type(each) for each in told] == [RuntimeError, RuntimeError]


async def test_draining_waits_for_every_operation(batches, alice, wallet):
    held = await holding(batches, alice, "req_1")
    done = settling(batches, held, 5)

    await batches.drained()

    assert done.done() and done.result() == 5


async def test_what_is_read_first_is_read_under_the_request_id_of_its_caller(batches, alice, wallet):
    seen = []

    def reads(name: str) -> Keep:
        seen.append(ids.current_request_id())
        return Keep(alice, name, 1, "llama")

    async def request(name: str) -> str:
        own = ids.bind_request_id()
        await batches.submit(lambda: reads(name))
        return own

    own_ids = await asyncio.gather(asyncio.create_task(request("req_a")), asyncio.create_task(request("req_b")))

    assert seen == own_ids


async def test_what_requests_of_one_group_ask_alike_is_read_once_for_that_group(batches, alice, wallet):
    may_go_on, runs, reads = threading.Event(), threading.Event(), []

    @once_a_group
    def amount(of: str) -> int:
        reads.append(of)
        return 1

    def first() -> Keep:
        runs.set()
        may_go_on.wait(10)
        return Keep(alice, "req_first", 1, "llama")

    running = batches.submit(first)
    await asyncio.to_thread(runs.wait, 10)
    named = [("req_a", "llama"), ("req_b", "llama"), ("req_c", "qwen")]
    others = [batches.submit(lambda name=name, of=of: Keep(alice, name, amount(of), of)) for name, of in named]
    may_go_on.set()
    await asyncio.gather(running, *others)

    assert reads == ["llama", "qwen"]
    assert amount("llama") and reads[2:] == ["llama"], "outside of a group everything is read"


async def test_it_is_not_read_again_for_a_second_while_nobody_else_has_written(batches, alice, wallet, monkeypatch):
    reads = []

    @once_a_group
    def amount() -> int:
        reads.append("amount")
        return 1

    async def hold(name: str) -> int:
        """How many more reads it takes."""
        before = len(reads)
        await batches.submit(lambda: Keep(alice, name, amount(), "llama"))
        return len(reads) - before

    seldom = 0 if connection.vendor == "sqlite" else 1  # PostgreSQL does not tell whether somebody has written
    assert await hold("req_a") == 1
    assert [await hold("req_b"), await hold("req_c")] == [seldom, seldom]
    await in_database(Team.objects.filter(pk=alice.team.pk).update, name="Southlight")
    assert [await hold("req_d"), await hold("req_e")] == [1, seldom]
    monkeypatch.setattr("accounts.shared_reads.KEPT_S", -1)
    await in_database(Team.objects.filter(pk=alice.team.pk).update, name="Eastlight")
    assert [await hold("req_f"), await hold("req_g")] == [1, 1]


@pytest.mark.parametrize("is_read", [True, False])
async def test_whoever_is_refused_is_not_held_in_memory_by_the_refusal(batches, alice, wallet, is_read):
    """A request may have a body of megabytes, and the garbage collector looks seldom."""

    async def refused() -> weakref.ref[threading.Event]:
        body = threading.Event()

        def read() -> Keep:
            if body.is_set() or is_read:
                raise BadRequest("No.")
            return Keep(alice, "req_a", 11 * DOLLAR, "llama")

        try:
            await batches.submit(read)
        except Refusal:
            return weakref.ref(body)
        raise AssertionError("it was not refused")

    gc.collect()
    gc.disable()
    try:
        held = await asyncio.create_task(refused())
        async with asyncio.timeout(10):  # the thread may not be through with the group yet
            while held() is not None:
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


def on_sqlite() -> bool:
    return connection.vendor == "sqlite"


async def test_a_request_goes_on_with_its_hold_and_hears_of_its_charge_when_that_is_on_the_disk(
    batches, alice, wallet, monkeypatch
):
    written, syncs = threading.Event(), threading.Semaphore(0)

    def sync(_: int) -> None:
        syncs.release()
        written.wait(10)

    monkeypatch.setattr("accounts.statements._sync", sync)
    if not on_sqlite():
        written.set()

    held = await holding(batches, alice, "req_1")
    settled = settling(batches, held, 5)
    if on_sqlite():
        assert await asyncio.to_thread(syncs.acquire, timeout=10)
        assert not settled.done()
        assert await Entry.objects.filter(kind=Entry.Kind.CHARGE).aexists(), "what others see and a kill leaves"
    written.set()

    assert await settled == 5


async def test_what_nobody_waits_for_is_on_the_disk_soon(batches, alice, wallet, monkeypatch):
    syncs = threading.Semaphore(0)
    monkeypatch.setattr("accounts.statements._sync", lambda _: syncs.release())

    await asyncio.gather(holding(batches, alice, "req_1"), holding(batches, alice, "req_2"))

    if on_sqlite():
        assert await asyncio.to_thread(syncs.acquire, timeout=10)
    await asyncio.sleep(2 * ON_DISK_WITHIN_S)
    assert not syncs.acquire(blocking=False), "once for all of that time"


async def test_a_charge_takes_the_hold_before_it_to_the_disk(batches, alice, wallet, monkeypatch):
    syncs = []
    monkeypatch.setattr("accounts.statements._sync", syncs.append)

    held = await holding(batches, alice, "req_1")
    await settling(batches, held, 5)
    await asyncio.sleep(2 * ON_DISK_WITHIN_S)

    assert len(syncs) == on_sqlite()


async def test_a_disk_that_fails_is_told_to_those_whose_money_moved(batches, alice, wallet, monkeypatch, caplog):
    if not on_sqlite():
        pytest.skip("PostgreSQL waits for its own disk")

    def broken(_: int) -> None:
        raise OSError("Input/output error")

    first = await holding(batches, alice, "req_1")
    monkeypatch.setattr("accounts.statements._sync", broken)

    charge, held = await asyncio.gather(
        settling(batches, first, 5), holding(batches, alice, "req_2"), return_exceptions=True
    )
    monkeypatch.undo()

    assert isinstance(charge, Unavailable)
    assert held.request_id == "req_2"
    assert await settling(batches, first, 5) == 5, "it may be said again"
    assert await Entry.objects.filter(kind=Entry.Kind.CHARGE).acount() == 1


def test_whoever_commits_elsewhere_waits_for_the_disk(batches, alice, wallet):
    """Two is FULL, one is NORMAL; https://www.sqlite.org/pragma.html#pragma_synchronous"""
    if not on_sqlite():
        pytest.skip("only SQLite is told so")

    def mode() -> int:
        return rows("PRAGMA synchronous")[0][0]

    assert mode() == 2
    asyncio.run(in_own_loop(batches, alice))
    assert mode() == 2
    assert _thread.submit(mode).result(10) == 1


async def in_own_loop(batches: Batches, caller) -> None:
    await holding(batches, caller, "req_1")


def test_what_is_held_and_closed_in_one_group_is_written_as_if_it_were_two(alice, db):
    ledger.top_up(alice.team, by=alice.user, key="start", amount_nanousd=DOLLAR)
    named = Hold(wallet_id=alice.team.pk, request_id="req_both")
    other = Keep(alice, "req_other", 5, "llama")

    ledger.apply([Keep(alice, "req_both", 5, "llama"), Close(named, Hold.State.SETTLED, costing(3)), other])

    hold = Hold.objects.get(request_id="req_both")
    assert (hold.state, hold.charged_nanousd) == ("settled", 3)
    assert Attempt.objects.get().hold_id == Receipt.objects.get().hold_id == hold.pk
    assert Entry.objects.get(kind=Entry.Kind.CHARGE).hold_id == hold.pk
    assert Hold.objects.get(request_id="req_other").state == "open"


@pytest.mark.parametrize(
    ("first", "took_s", "last_after_s", "groups"),
    [
        (BUSY_GROUP, 0.05, 0.001, [BUSY_GROUP, 2]),
        (BUSY_GROUP, 0, 0.02, [BUSY_GROUP, 1, 1]),
        (BUSY_GROUP - 1, 0.05, 0.001, [BUSY_GROUP - 1, 1, 1]),
    ],
    ids=["many that took long", "many that were done at once", "few"],
)
async def test_only_where_many_come_together_the_next_group_is_waited_for(
    batches, monkeypatch, first, took_s, last_after_s, groups
):
    """By a part of the time that the group took."""
    sizes: list[int] = []
    calls: list[asyncio.Future[None]] = []

    def submit() -> None:
        calls.append(batches.submit(lambda: None))

    loop = asyncio.get_running_loop()

    def do(group, tell) -> None:
        sizes.append(len(group))
        if len(sizes) == 1:
            time.sleep(took_s)
            loop.call_soon_threadsafe(submit)
            loop.call_soon_threadsafe(loop.call_later, last_after_s, submit)
        tell([(each, None) for each in group], is_last=True, is_on_disk=True)

    monkeypatch.setattr("accounts.batches._do", do)

    for _ in range(first):
        submit()
    await asyncio.sleep(0.2)
    await asyncio.gather(*calls)

    assert sizes == groups
