"""Money for tests: a team with a few dollars, and calls that cost some."""

from collections.abc import Callable
from itertools import count

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import ledger
from accounts.callers import Caller
from accounts.ledger import Call
from accounts.models import Attempt, Hold, Wallet
from tests.conftest import signed_in

DOLLAR = 10**9


@pytest.fixture
def wallet(alice: Caller) -> Wallet:
    """alice's team has ten dollars."""
    ledger.top_up(alice.team, by=alice.user, key="start", amount_nanousd=10 * DOLLAR)
    return Wallet.objects.get(team=alice.team)


@pytest.fixture
def held(alice: Caller, wallet: Wallet) -> Callable[..., Hold]:
    """Opens holds, of a dollar for alice unless told otherwise."""
    numbers = count(1)

    def hold(caller: Caller = alice, amount_nanousd: int = DOLLAR, *, model_id: str = "llama", **more) -> Hold:
        request_id = more.pop("request_id", f"req_{next(numbers)}")
        return ledger.hold(caller, request_id=request_id, amount_nanousd=amount_nanousd, model_id=model_id, **more)

    return hold


def costing(nanousd: int, status: str = "done") -> list[Call]:
    """The calls of a request that one provider answered for that much."""
    return [Call(None, status, basis=Attempt.Basis.REPORTED, cost_nanousd=nanousd)]


@pytest.fixture
def queries_of() -> Callable[[Caller, str], int]:
    """How many queries a page costs a person."""

    def count_of(caller: Caller, path: str) -> int:
        browser = signed_in(caller)
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(path).status_code == 200
        return len(captured)

    return count_of
