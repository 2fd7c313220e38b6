"""The Team page: who sees what, answering requests, setting budgets, and the audit log."""

import re
from datetime import date, timedelta

import pytest
from django.utils import timezone

from accounts import people, raises
from accounts.callers import Caller
from accounts.models import AuditEntry, Budget, Membership, MoneyRequest, Team, User
from tests.accounts.conftest import DOLLAR
from tests.conftest import signed_in
from tests.requests import request

Role = Membership.Role


def page(person: Caller, query: str = ""):
    return signed_in(person).get(f"/team/{query}")


def set_budget(person: Caller, **answers):
    typed = {"subject": "team", "window": "month", "hard": "20", "soft": "", "model_id": ""} | answers
    return signed_in(person).post("/team/budgets/", typed)


@pytest.fixture
def budget(alice, bob, wallet) -> Budget:
    set_budget(alice, subject=str(bob.user.pk), hard="1")
    return Budget.objects.get()


@pytest.fixture
def asked(bob, budget) -> MoneyRequest:
    """bob's, for five dollars for a week."""
    until = raises.end_of(raises.today(bob.team) + timedelta(days=7), bob.team)
    return raises.ask(bob, budget_id=budget.pk, amount_nanousd=5 * DOLLAR, until=until, reason="Long transcripts.")


def answer(person: Caller, asked: MoneyRequest, how: str = "approve", **more):
    last_day = raises.today(asked.team) + timedelta(days=7)
    typed = {"amount": "5.00", "until": last_day.isoformat(), "answer": ""} | more
    return signed_in(person).post(f"/team/asks/{asked.public_id}/{how}/", typed)


def test_admins_see_everybodys_figures_and_members_their_own(alice, bob, budget):
    request(bob, 2 * DOLLAR // 10)

    assert "$0.20" in page(alice).text
    assert "$0.20" in page(bob).text
    bobs = page(bob)
    assert "alice@example.org" in bobs.text
    assert "Audit log" not in bobs.text
    assert "Set a budget" not in bobs.text


def test_a_budget_is_set_for_a_member_a_model_and_the_team(alice, bob, wallet):
    set_budget(alice, subject=str(bob.user.pk), hard="20.00", soft="15")
    set_budget(alice, subject="model", model_id="GLM5.1", window="day", hard="3")
    set_budget(alice, window="total", hard="", soft="100")

    rows = Budget.objects.order_by("pk").values_list("user__name", "model_id", "window", "hard_nanousd", "soft_nanousd")
    assert list(rows) == [
        ("bob", "", "month", 20 * DOLLAR, 15 * DOLLAR),
        (None, "z-ai/glm-5.1", "day", 3 * DOLLAR, None),
        (None, "", "total", None, 100 * DOLLAR),
    ]


@pytest.mark.parametrize(
    ("answers", "field"),
    [
        ({"hard": "-1"}, "hard"),
        ({"hard": "nan"}, "hard"),
        ({"hard": "1e30"}, "hard"),
        ({"hard": "0.00000000001"}, "hard"),
        ({"hard": "", "soft": ""}, "hard"),
        ({"hard": "5", "soft": "6"}, "soft"),
        ({"subject": "model", "model_id": " "}, "model_id"),
        ({"subject": "model", "model_id": "llama"}, "model_id"),
        ({"subject": "99999"}, "subject"),
        ({"window": "year"}, "window"),
    ],
)
def test_what_cannot_be_a_budget_is_said_at_its_field(alice, wallet, answers, field):
    refused = set_budget(alice, **answers)

    assert refused.status_code == 422
    assert list(refused.context["budget_form"].errors) == [field]
    assert not Budget.objects.exists()


def test_a_budget_is_lifted_by_admins_only(alice, bob, charlie, budget):
    path = f"/team/budgets/{budget.pk}/lift/"

    assert signed_in(bob).post(path).status_code == 403
    assert signed_in(charlie).post(path).status_code == 404
    assert signed_in(alice).post(path).status_code == 302
    assert not Budget.objects.exists()
    assert signed_in(alice).post(path).status_code == 404


def test_an_admin_who_is_no_owner_sets_everybodys_budget_but_their_own(alice, bob, team, wallet):
    user = User.objects.create_user(email="vera@example.org", name="vera")
    people.add_member(team, user=user, role=Role.ADMIN)
    vera = Caller(user=user, team=team, role=Role.ADMIN)

    assert set_budget(vera, subject=str(bob.user.pk)).status_code == 302
    assert set_budget(vera, subject=str(user.pk)).status_code == 403
    set_budget(alice, subject=str(user.pk), hard="1")
    own = Budget.objects.get(user=user)
    assert signed_in(vera).post(f"/team/budgets/{own.pk}/lift/").status_code == 403


def test_an_admin_approves_with_another_amount_and_end(alice, bob, asked):
    today = raises.today(alice.team)

    answer(alice, asked, amount="2.50", until=today.isoformat(), answer="Today only.")

    asked.refresh_from_db()
    assert (asked.state, asked.granted_nanousd, asked.answer) == ("approved", 2_500_000_000, "Today only.")
    assert asked.granted_until == raises.end_of(today, alice.team)
    assert "$3.50" in page(bob).text  # a dollar and what it is raised by


def test_a_denial_needs_a_word_and_nothing_else(alice, asked):
    wordless = answer(alice, asked, "deny", amount="what", until="")
    assert wordless.status_code == 422
    assert "Tell bob in a sentence why not." in wordless.text

    answer(alice, asked, "deny", amount="what", until="", answer="Use the small model.")

    asked.refresh_from_db()
    assert (asked.state, asked.answer) == ("denied", "Use the small model.")


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"amount": ""}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"amount": "1e400"}, "amount"),
        ({"until": ""}, "until"),
        ({"until": "2026-13-45"}, "until"),
        ({"until": "2001-01-01"}, "until"),
        ({"until": "9999-12-31"}, "until"),
        ({"answer": "x" * 501}, "answer"),
    ],
)
def test_what_cannot_be_given_is_said_at_its_field(alice, asked, typed, field):
    refused = answer(alice, asked, **typed)

    assert refused.status_code == 422
    [item] = refused.context["open_requests"]
    assert list(item["form"].errors) == [field]
    assert MoneyRequest.objects.get().state == "open"


