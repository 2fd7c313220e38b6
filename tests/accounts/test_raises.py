"""Asking for more money: who may ask for what, who answers, and that exactly one answer counts."""

import threading
from datetime import date, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts import budgets, keys, people, raises
from accounts.budgets import Subject
from accounts.callers import Caller
from accounts.models import AuditEntry, Budget, BudgetRaise, Entry, Membership, MoneyRequest, User, Wallet
from accounts.models.money import MOST_NANOUSD
from accounts.refusals import BadRequest, Conflict, Forbidden, NotFound, PaymentRequired, Refusal
from tests.accounts.conftest import DOLLAR
from tests.requests import request

Role = Membership.Role
WEEK = timedelta(days=7)


def in_a_week() -> datetime:
    return timezone.now() + WEEK


@pytest.fixture
def budget(alice, bob, wallet) -> Budget:
    """bob may spend a dollar a month."""
    return limited(alice, DOLLAR, member=bob.user)


@pytest.fixture
def second_admin(team) -> Caller:
    """vera, made an admin."""
    user = User.objects.create_user(email="vera@example.org", name="vera")
    people.add_member(team, user=user, role=Role.ADMIN)
    return Caller(user=user, team=team, role=Role.ADMIN)


@transaction.atomic
def limited(by: Caller, hard_nanousd: int | None, *, soft_nanousd: int | None = None, **subject) -> Budget:
    return budgets.limit(
        by.team,
        by=by.user,
        subject=Subject(**subject),
        window=Budget.Window.MONTH,
        hard_nanousd=hard_nanousd,
        soft_nanousd=soft_nanousd,
    )


def ask(caller: Caller, budget: Budget | None, amount_nanousd: int = 5 * DOLLAR, **more) -> MoneyRequest:
    asked = {"until": in_a_week(), "reason": "Four long transcripts."} | more
    return raises.ask(caller, budget_id=budget and budget.pk, amount_nanousd=amount_nanousd, **asked)


def approve(caller: Caller, asked: MoneyRequest, amount_nanousd: int = 5 * DOLLAR, **more) -> MoneyRequest:
    return raises.approve(caller, asked.public_id, amount_nanousd=amount_nanousd, **({"until": in_a_week()} | more))


def test_an_approved_raise_lets_the_member_spend_more(alice, bob, budget, held):
    with pytest.raises(PaymentRequired):
        held(bob, 3 * DOLLAR)

    answered = approve(alice, ask(bob, budget), amount_nanousd=2 * DOLLAR, answer="Go on.")

    held(bob, 3 * DOLLAR)
    assert (answered.state, answered.granted_nanousd, answered.answer) == ("approved", 2 * DOLLAR, "Go on.")
    assert answered.answered_by == alice.user


def test_a_raise_ends_by_itself(alice, bob, budget, held):
    approve(alice, ask(bob, budget))
    BudgetRaise.objects.update(ends_at=timezone.now() - timedelta(seconds=1))

    with pytest.raises(PaymentRequired):
        held(bob, 2 * DOLLAR)
    held(bob, DOLLAR)


def test_approved_credit_is_topped_up_once(alice, bob, wallet):
    asked = ask(bob, None, until=None)
    approve(alice, asked, 3 * DOLLAR, until=None)

    with pytest.raises(Conflict, match=r"alice approved this request already\. Nothing was changed by you\."):
        approve(alice, asked, 3 * DOLLAR, until=None)

    assert Wallet.objects.get(team=alice.team).balance_nanousd == 13 * DOLLAR
    assert Entry.objects.latest("number").note == "bob asked: Four long transcripts."


def test_asking_again_changes_the_open_request(bob, budget):
    first = ask(bob, budget)
    second = ask(bob, budget, 7 * DOLLAR, reason="Five, in fact.")

    assert (second.pk, second.amount_nanousd, second.reason) == (first.pk, 7 * DOLLAR, "Five, in fact.")
    assert MoneyRequest.objects.count() == 1


@pytest.fixture
def two_of_one_name(bob, wallet) -> list[Budget]:
    """The budgets of two keys of bob's that are both called ci."""
    rows = [keys.issue(bob, name="ci", limits=keys.Limits(spend_nanousd=DOLLAR))[0] for _ in range(2)]
    return [Budget.objects.get(access_key=row) for row in rows]


