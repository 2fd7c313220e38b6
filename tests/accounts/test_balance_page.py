"""Keys & Balance: what is left and how long it lasts, topping up, and the ledger with its export."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from accounts import codes, credit, limits
from accounts.models import AuditEntry, Entry, UsageDay, Wallet
from tests.accounts.conftest import DOLLAR
from tests.conftest import signed_in
from tests.receipts import finished, fund

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)  # a Tuesday


def spend(caller, *, day: date, dollars: int) -> None:
    """As if it had been on that day."""
    finished(caller, dollars * DOLLAR)
    UsageDay.objects.filter(day=timezone.now().date()).update(day=day)


def grant(browser, **typed):
    key = browser.get("/keys/").context["grant_form"].initial["key"]
    return browser.post("/keys/grant/", {"key": key, "amount": "25", "note": "Invoice 118"} | typed)


# Topping up


def test_granted_credit_is_in_the_ledger_and_the_audit_log(alice):
    answer = grant(signed_in(alice), amount="$1,250.50")

    entry = Entry.objects.get()
    assert (answer.status_code, answer.headers["location"]) == (302, "/keys/")
    assert (entry.amount_nanousd, entry.by, entry.note) == (1_250_500_000_000, alice.user, "Invoice 118")
    assert AuditEntry.objects.get(action="top-up").actor == alice.user


def test_form_that_is_sent_twice_grants_once(alice):
    browser = signed_in(alice)

    answers = [grant(browser, key="the same") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert Wallet.objects.get(team=alice.team).balance_nanousd == 25 * DOLLAR


def test_form_that_was_sent_before_with_another_amount_asks_again(alice):
    browser = signed_in(alice)
    grant(browser, key="the same")

    refused = grant(browser, key="the same", amount="26")

    form = refused.context["grant_form"]
    assert "with another amount" in form.errors["amount"][0]
    again = browser.post("/keys/grant/", {"key": form["key"].value(), "amount": "26", "note": "Really"})
    assert again.status_code == 302
    assert Entry.objects.count() == 2


@pytest.mark.parametrize(
    "amount", ["-5", "0", "0.0000000001", "NaN", "1e400", "inf", "1" * 30, "5,00", "", "1000000001", "٣", "five"]
)
def test_amount_that_is_none_gets_a_sentence_at_its_field(alice, amount):
    refused = grant(signed_in(alice), amount=amount)

    form = refused.context["grant_form"]
    assert refused.status_code == 422
    assert list(form.errors) == ["amount"] and form["note"].value() == "Invoice 118"
    assert re.search(r'<details class="top-up"[^>]*open', refused.text)
    assert not Entry.objects.exists()


def test_grant_needs_a_note_and_its_number(alice):
    browser = signed_in(alice)

    assert grant(browser, note=" ").context["grant_form"].errors.keys() == {"note"}
    assert "Open the page again" in grant(browser, key="").text
    assert grant(browser, note="x" * 201).status_code == 422
    assert not Entry.objects.exists()


def test_code_is_redeemed_on_the_page(alice):
    [code] = codes.issue(amount_nanousd=50 * DOLLAR)

    page = signed_in(alice).post("/keys/redeem/", {"code": code.lower()}, follow=True)

    assert "The code is redeemed: $50.00 more credit." in page.text
    assert f"Code …{code[-4:]}" in page.text and code not in page.text


def test_code_that_does_not_work_says_so_at_its_field(alice, bob):
    [code] = codes.issue(amount_nanousd=50 * DOLLAR)
    browser = signed_in(alice)
    browser.post("/keys/redeem/", {"code": code})

    answers = [browser.post("/keys/redeem/", {"code": code}) for _ in range(codes.MOST_FAILED + 1)]

    assert [answer.status_code for answer in answers] == [422] * codes.MOST_FAILED + [429]
    assert "It works once." in answers[0].context["redeem_form"].errors["code"][0]
    assert "Try again in" in answers[-1].context["redeem_form"].errors["code"][0]
    assert answers[-1].headers["Retry-After"]


def test_owner_corrects_with_a_note_as_far_as_the_credit_goes(alice, wallet):
    browser = signed_in(alice)
    typed = {"key": "k1", "direction": "take", "amount": "2.50", "note": "Entry 1 was counted twice"}

    assert browser.post("/keys/correct/", typed).status_code == 302
    refused = browser.post("/keys/correct/", typed | {"key": "k2", "amount": "8"})

    assert "cannot take" in refused.context["correction_form"].errors["amount"][0]
    assert browser.post("/keys/correct/", typed | {"key": "k3", "note": ""}).status_code == 422
    assert Wallet.objects.get(team=alice.team).balance_nanousd == 7_500_000_000


def test_member_is_shown_the_credit_and_no_way_to_add_to_it(bob, wallet):
    page = signed_in(bob).get("/keys/")

    assert page.context["credit"].available_nanousd == 10 * DOLLAR
    assert "grant_form" not in page.context and "Top up" not in page.text


# How long it lasts


def test_credit_that_burns_evenly_lasts_as_many_days_as_it_is_worth(alice):
    fund(alice, 170)
    for days_ago in range(1, 15):
        spend(alice, day=NOW.date() - timedelta(days=days_ago), dollars=5)

    shown = credit.of(alice.team, now=NOW)

    assert (shown.burn.a_day_nanousd, shown.lasts_days) == (5 * DOLLAR, 20)
    assert shown.runs_out.isoformat() == "2026-12-14"
    assert shown.burn.weekday_nanousd is None
    assert shown.chart.ahead.endswith("L1000 88.0")


def test_weekends_that_cost_less_are_told_apart(alice):
    fund(alice, 100)
    for days_ago in range(1, 9):
        day = NOW.date() - timedelta(days=days_ago)
        spend(alice, day=day, dollars=2 if day.weekday() >= 5 else 9)

    burn = credit.of(alice.team, now=NOW).burn

    assert (burn.weekday_nanousd, burn.weekend_nanousd, burn.a_day_nanousd) == (9 * DOLLAR, 2 * DOLLAR, 7 * DOLLAR)


def test_month_is_compared_with_the_same_days_of_the_last(alice):
    fund(alice, 2000)
    spend(alice, day=NOW.date(), dollars=15)
    spend(alice, day=NOW.date().replace(month=10), dollars=10)
    spend(alice, day=NOW.date().replace(month=10, day=30), dollars=1000)

    shown = credit.of(alice.team, now=NOW)

    assert (shown.spent_nanousd, shown.change_percent, shown.before) == (15 * DOLLAR, 50, "1–24 Oct")


def test_team_that_never_had_money_is_shown_what_to_do(alice):
    page = signed_in(alice).get("/keys/")

    assert page.context["credit"].chart is None
    assert "No money moved yet" in page.text and "Nothing was ever added" in page.text


def test_top_ups_stand_in_the_chart_and_its_line_ends_at_what_is_left(alice):
    fund(alice, 300)
    fund(alice, 20)
    finished(alice, 10 * DOLLAR)

    chart = credit.of(alice.team, now=timezone.now()).chart

    assert {mark.nanousd for mark in chart.marks} == {300 * DOLLAR, 20 * DOLLAR}
    assert [mark.nanousd for mark in chart.marks if mark.is_labelled] == [300 * DOLLAR]
    assert chart.scale[0] >= 320 * DOLLAR and "nan" not in chart.line
    assert chart.line.endswith(chart.dot.removeprefix("M").removesuffix("h0"))


# The ledger


def test_older_lines_take_the_place_of_their_link(alice):
    fund(alice)
    for _ in range(15):
        finished(alice, 1000)
    browser = signed_in(alice)
    link = re.search(r'hx-get="(/keys/ledger/[^"]+)"\s+hx-target="closest tr"', browser.get("/keys/").text)

    older = browser.get(link[1].replace("&amp;", "&")).text

    assert older.count("<tr>") == 6 and "<table" not in older and 'href="#' not in older
    assert "/static/" in older  # its icons


def test_page_without_javascript_goes_on_at_the_same_place(alice):
    fund(alice)
    for _ in range(15):
        finished(alice, 1000)
    browser = signed_in(alice)
    before = browser.get("/keys/").context["ledger"].older

    page = browser.get("/keys/", {"before": before})

    assert len(page.context["ledger"].lines) == 6 and "Back to the newest" in page.text


def test_list_that_cannot_be_continued_says_so(alice):
    assert signed_in(alice).get("/keys/", {"before": "x"}).status_code == 400


def test_filter_shows_the_money_that_people_moved(alice, wallet):
    finished(alice, 1000)

    page = signed_in(alice).get("/keys/ledger/", {"entries": "top-up"})

    assert [line.kind for line in page.context["ledger"].lines] == ["top-up"]
    assert "Balance after" in page.text


def test_page_costs_the_same_queries_however_much_there_is(alice, queries_of):
    fund(alice)
    finished(alice, 1000)
    few = queries_of(alice, "/keys/")
    for number in range(60):
        finished(alice, 1000, model_id=f"model-{number}")
    fund(alice)

    assert queries_of(alice, "/keys/") == few <= 17


# The rail


def test_rail_says_what_is_left_of_the_persons_tightest_budget(alice, bob, wallet):
    limits.set_budget(
        alice, member_id=bob.user.pk, model_id="", window="month", hard_nanousd=20 * DOLLAR, soft_nanousd=None
    )
    limits.set_budget(
        alice, member_id=bob.user.pk, model_id="", window="day", hard_nanousd=3 * DOLLAR, soft_nanousd=None
    )
    finished(bob, DOLLAR // 2)

    def rail(caller) -> str:
        page = signed_in(caller).get("/providers/").text
        return " ".join(re.sub("<[^>]+>", "", page[page.index('class="rail-left"') :][:400]).split())

    assert "$2.50 left of $3 today" in rail(bob)
    assert "$9.50 of team credit left" in rail(alice)
