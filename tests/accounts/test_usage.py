"""The Usage page: what a team's days come to, who sees whose, and how they are broken down."""

from datetime import date, timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts import budgets, charts, keys, ledger, usage
from accounts.models import Attempt, Budget, Receipt
from accounts.refusals import PaymentRequired
from tests.conftest import signed_in
from tests.receipts import DOLLAR, finished, fund

TODAY = date(2026, 11, 23)


@pytest.fixture
def funded(alice):
    fund(alice)


def report(caller, **words):
    return signed_in(caller).get("/usage/", words).context["report"]


def test_owner_sees_everybodys_usage_and_members_their_own(funded, alice, bob, vera, charlie):
    finished(alice, 2 * DOLLAR)
    finished(bob, DOLLAR)

    seen = {each.user.name: report(each).total.spent_nanousd for each in (alice, bob, vera, charlie)}

    assert seen == {"alice": 3 * DOLLAR, "bob": DOLLAR, "vera": 0, "charlie": 0}


@pytest.mark.parametrize(("name", "sees"), [("alice", "Northlight, all members"), ("bob", "Northlight, only your own")])
def test_page_says_whose_usage_it_shows(request, name, sees, bob):
    assert sees in signed_in(request.getfixturevalue(name)).get("/usage/").text


def test_member_cannot_look_at_another_by_naming_them(funded, alice, bob):
    finished(alice, DOLLAR)

    assert report(bob, member=alice.user.pk).total.requests == 0


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("today", date(2026, 11, 23), date(2026, 11, 23)),
        ("7d", date(2026, 11, 17), date(2026, 11, 23)),
        ("90d", date(2026, 8, 26), date(2026, 11, 23)),
        ("month", date(2026, 11, 1), date(2026, 11, 30)),
        ("2026-02", date(2026, 2, 1), date(2026, 2, 28)),
        ("2027-01", date(2026, 11, 1), date(2026, 11, 30)),
        ("a month", date(2026, 11, 1), date(2026, 11, 30)),
    ],
)
def test_a_name_stands_for_days(name, first, last):
    span = usage.span(name, today=TODAY)

    assert (span.first, span.last) == (first, last)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("today", date(2026, 11, 22), date(2026, 11, 22)),
        ("7d", date(2026, 11, 10), date(2026, 11, 16)),
        ("month", date(2026, 10, 1), date(2026, 10, 23)),
        ("2026-03", date(2026, 2, 1), date(2026, 2, 28)),
    ],
)
def test_days_are_compared_with_as_many_before(name, first, last):
    before = usage.before(usage.span(name, today=TODAY))

    assert (before.first, before.last) == (first, last)


def test_the_31st_is_compared_with_the_last_of_a_shorter_month():
    before = usage.before(usage.span("month", today=date(2026, 3, 30)))

    assert before.last == date(2026, 2, 28)


def test_day_begins_where_the_team_is(funded, alice):
    with transaction.atomic():
        budgets.set_time_zone(alice.team, by=alice.user, time_zone="Pacific/Kiritimati")
    there = timezone.now().astimezone(timezone.get_fixed_timezone(14 * 60)).date()

    assert report(alice, range="today").span.first == there


def test_spending_is_compared_with_the_days_before(funded, alice):
    finished(alice, 3 * DOLLAR)
    finished(alice, 2 * DOLLAR, days_ago=9)

    found = report(alice, range="7d")

    assert found.total.spent_nanousd == 3 * DOLLAR
    assert found.change_percent == pytest.approx(50)


def test_summary_counts_what_succeeded_failed_and_was_refused(funded, alice):
    for _ in range(3):
        finished(alice)
    finished(alice, outcome=Receipt.Outcome.INTERRUPTED, status=502, basis=Attempt.Basis.ESTIMATED)
    finished(alice, refusal=PaymentRequired("Too dear.", limits=[]))

    total = report(alice).total

    assert (total.requests, total.failed, total.refused) == (5, 1, 1)
    assert total.succeeded_percent == 75
    assert (total.tokens_in, total.tokens_out) == (4 * 3118, 4 * 642)


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("member", ["bob", "alice"]),
        ("model", ["large", "small"]),
        ("provider", ["Spare", "Loopback"]),
    ],
)
def test_usage_is_broken_down(funded, alice, bob, by, names):
    finished(alice, DOLLAR, model_id="small")
    finished(bob, 3 * DOLLAR, model_id="large", provider="Spare")

    rows = report(alice, by=by).rows

    assert [row.name for row in rows] == names
    assert [row.share for row in rows] == [75, 25]


def test_keys_are_told_apart_and_the_playground_is_one(funded, alice):
    row, _ = keys.issue(alice, name="laptop")
    finished(alice, 2 * DOLLAR, key=row)
    finished(alice, DOLLAR)

    found = report(alice, by="key")

    assert [each.name for each in found.rows] == [f"laptop …{row.last_four}", "playground"]
    assert report(alice, key=0).total.spent_nanousd == DOLLAR
    assert report(alice, key=row.pk).total.spent_nanousd == 2 * DOLLAR


def test_filters_go_together(funded, alice, bob):
    finished(alice, DOLLAR, model_id="small")
    finished(bob, 2 * DOLLAR, model_id="small")
    finished(bob, 4 * DOLLAR, model_id="large")

    assert report(alice, member=bob.user.pk, model="small").total.spent_nanousd == 2 * DOLLAR


def test_each_row_names_the_model_most_requests_were_for(funded, alice):
    finished(alice, 9 * DOLLAR, model_id="dear")
    for _ in range(2):
        finished(alice, DOLLAR, model_id="often")

    assert [row.top_model for row in report(alice).rows] == ["often"]