def test_keys_of_one_name_have_a_request_each(alice, bob, two_of_one_name):
    of_first, of_second = two_of_one_name
    first, second = ask(bob, of_first, 5 * DOLLAR), ask(bob, of_second, 500 * DOLLAR)

    assert first.about == second.about == "key ci's budget a month"
    assert [(each.budget, each.amount_nanousd) for each in raises.shown(alice)] == [
        (of_second, 500 * DOLLAR),
        (of_first, 5 * DOLLAR),
    ]
    approve(alice, first)  # with a form that was open before the second was asked for
    assert BudgetRaise.objects.get().budget == of_first
    assert ask(bob, of_second, 7 * DOLLAR).pk == second.pk


def test_a_request_is_changed_also_when_its_budget_has_got_another_name(bob, two_of_one_name):
    budget, _ = two_of_one_name
    first = ask(bob, budget)
    keys.change(bob, public_id=budget.access_key.public_id, name="nightly", limits=keys.Limits(spend_nanousd=DOLLAR))

    second = ask(bob, budget, 7 * DOLLAR)

    assert (second.pk, second.about) == (first.pk, "key nightly's budget a month")


def test_a_budget_that_is_gone_and_the_credit_do_not_share_a_request(alice, bob, budget):
    ask(bob, budget)
    with transaction.atomic():
        budgets.lift(budget, by=alice.user)

    credit = ask(bob, None, until=None)

    assert ask(bob, None, 7 * DOLLAR, until=None).pk == credit.pk
    assert sorted(raises.is_for_credit(each) for each in raises.shown(bob)) == [False, True]


def test_an_answered_request_makes_room_for_another(alice, bob, budget):
    first = ask(bob, budget)
    raises.deny(alice, first.public_id, answer="Not this month.")

    second = ask(bob, budget)

    assert second.pk != first.pk
    assert [request.state for request in raises.shown(bob)] == ["open", "denied"]


def test_only_limits_that_stand_in_ones_way_can_be_raised(alice, bob, charlie, wallet):
    of_bob, _ = keys.issue(bob, name="of bob")
    for asks in (
        limited(alice, DOLLAR),
        limited(alice, DOLLAR, model_id="llama"),
        limited(alice, DOLLAR, access_key=of_bob),
    ):
        assert ask(bob, asks).about == budgets.describe(asks)
    of_alice, _ = keys.issue(alice, name="of alice")
    for not_his in (
        limited(alice, DOLLAR, member=alice.user),
        limited(alice, DOLLAR, access_key=of_alice),
        limited(charlie, DOLLAR),
        limited(alice, None, soft_nanousd=DOLLAR, member=bob.user),
    ):
        with pytest.raises(NotFound, match="no longer stands in your way"):
            ask(bob, not_his)


def test_viewers_ask_for_nothing_and_strangers_see_nothing(alice, bob, vera, charlie, budget):
    asked = ask(bob, budget)

    with pytest.raises(Forbidden):
        ask(vera, None)
    with pytest.raises(NotFound):
        approve(charlie, asked)
    with pytest.raises(NotFound):
        raises.deny(charlie, asked.public_id, answer="No.")
    assert not raises.shown(charlie).exists()
    assert not raises.shown(vera).exists()


def test_members_answer_nothing_and_only_owners_answer_themselves(alice, bob, second_admin, wallet):
    with pytest.raises(Forbidden, match="Your role in Northlight is member"):
        approve(bob, ask(bob, None))
    with pytest.raises(Forbidden, match="Nobody but an owner approves their own request"):
        approve(second_admin, ask(second_admin, None))

    assert approve(alice, ask(alice, None)).state == "approved"
    assert raises.who_can_answer(second_admin) == ("alice",)


@pytest.mark.parametrize("amount", [0, -1, MOST_NANOUSD + 1, 1.5, float("nan"), True, "5", None])
def test_what_is_no_amount_is_refused_at_its_field(alice, bob, budget, amount):
    with pytest.raises(BadRequest) as refused:
        ask(bob, budget, amount)
    assert refused.value.param == "amount"

    asked = ask(bob, budget)
    with pytest.raises(BadRequest):
        approve(alice, asked, amount)
    assert MoneyRequest.objects.get().state == "open"


@pytest.mark.parametrize(
    ("until", "sentence"),
    [
        (None, "Say until when"),
        (timedelta(seconds=-1), "This day is over"),
        (timedelta(days=367), "within a year"),
    ],
)
def test_an_end_that_cannot_be_is_refused_at_its_field(alice, bob, budget, until, sentence):
    when = until and timezone.now() + until
    asked = ask(bob, budget)

    for refused in (lambda: ask(bob, budget, until=when), lambda: approve(alice, asked, until=when)):
        with pytest.raises(BadRequest, match=sentence) as error:
            refused()
        assert error.value.param == "until"


