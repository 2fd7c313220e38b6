"""The log of requests and their receipts: who finds what, page by page."""

import pytest

from accounts import keys, request_log
from accounts.models import Attempt, Receipt
from accounts.refusals import PaymentRequired, RateLimited
from accounts.request_log import Wanted
from tests.conftest import signed_in
from tests.receipts import DOLLAR, finished, fund


@pytest.fixture
def funded(alice):
    fund(alice)


def shown(page) -> list[str]:
    return [line.receipt.model_id for line in page.lines]


def found(caller, **words) -> list[str]:
    return shown(signed_in(caller).get("/usage/requests/", words).context["log"])


def test_newest_request_stands_first_and_members_see_their_own(funded, alice, bob, charlie):
    finished(alice, model_id="first")
    finished(bob, model_id="second")

    assert found(alice) == ["second", "first"]
    assert found(bob) == ["second"]
    assert found(charlie) == []


def test_pages_follow_each_other_without_a_gap_in_both_directions(funded, alice):
    for number in range(7):
        finished(alice, 1000, model_id=str(number))

    def page(**cursor):
        return request_log.page(alice, Wanted(), size=3, **cursor)

    newest, middle = page(), page(before=page().older)
    oldest = page(before=middle.older)
    assert [shown(each) for each in (newest, middle, oldest)] == [["6", "5", "4"], ["3", "2", "1"], ["0"]]
    assert (newest.newer, oldest.older) == (None, None)
    assert shown(page(after=oldest.newer)) == ["3", "2", "1"]
    assert shown(page(after=middle.newer)) == ["6", "5", "4"]
    assert page(after=middle.newer).newer is None


def test_new_requests_move_no_page(funded, alice):
    for number in range(4):
        finished(alice, 1000, model_id=str(number))
    older = request_log.page(alice, Wanted(), size=2).older

    finished(alice, 1000, model_id="new")

    assert shown(request_log.page(alice, Wanted(), size=2, before=older)) == ["1", "0"]


@pytest.mark.parametrize(
    ("words", "models"),
    [
        ({"outcome": "refused"}, ["refused"]),
        ({"outcome": "stopped"}, ["stopped"]),
        ({"outcome": "done"}, ["through a key", "done"]),
        ({"model": "done"}, ["done"]),
        ({"key": "0"}, ["refused", "stopped", "done"]),
        ({"model": "absent"}, []),
        ({"outcome": "x"}, ["through a key", "refused", "stopped", "done"]),
    ],
)
def test_log_is_filtered(funded, alice, words, models):
    finished(alice, model_id="done")
    finished(alice, model_id="stopped", outcome=Receipt.Outcome.STOPPED)
    finished(alice, model_id="refused", refusal=RateLimited("Slow down."))
    finished(alice, model_id="through a key", key=keys.issue(alice, name="laptop")[0])

    assert found(alice, **words) == models


def test_requests_are_found_by_member_key_and_the_start_of_their_id(funded, alice, bob):
    laptop, _ = keys.issue(bob, name="Laptop")
    finished(alice, model_id="alices", request_id="req_01KB4M9V6Q2W8Z3T5Y7X1C0NDE")
    finished(bob, model_id="bobs", request_id="req_01KB4M9V6Q2W8Z3T5Y7X1C0NDF")
    finished(bob, model_id="laptops", key=laptop, request_id="req_01KB5000000000000000000000")

    assert found(alice, q="bob") == ["laptops", "bobs"]
    assert found(alice, q="lapt") == ["laptops"]
    assert found(alice, q=laptop.last_four) == ["laptops"]
    assert found(alice, q="req_01KB4M9V6Q2W8Z3T5Y7X1C0NDE") == ["alices"]
    assert found(alice, q="REQ_01kb4m9v") == ["bobs", "alices"]
    assert found(alice, q="req_01") == []


def test_member_finds_nobody_elses_requests(funded, alice, bob):
    finished(alice, request_id="req_01KB4M9V6Q2W8Z3T5Y7X1C0NDE")

    assert found(bob, q="alice") == []
    assert found(bob, q="req_01KB4M9V") == []
    assert found(bob, member=alice.user.pk) == []


def test_search_that_finds_nothing_says_what_can_be_found(alice):
    page = signed_in(alice).get("/usage/requests/", {"q": "<b>"}).text

    assert "Nothing matches “&lt;b&gt;”" in page
    assert "first seven characters" in page


def test_refused_request_leads_to_why(funded, alice):
    receipt = finished(alice, refusal=PaymentRequired("Too dear.", limits=[]))

    page = signed_in(alice).get("/usage/requests/").text

    assert f"/why/{receipt.request_id}" in page and "402 budget" in page


def test_receipt_adds_up(funded, alice):
    receipt = finished(alice, 18_984_000, tokens=(3118, 642))

    shown = signed_in(alice).get(f"/usage/requests/{receipt.request_id}/").context["shown"]

    assert [(part.tokens, part.cost_nanousd) for part in shown.parts] == [(3118, 9_354_000), (642, 9_630_000)]
    assert sum(part.cost_nanousd for part in shown.parts) == receipt.charged_nanousd
    assert shown.given_back_nanousd == DOLLAR // 100
    assert shown.tokens_per_s == pytest.approx(642 / 8.59)


@pytest.mark.parametrize(
    ("receipt", "says"),
    [
        ({"price": {}}, "No price known"),
        ({"basis": Attempt.Basis.ESTIMATED}, "an estimate from what was delivered"),
        ({"refusal": RateLimited("Slow down.")}, "none was called"),
    ],
)
def test_receipt_says_what_is_not_known(funded, alice, receipt, says):
    row = finished(alice, 0, **receipt)

    assert says in signed_in(alice).get(f"/usage/requests/{row.request_id}/").text


def test_receipt_unfolds_as_a_row_of_the_log(funded, alice):
    row = finished(alice)
    asked = {"headers": {"hx-request": "true", "hx-request-type": "partial"}}

    answer = signed_in(alice).get(f"/usage/requests/{row.request_id}/", **asked)

    assert answer.text.lstrip().startswith('<tr class="unfolded">')


def test_receipt_of_another_looks_like_one_that_does_not_exist(funded, alice, bob):
    row = finished(alice)
    browser = signed_in(bob)

    answers = [browser.get(f"/usage/requests/{each}/") for each in (row.request_id, "req_absent")]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert all("There is no such request of yours." in answer.text for answer in answers)


def test_log_costs_the_same_queries_however_long(funded, alice, queries_of):
    row, _ = keys.issue(alice, name="laptop")
    finished(alice, 1000, key=row)
    short = queries_of(alice, "/usage/requests/")
    for number in range(299):
        finished(alice, 1000, model_id=f"model-{number}", key=row)

    assert queries_of(alice, "/usage/requests/") == short <= 12


def test_filters_go_together(funded, alice, bob):
    finished(alice, model_id="small")
    finished(bob, model_id="small")
    finished(bob, model_id="large")

    assert found(alice, member=bob.user.pk, model="small") == ["small"]
    assert found(alice, member=alice.user.pk, model="large") == []
    assert found(alice, member=alice.user.pk, key="0", outcome="done") == ["small"]