@pytest.mark.parametrize(("sort", "first"), [("spend", "dear"), ("requests", "often"), ("name", "dear")])
def test_rows_are_sorted_as_asked(funded, alice, sort, first):
    finished(alice, 9 * DOLLAR, model_id="dear")
    for _ in range(2):
        finished(alice, DOLLAR, model_id="often")

    assert report(alice, by="model", sort=sort).rows[0].name == first


def test_what_is_left_of_a_budget_stands_beside_its_member(funded, alice, bob):
    with transaction.atomic():
        subject = budgets.Subject(member=bob.user)
        budgets.limit(alice.team, by=None, subject=subject, window=Budget.Window.MONTH, hard_nanousd=10 * DOLLAR)
    finished(bob, 4 * DOLLAR)
    finished(alice, DOLLAR)

    left = {row.name: row.allowance and row.allowance.left_nanousd for row in report(alice).rows}

    assert left == {"bob": 6 * DOLLAR, "alice": None}


def test_chart_shows_the_four_largest_and_the_rest_as_one(funded, alice):
    for number in range(7):
        finished(alice, (number + 1) * DOLLAR, model_id=f"model-{number}")

    found = report(alice, by="model")

    assert [each.name for each in found.series] == ["model-6", "model-5", "model-4", "model-3", "3 other models"]
    assert [each.amount for each in found.series] == [amount * DOLLAR for amount in (7, 6, 5, 4, 6)]
    assert found.days[-1].total == 28 * DOLLAR


def test_table_below_the_chart_has_a_row_for_each_day_that_passed(funded, alice):
    finished(alice, DOLLAR, days_ago=3)

    days = report(alice, range="7d").days

    assert len(days) == 7
    assert [day.total for day in days] == [0, 0, 0, DOLLAR, 0, 0, 0]


def test_refund_makes_no_bar_that_hangs_down(funded, alice):
    receipt = finished(alice, DOLLAR)
    with transaction.atomic():
        ledger.refund(receipt.hold, by=alice.user, key="back", amount_nanousd=DOLLAR)

    found = report(alice)

    assert found.total.spent_nanousd == 0
    assert found.chart.bars == []


@pytest.mark.parametrize(("highest", "step"), [(0, 1), (3, 1), (16, 4), (17, 5), (100, 25), (999, 250), (1001, 300)])
def test_lines_of_a_chart_are_round_and_reach_above_it(highest, step):
    assert charts.nice_step(highest) == step


def test_bars_fill_their_share_of_the_height_and_stay_inside():
    days = [TODAY - timedelta(days=1), TODAY]

    chart = charts.stacked(days, {TODAY: [8, 8]}, today=TODAY, first=days[0])

    assert [column.day for column in chart.columns] == ["2026-11-23"]
    assert [(bars.series, bars.path.split("h")[0]) for bars in chart.bars] == [(1, "M625.00 76.0"), (2, "M625.00 0.0")]
    assert list(chart.scale) == [16, 12, 8, 4, 0]


def test_days_of_which_each_was_free_have_a_base_and_no_amounts():
    chart = charts.stacked([TODAY], {TODAY: [0]}, today=TODAY, first=TODAY)

    assert (list(chart.scale), list(chart.lines), list(chart.bars)) == ([0], [], [])


def test_labels_that_would_touch_today_on_a_phone_go_there():
    days = [date(2026, 11, 1) + timedelta(days=number) for number in range(30)]

    labels = charts.stacked(days, {}, today=date(2026, 11, 26), first=days[0]).labels

    assert [label.day.day for label in labels] == [1, 5, 10, 15, 20, 26, 30]
    assert [label.day.day for label in labels if not label.is_minor] == [1, 10, 26]


@pytest.mark.parametrize(
    "words", [{"range": "x", "by": "x", "measure": "x", "sort": "x"}, {"member": "-1"}, {"key": "9" * 40}]
)
def test_what_nobody_knows_counts_as_not_asked(funded, alice, words):
    finished(alice, DOLLAR)

    assert report(alice, **words).total.spent_nanousd == DOLLAR


def test_team_that_used_nothing_is_told_what_the_page_is_for(alice, vera):
    page = signed_in(alice).get("/usage/").text

    assert "Nothing used yet" in page and "Send the first message" in page
    assert "Viewers cannot call models" in signed_in(vera).get("/usage/").text


def test_filters_that_nothing_fits_can_be_cleared(funded, alice):
    finished(alice)

    page = signed_in(alice).get("/usage/", {"model": "absent"}).text

    assert "Nothing fits these filters" in page and "Clear the filters" in page


def test_htmx_gets_what_stands_beside_the_rail_and_a_clean_address(funded, alice):
    finished(alice)
    asked = {"headers": {"hx-request": "true", "hx-request-type": "partial"}}

    answer = signed_in(alice).get("/usage/", {"by": "model", "member": ""}, **asked)

    assert answer.text.lstrip().startswith('<div class="usage" id="usage"')
    assert answer.headers["hx-push-url"] == "/usage/?by=model"
    assert "HX-Request" in answer.headers["vary"]


def test_page_costs_the_same_queries_however_many_requests(funded, alice, queries_of):
    laptop, _ = keys.issue(alice, name="laptop")
    finished(alice, key=laptop)
    with transaction.atomic():
        subject = budgets.Subject(member=alice.user)
        budgets.limit(alice.team, by=None, subject=subject, window=Budget.Window.DAY, hard_nanousd=DOLLAR)
    few = queries_of(alice, "/usage/")
    for number in range(299):
        finished(alice, 1000, model_id=f"model-{number % 40}", key=laptop)

    assert queries_of(alice, "/usage/") == few <= 23