def test_a_reason_is_needed_and_a_denial_says_why(alice, bob, budget):
    for reason in ("", " \x00 ", "x" * 501):
        with pytest.raises(BadRequest) as refused:
            ask(bob, budget, reason=reason)
        assert refused.value.param == "reason"
    with pytest.raises(BadRequest, match="Tell bob in a sentence why not"):
        raises.deny(alice, ask(bob, budget).public_id, answer=" ")


def test_raises_never_add_up_to_more_than_can_be_counted(alice, bob, budget):
    approve(alice, ask(bob, budget), MOST_NANOUSD - DOLLAR)

    with pytest.raises(BadRequest, match="would exceed"):
        approve(alice, ask(bob, budget), 1)


def test_a_request_outlives_its_budget_and_can_then_only_be_denied(alice, bob, budget):
    asked = ask(bob, budget)
    budgets.lift(budget, by=alice.user)

    with pytest.raises(Conflict, match="was lifted meanwhile"):
        approve(alice, asked)
    denied = raises.deny(alice, asked.public_id, answer="It is lifted, go on.")

    assert (denied.state, denied.about) == ("denied", "bob's budget a month")


def test_the_day_is_over_by_the_teams_clock(alice):
    alice.team.time_zone = "Europe/Berlin"

    assert raises.end_of(date(2026, 11, 30), alice.team).isoformat() == "2026-12-01T00:00:00+01:00"
    with pytest.raises(BadRequest, match="within a year"):
        raises.end_of(date.max, alice.team)


def test_who_asked_for_and_gave_what_is_in_the_audit_log(alice, bob, budget):
    approve(alice, ask(bob, budget), 2 * DOLLAR, answer="Fine.")

    asked, given = AuditEntry.objects.filter(action__startswith="more").order_by("pk")
    assert (asked.actor, asked.action, asked.subject) == (bob.user, "more asked for", "bob's budget a month")
    assert asked.facts["amount_nanousd"] == 5 * DOLLAR
    assert (given.actor, given.action, given.facts["to"]) == (alice.user, "more given", "bob")
    assert (given.facts["amount_nanousd"], given.facts["answer"]) == (2 * DOLLAR, "Fine.")


def test_the_playground_tells_of_answers_until_a_message_went_through(alice, bob, budget):
    assert request(bob, 2 * DOLLAR).outcome == "refused"
    asked = ask(bob, budget)
    assert raises.news(bob).requests == [asked]

    approve(alice, asked)
    assert [request.state for request in raises.news(bob).requests] == ["approved"]
    request(bob, 2 * DOLLAR)

    assert raises.news(bob).requests == []


def outcomes_at_once(*ways) -> list[str | int]:
    """What becomes of these when they are called in the same moment by threads of their own."""
    start, outcomes = threading.Barrier(len(ways)), []

    def go(way) -> None:
        start.wait()
        try:
            outcomes.append(way().state)
        except Refusal as refusal:
            outcomes.append(refusal.status)
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=[way]) for way in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_of_two_answers_at_once_one_counts(alice, bob):
    asked = ask(bob, None, until=None)

    outcomes = outcomes_at_once(
        lambda: approve(alice, asked, until=None),
        lambda: raises.deny(alice, asked.public_id, answer="Not now."),
    )

    asked.refresh_from_db()
    assert sorted(map(str, outcomes)) == sorted(["409", asked.state])
    given = 5 * DOLLAR if asked.state == "approved" else 0
    assert Wallet.objects.get(team=alice.team).balance_nanousd == given


@pytest.mark.django_db(transaction=True)
def test_of_two_approvals_at_once_one_raises_the_budget(alice, bob):
    asked = ask(bob, limited(alice, DOLLAR, member=bob.user))

    outcomes = outcomes_at_once(*[lambda: approve(alice, asked)] * 2)

    assert sorted(map(str, outcomes)) == ["409", "approved"]
    assert BudgetRaise.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_asked_at_once_one_is_open(alice, bob):
    budget = limited(alice, DOLLAR, member=bob.user)

    assert outcomes_at_once(*[lambda: ask(bob, budget)] * 2) == ["open", "open"]
    assert MoneyRequest.objects.count() == 1
