"""Why a request was refused: who may read it, every limit in its order, and the way on."""

import json
import re

import pytest

from accounts import budgets, keys, ledger, raises
from accounts.budgets import Subject
from accounts.models import Budget, MoneyRequest
from accounts.refusals import Forbidden, Limit, RateLimited
from catalog import sync
from chat import conversations
from tests.conftest import signed_in
from tests.requests import request

DOLLAR = 10**9


@pytest.fixture
def budget(alice, bob, credit) -> Budget:
    return limited(alice, DOLLAR, member=bob.user)


@pytest.fixture
def credit(alice) -> None:
    """alice's team has ten dollars."""
    ledger.top_up(alice.team, by=alice.user, key="start", amount_nanousd=10 * DOLLAR)


def limited(by, hard_nanousd: int, *, window: Budget.Window = Budget.Window.MONTH, **subject) -> Budget:
    return budgets.limit(by.team, by=by.user, subject=Subject(**subject), window=window, hard_nanousd=hard_nanousd)


def ask(person, receipt, **answers):
    typed = {"limit": "", "amount": "5", "until": "2026-12-31", "reason": "Long transcripts."} | answers
    return signed_in(person).post(f"/why/{receipt.request_id}/ask/", typed)


def why(person, receipt):
    return signed_in(person).get(f"/why/{receipt.request_id}/")


def test_the_shortfall_is_the_title_and_every_limit_follows_in_order(alice, bob, budget):
    limited(alice, 9 * DOLLAR)
    limited(alice, 8 * DOLLAR, model_id="plain/small")
    request(bob, 400_000_000)

    page = why(bob, request(bob, 754_100_000))

    shown = page.context["why"]
    assert shown.headline == "bob's budget is $0.1541 short"
    assert [(row.name, row.verdict) for row in shown.rows] == [
        ("bob's budget", "short"),
        ("Model plain/small's budget", "fits"),
        ("The team's budget", "fits"),
        ("Northlight's credit", "fits"),
    ]
    assert "402 refused, not sent, cost nothing" in page.text
    assert "$0.60 of $1.00 this month was left. Everything else fits." in page.text
    assert [row.bar.spent for row in shown.rows[:1]] == [400_000_000]


def test_what_it_could_cost_is_worked_out_line_by_line(bob, budget):
    shown = why(bob, request(bob, 1_841_000_000)).context["why"]

    assert [(line.tokens, line.nanousd) for line in shown.cost] == [(20_400, 61_200_000), (8_192, 122_880_000)]
    assert shown.most_nanousd == 1_841_000_000


def test_a_short_answer_that_would_have_done_is_told_too(bob, budget):
    request(bob, 950_000_000)
    shown = why(bob, request(bob, 184_080_000, least_nanousd=70_000_000)).context["why"]

    assert (shown.most_nanousd, shown.least_nanousd) == (184_080_000, 70_000_000)
    assert shown.sentence.startswith("The request needs at least $0.07, and $0.05 of $1.00")


def test_it_is_for_the_person_and_their_admins_only(alice, bob, vera, charlie, budget):
    refused = request(bob, 2 * DOLLAR)

    assert [why(person, refused).status_code for person in (bob, alice, vera, charlie)] == [200, 200, 404, 404]
    assert ask(alice, refused).status_code == 403  # it is bob who asks
    assert ask(charlie, refused).status_code == 404


def test_what_was_not_refused_has_no_such_page(bob, budget):
    assert why(bob, request(bob, 1)).status_code == 404
    assert signed_in(bob).get("/why/req_nothing/").status_code == 404


def test_asking_is_kept_with_the_request_that_led_to_it(bob, budget):
    refused = request(bob, 2 * DOLLAR)

    sent = ask(bob, refused, limit=str(budget.pk))

    asked = MoneyRequest.objects.get()
    assert sent.headers["location"] == f"/why/{refused.request_id}/#ask"
    assert (asked.budget, asked.amount_nanousd, asked.receipt_request_id) == (budget, 5 * DOLLAR, refused.request_id)
    waiting = why(bob, refused)
    assert "Waiting" in waiting.text and "every 4s" in waiting.text
    assert waiting.context["form"] is None


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"amount": ""}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "0.0000000001"}, "amount"),
        ({"amount": "1" * 40}, "amount"),
        ({"until": ""}, "until"),
        ({"until": "2001-01-01"}, "until"),
        ({"until": "2126-01-01"}, "until"),
        ({"reason": " "}, "reason"),
        ({"limit": "99999"}, "limit"),
    ],
)
def test_what_cannot_be_asked_is_said_at_its_field_and_kept_as_typed(bob, budget, typed, field):
    refused = ask(bob, request(bob, 2 * DOLLAR), **{"limit": str(budget.pk)} | typed)

    assert refused.status_code == 422
    assert list(refused.context["form"].errors) == [field]
    assert not MoneyRequest.objects.exists()


