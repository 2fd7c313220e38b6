"""The pace of an access key whose limits change while requests of it run. The limits at the door: test_money.py."""

import pytest

from accounts import keys, ledger
from accounts.callers import Caller
from accounts.keys import Limits
from accounts.models import AccessKey, Hold
from accounts.operations import Close, Held, Keep, Operation, Renew
from accounts.refusals import RateLimited


def asking(alice: Caller, request_id: str) -> Keep:
    """A request with alice's key, as the key is now."""
    key = AccessKey.objects.get()
    caller = Caller(user=alice.user, team=alice.team, role=alice.role, access_key=key)
    return Keep(caller, request_id, 10, "llama")


@pytest.fixture(params=["renewed", "closed"])
def earlier(request, alice, wallet):
    """Changes the limits of a key that has a request running; gives what is done to that in the next group."""

    def change(before: Limits, after: Limits) -> Operation:
        row, _ = keys.issue(alice, name="laptop", limits=before)
        [running] = ledger.apply([asking(alice, "req_running")])
        assert isinstance(running, Held)
        keys.change(alice, public_id=row.public_id, name="laptop", limits=after)
        return Renew(running, 5) if request.param == "renewed" else Close(running, Hold.State.RELEASED)

    return change


def test_a_lowered_limit_holds_in_a_group_with_an_earlier_request(alice, earlier):
    first = earlier(Limits(requests_per_minute=1000), Limits(requests_per_minute=1))

    _, *outcomes = ledger.apply([first, asking(alice, "req_1"), asking(alice, "req_2")])

    assert isinstance(outcomes[-1], RateLimited)


@pytest.mark.parametrize("after", [Limits(), Limits(requests_per_minute=1000)])
def test_a_limit_that_was_lifted_or_raised_refuses_nobody(alice, earlier, after):
    first = earlier(Limits(requests_per_minute=1), after)

    _, *outcomes = ledger.apply([first, asking(alice, "req_1"), asking(alice, "req_2")])

    assert all(isinstance(outcome, Held) for outcome in outcomes)