def test_whoever_answers_second_is_told_who_was_first(alice, asked):
    answer(alice, asked)

    second = signed_in(alice).post(f"/team/asks/{asked.public_id}/deny/", {"answer": "No."}, follow=True)

    assert "alice approved this request already." in second.text
    assert MoneyRequest.objects.get().state == "approved"


def test_only_admins_answer_and_only_ones_own_are_seen(alice, bob, vera, charlie, asked):
    assert answer(bob, asked).status_code == 403
    assert answer(charlie, asked).status_code == 404
    assert "Long transcripts." in page(bob).text
    assert "Long transcripts." in page(alice).text
    assert "Long transcripts." not in page(vera).text
    assert "Long transcripts." not in page(charlie).text


def test_admins_see_on_every_page_how_many_wait(alice, bob, asked):
    assert "1 waiting for an answer" in signed_in(alice).get("/keys/").text
    assert "waiting for an answer" not in signed_in(bob).get("/keys/").text
    answer(alice, asked)
    assert "waiting for an answer" not in signed_in(alice).get("/keys/").text


def test_the_playground_polls_while_a_request_waits_and_tells_the_answer(alice, bob, budget):
    browser = signed_in(bob)
    assert "every 4s" not in browser.get("/chat/").text
    request(bob, 2 * DOLLAR)
    until = raises.end_of(date(timezone.now().year, 12, 31), bob.team)
    asked = raises.ask(bob, budget_id=budget.pk, amount_nanousd=5 * DOLLAR, until=until, reason="Long.")

    waiting = browser.get("/team/asks/")
    known = re.search(r'known=([^"]+)"', waiting.text)[1]
    assert "every 4s" in waiting.text and "Waiting for alice" in waiting.text
    assert browser.get(f"/team/asks/?known={known}").status_code == 204
    answer(alice, asked, until=f"{until.year}-12-31" if until.month == 12 else "2026-12-31")

    told = browser.get(f"/team/asks/?known={known}")
    assert "alice gave you $5.00 until 31 Dec" in told.text
    assert "every 4s" not in told.text


def test_the_clock_and_unpriced_models_are_set_and_written_down(alice, bob, team):
    browser = signed_in(alice)

    browser.post("/team/time-zone/", {"time_zone": "Europe/Berlin"})
    assert browser.post("/team/time-zone/", {"time_zone": "Mars/Olympus"}).status_code == 422
    for _ in range(2):
        browser.post("/team/unpriced/", {"may_use_unpriced": "yes"})

    kept = Team.objects.get(pk=team.pk)
    assert (kept.time_zone, kept.may_use_unpriced) == ("Europe/Berlin", True)
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == [
        "time zone set",
        "unpriced models allowed",
    ]
    assert signed_in(bob).post("/team/unpriced/").status_code == 403


def test_the_log_is_read_page_by_page_and_by_person_and_action(alice, bob, wallet):
    for hard in range(1, 31):
        set_budget(alice, hard=str(hard))
    raises.ask(bob, budget_id=None, amount_nanousd=DOLLAR, until=None, reason="Credit.")

    first = page(alice)
    rest = page(alice, f"?before={first.context['older']}")
    assert [len(first.context["lines"]), len(rest.context["lines"])] == [25, 7]
    assert rest.context["older"] == ""
    assert [line.who for line in page(alice, f"?person={bob.user.pk}").context["lines"]] == ["bob"]
    assert len(page(alice, "?action=budget+set").context["lines"]) == 25
    assert first.context["lines"][1].detail == "limit $30.00"


@pytest.mark.parametrize("query", ["?before=x", "?before=-1", "?person=%00", f"?before={10**30}", "?person=²"])
def test_an_address_that_is_no_page_of_the_log_is_refused(alice, query):
    assert page(alice, query).status_code == 400


def test_the_page_costs_the_same_queries_however_many(alice, team, wallet, django_assert_max_num_queries):
    for number in range(12):
        user = User.objects.create_user(email=f"b{number}@example.org", name=f"b{number}")
        people.add_member(team, user=user, role=Role.MEMBER)
        set_budget(alice, subject=str(user.pk), hard="1")
    browser = signed_in(alice)

    with django_assert_max_num_queries(20):
        browser.get("/team/")