def test_the_answer_comes_to_the_page_by_itself(alice, bob, budget):
    refused = request(bob, 2 * DOLLAR)
    ask(bob, refused, limit=str(budget.pk))
    raises.deny(alice, MoneyRequest.objects.get().public_id, answer="Use the small model.")

    part = signed_in(bob).get(f"/why/{refused.request_id}/", headers={"hx-request": "true"})

    assert "Denied" in part.text and "Use the small model." in part.text
    assert "every 4s" not in part.text and "<main" not in part.text


def test_what_waits_is_changed_from_what_it_says(alice, bob, budget):
    limited(alice, DOLLAR)
    refused = request(bob, 2 * DOLLAR)
    wider = Budget.objects.exclude(pk=budget.pk).get()
    ask(bob, refused, limit=str(wider.pk))

    form = signed_in(bob).get(f"/why/{refused.request_id}/?again").context["form"]
    picked = signed_in(bob).get(f"/why/{refused.request_id}/?again&amount=10.00").context["form"]

    assert form["amount"].value() == "5.00"
    assert str(form["until"].value()) == "2026-12-31"
    assert form["reason"].value() == "Long transcripts."
    assert form["limit"].value() == str(wider.pk)
    assert (picked["amount"].value(), picked["reason"].value()) == ("10.00", "Long transcripts.")


def test_credit_is_asked_for_without_an_end(bob):
    refused = request(bob, 2 * DOLLAR)
    page = why(bob, refused)
    assert page.context["why"].headline == "Northlight's credit is $2.00 short"
    assert "until" not in page.context["form"].fields

    ask(bob, refused, limit="credit")

    assert MoneyRequest.objects.get().until is None


def test_of_two_limits_that_are_short_one_is_chosen(alice, bob):
    limited(alice, DOLLAR, member=bob.user)
    page = why(bob, request(bob, 2 * DOLLAR))

    assert [name for _, name in page.context["form"].fields["limit"].choices] == ["Northlight's credit", "bob's budget"]
    assert page.context["why"].sentence.endswith("bob's budget would not do either.")


def test_owners_are_not_sent_to_ask_themselves(alice):
    page = why(alice, request(alice, 2 * DOLLAR))

    assert page.context["form"] is None
    assert "Nobody has to be asked" in page.text


def test_a_pace_that_was_reached_says_how_long_until_the_next_minute(alice, bob):
    key, _ = keys.issue(bob, name="ci")
    refusal = RateLimited("Key ci's limit of 60 requests a minute is reached. Try again in 12 s.")
    refusal.facts = {"limits": [pace("key ci's limit of 60 requests a minute", 60).as_json()]}

    page = why(bob, request(bob, 0, refusal=refusal))

    assert page.context["why"].headline == "More than 60 requests a minute"
    assert "Try again in 12 s." in page.text
    assert "Not asked, so nothing was held" in page.text


def pace(name: str, limit: int) -> Limit:
    return Limit(
        name=name, unit="requests", limit=limit, spent=limit, held=0, asked=1, resets_at=None, who_can_raise=()
    )


def test_a_model_that_may_not_be_called_says_who_can_change_it(bob):
    sentence = "Nobody has said what fall/back costs. Ask alice to enter its price."
    refusal = Forbidden(sentence, code="model_unpriced", facts={"model": "fall/back"})

    page = why(bob, request(bob, 0, refusal=refusal))

    assert page.context["why"].headline == "Nobody has said what fall/back costs"
    assert "Ask alice to enter its price." in page.text
    assert page.context["form"] is None


def test_models_that_fit_come_first_and_can_be_tried_at_once(bob, budget, free_model):
    reply = conversations.start(bob, prompt="Hello", model_id=free_model)
    refused = request(bob, 2 * DOLLAR, prompt_tokens=400)
    turn = conversations.claim(reply.public_id, request_id=refused.request_id)
    conversations.finish(turn, conversations.Written("", []), state="failed", error="Too dear.")

    page = why(bob, refused)

    assert [(model.model_id, model.fits) for model in page.context["alternatives"]] == [(free_model, True)]
    assert f"/chat/turns/{reply.public_id}/retry/" in page.text
    thread = signed_in(bob).get(f"/chat/{reply.conversation.public_id}/")
    assert thread.text.count(f"/why/{refused.request_id}/") == 2  # Why? and Ask for more


@pytest.fixture
def free_model(bob) -> str:
    return sync.EMBEDDED_MODEL.id


def test_the_json_is_what_the_api_answers(bob, budget):
    refused = request(bob, 2 * DOLLAR, door="api")

    text = why(bob, refused).context["why"].answer

    answer = json.loads(text)
    assert answer["request_id"] == refused.request_id
    assert answer["detail"] == answer["error"]["message"] == refused.refusal["detail"]
    assert (answer["error"]["type"], answer["error"]["code"]) == ("insufficient_quota", "insufficient_credits")
    assert re.search(r'"budget_id": \d+', text)
