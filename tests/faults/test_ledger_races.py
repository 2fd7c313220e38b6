"""Many processes at one team's money, and processes that die over it: nothing is lost, doubled or overspent."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.server import installation

# More rounds and kills for those who want to be surer than a minute of CI makes them.
THOROUGHNESS = int(os.environ.get("EMMA18_TEST_THOROUGHNESS", "1"))


@pytest.fixture
def spenders() -> Iterator[Callable[..., dict[str, Any]]]:
    """Plays a scene of spenders.py on an empty database."""
    with installation() as server:
        yield lambda scene, *numbers: json.loads(server.run_module("tests.faults.spenders", scene, *map(str, numbers)))


def test_24_processes_with_money_for_ten_calls_make_exactly_ten(spenders):
    rounds = 4 * THOROUGHNESS

    told = spenders("overspend", rounds, 24)

    assert told["admitted"] == [10] * rounds
    assert told["balances"] == [0] * rounds
    assert told["breaches"] == []


def test_processes_killed_at_random_moments_lose_and_double_no_money(spenders):
    told = spenders("kills", 25 * THOROUGHNESS, 4)

    assert told["settled"] >= 25 * THOROUGHNESS
    assert (told["lost"], told["forgotten"]) == ([], [])
    assert (told["before"], told["breaches"], told["open"]) == ([], [], 0)


def test_a_process_killed_at_any_statement_or_commit_leaves_a_ledger_that_holds(spenders):
    told = spenders("crashes")

    # Nothing held; then held but not delivered; then what the checkpoint says; then all of it.
    assert list(dict.fromkeys(told["charges"])) == [None, 0, 50, 100]
    assert len(told["charges"]) >= 15
    assert (told["broken"], told["breaches"], told["open"]) == ([], [], 0)


def test_a_code_that_many_redeem_at_once_is_worth_one_entry(spenders):
    rounds = 4 * THOROUGHNESS

    told = spenders("redemptions", rounds, 8)

    assert told["redeemed"] == [1] * rounds
    assert told["worth"] == 100 * rounds
    assert told["refusals_written"] == 7 * rounds
    assert told["breaches"] == []
