"""Processes that spend one team's money at once. Run as a module by test_ledger_races.py, on a database of its own.

Loads Django once and forks, since each process would need two seconds to import it. Prints one JSON object.
"""

import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import connection, connections, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts import budgets, codes, invariants, ledger, people  # noqa: E402
from accounts.callers import Caller  # noqa: E402
from accounts.ledger import Call  # noqa: E402
from accounts.models import Attempt, AuditEntry, Budget, Hold, Membership, User, Wallet  # noqa: E402
from accounts.refusals import Conflict, PaymentRequired  # noqa: E402

PRICE = 100


def rich_caller(name: str, amount_nanousd: int) -> Caller:
    user = User.objects.create_user(email=f"{name}@example.org", name="alice")
    team = people.found_team(user, name=name)
    with transaction.atomic():
        ledger.top_up(team, by=user, key="start", amount_nanousd=amount_nanousd)
    return Caller(user=user, team=team, role=Membership.Role.OWNER)


def spend(caller: Caller, request_id: str, *, told: Callable[[str], None] = lambda step: None) -> bool:
    """A request from its hold to its settlement. False if it was refused. `told` hears what is committed."""
    try:
        with transaction.atomic():
            hold = ledger.hold(caller, request_id=request_id, amount_nanousd=PRICE, model_id="llama")
    except PaymentRequired:
        return False
    told("held")
    with transaction.atomic():
        ledger.renew(hold, delivered_nanousd=PRICE // 2)
    told("delivered")
    with transaction.atomic():
        ledger.settle(hold, calls=[Call(None, "done", basis=Attempt.Basis.REPORTED, cost_nanousd=PRICE)])
    told("settled")
    return True


def fork(work: Callable[[], int]) -> int:
    """A child with a connection of its own, which exits with what `work` returns."""
    connections.close_all()
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        status = work()
    except Exception as error:
        print(f"child failed: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@contextmanager
def starting_line() -> Iterator[Callable[[], None]]:
    """What the children call to wait until all of them are let go at once, when the block ends."""
    read_end, write_end = os.pipe()

    def wait() -> None:
        os.close(write_end)
        os.read(read_end, 1)  # returns when the last writer has closed its end

    try:
        yield wait
    finally:
        os.close(read_end)
        os.close(write_end)


def _wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("No request has been settled for a minute.")
        time.sleep(0.005)


def let_lapse_and_reap() -> None:
    Hold.objects.filter(state=Hold.State.OPEN).update(lease_until=timezone.now() - timedelta(seconds=1))
    while ledger.reap():
        pass


def overspend(rounds: int, processes: int) -> dict[str, Any]:
    """In each round that many processes try to spend at once where the money is enough for ten."""
    admitted, balances, refused_by_budget = [], [], 0
    for number in range(rounds):
        caller = rich_caller(f"round{number}", 10 * PRICE if number % 2 else 99 * PRICE)
        if not number % 2:  # every other round it is a budget that ends at ten
            refused_by_budget += 1
            with transaction.atomic():
                subject = budgets.Subject(member=caller.user)
                limits = {"window": Budget.Window.DAY, "hard_nanousd": 10 * PRICE}
                budgets.limit(caller.team, by=None, subject=subject, **limits)
        with starting_line() as wait:

            def work(caller: Caller = caller, wait: Callable[[], None] = wait, number: int = number) -> int:
                wait()
                return 0 if spend(caller, f"req_{number}_{os.getpid()}") else 1

            children = [fork(work) for _ in range(processes)]
        codes = [exit_code(pid) for pid in children]
        admitted.append(codes.count(0) if set(codes) <= {0, 1} else codes)
        wallet = Wallet.objects.get(team=caller.team)
        balances.append(wallet.balance_nanousd - (0 if number % 2 else 89 * PRICE))
    return {"admitted": admitted, "balances": balances, "rounds_with_a_budget": refused_by_budget}


def kills(count: int, processes: int) -> dict[str, Any]:
    """Processes spend without end and write down what they were told; one after the other is killed at random.

    Before each kill one more request has come to its end than kills so far, however slow the machine is.
    """
    caller = rich_caller("kills", 10**9)
    journal = Path(tempfile.mkstemp(prefix="emma18-journal-")[1])

    def work() -> int:
        log = os.open(journal, os.O_WRONLY | os.O_APPEND)
        number = 0
        while True:
            request_id = f"req_{os.getpid()}_{number}"

            def tell(step: str, request_id: str = request_id) -> None:
                os.write(log, f"{step} {request_id}\n".encode())

            spend(caller, request_id, told=tell)
            if number % 5 == 0:
                ledger.reap()
            number += 1

    children = [fork(work) for _ in range(processes)]
    try:
        for kill in range(count):
            _wait_for(lambda wanted=kill + 1: journal.read_text().count("settled ") >= wanted)
            time.sleep(random.uniform(0.02, 0.12))
            victim = children.pop(random.randrange(len(children)))
            os.kill(victim, signal.SIGKILL)
            exit_code(victim)
            children.append(fork(work))
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            exit_code(pid)
    before = [str(breach) for breach in invariants.breaches()]
    let_lapse_and_reap()
    lines = [line.split() for line in journal.read_text().splitlines()]
    journal.unlink()
    charged = dict(Hold.objects.values_list("request_id", "charged_nanousd"))
    settled = {request_id for step, request_id in lines if step == "settled"}
    held = {request_id for step, request_id in lines if step == "held"}
    return {
        "settled": len(settled),
        "lost": [request_id for request_id in settled if charged.get(request_id) != PRICE],
        "forgotten": sorted(held - charged.keys()),
        "before": before,
        "open": Hold.objects.filter(state=Hold.State.OPEN).count(),
    }


def crashes() -> dict[str, Any]:
    """Kill a process before its first statement, its second, … and after each commit, until one lives to its end."""
    caller = rich_caller("crashes", 10**6)
    with transaction.atomic():
        limits = {"window": Budget.Window.MONTH, "hard_nanousd": 10**6, "soft_nanousd": 10}
        budgets.limit(caller.team, by=None, subject=budgets.Subject(), **limits)
    charges, broken, died = [], [], True
    while died:
        request_id = f"req_{len(charges)}"
        died = exit_code(fork(partial(_die_at, len(charges), caller, request_id))) == -signal.SIGKILL
        broken += [str(breach) for breach in invariants.breaches()]
        let_lapse_and_reap()
        broken += [str(breach) for breach in invariants.breaches()]
        hold = ledger.find(request_id)
        charges.append(hold.charged_nanousd if hold else None)
    return {"charges": charges, "broken": broken, "open": Hold.objects.filter(state=Hold.State.OPEN).count()}


def redemptions(rounds: int, processes: int) -> dict[str, Any]:
    """In each round that many processes, half of them of another team, redeem one code at once."""
    redeemed, worth = [], 0
    for number in range(rounds):
        callers = [rich_caller(f"{name}{number}", PRICE) for name in ("here", "elsewhere")]
        [code] = codes.issue(amount_nanousd=PRICE)
        with starting_line() as wait:

            def work(caller: Caller, wait: Callable[[], None] = wait, code: str = code) -> int:
                wait()
                try:
                    codes.redeem(caller, code)
                except Conflict as refusal:
                    return 1 if "redeemed this code" in refusal.detail or "by another team" in refusal.detail else 2
                return 0

            children = [fork(partial(work, callers[turn % 2])) for turn in range(processes)]
        outcomes = [exit_code(pid) for pid in children]
        redeemed.append(outcomes.count(0) if set(outcomes) <= {0, 1} else outcomes)
        worth += sum(Wallet.objects.get(team=caller.team).balance_nanousd - PRICE for caller in callers)
    written = AuditEntry.objects.filter(action=codes.FAILED).count()
    return {"redeemed": redeemed, "worth": worth, "refusals_written": written}


def _die_at(point: int, caller: Caller, request_id: str) -> int:
    points = iter(range(point + 1))

    def pass_point(*_: object) -> None:
        if next(points) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def before_statement(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        pass_point()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(before_statement):
        spend(caller, request_id, told=pass_point)
    return 0


if __name__ == "__main__":
    scene, *numbers = sys.argv[1:]
    scenes = {"overspend": overspend, "kills": kills, "crashes": crashes, "redemptions": redemptions}
    told = scenes[scene](*map(int, numbers))
    json.dump(told | {"breaches": [str(breach) for breach in invariants.breaches()]}, sys.stdout)
