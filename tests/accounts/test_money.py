"""Amounts of money as people type them."""

import pytest

from accounts import money
from accounts.refusals import BadRequest


@pytest.mark.parametrize(
    ("text", "nanousd"),
    [
        ("5", 5 * 10**9),
        (" $5.00 ", 5 * 10**9),
        ("$1,204.5", 1_204_500_000_000),
        (".25", 250_000_000),
        ("0.000000001", 1),
        ("5.0000000000", 5 * 10**9),
        ("1000000000", 10**18),
    ],
)
def test_an_amount_is_read_exactly(text, nanousd):
    assert money.from_dollars(text) == nanousd


@pytest.mark.parametrize(
    "text",
    ["", "$", ".", "-5", "5,00", "1,20,000", "5 dollars", "1e3", "NaN", "inf", "٥", "0", "1000000000.01", "9" * 400]
    + ["0.0000000001", "1.00000000000000000001"],
)
def test_what_is_no_amount_is_refused_with_a_sentence(text):
    with pytest.raises(BadRequest) as refused:
        money.from_dollars(text, param="hard")

    assert refused.value.param == "hard"


def test_nothing_is_an_amount_where_it_may_be():
    assert money.from_dollars("0", least=0) == 0
