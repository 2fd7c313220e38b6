"""GET /api/v1/generations/{id}: what became of a request and what it cost, for those who may know."""

import re

import pytest
from django.test import Client

from accounts import keys
from accounts.models import AccessKey, Attempt, Receipt
from accounts.refusals import PaymentRequired
from tests.receipts import finished, fund


@pytest.fixture
def ask(alice):
    """Asks for a receipt with a key of somebody's."""
    fund(alice)

    def get(caller, request_id: str):
        _, key = keys.issue(caller, name="asks")
        return Client().get(f"/api/v1/generations/{request_id}", headers={"authorization": f"Bearer {key}"})

    return get


def test_owner_of_a_key_reads_the_receipt_of_their_request(ask, bob):
    row, _ = keys.issue(bob, name="laptop")
    receipt = finished(bob, 19_000_000, key=row)

    answer = ask(bob, receipt.request_id).json()

    assert answer["id"] == receipt.request_id
    assert answer["access_key"]["name"] == "laptop"
    assert answer["cost"] == {"held": "0.029", "charged": "0.019", "refunded": "0.00"}
    assert answer["usage"] == {"prompt_tokens": 3118, "completion_tokens": 642, "basis": "reported"}
    assert answer["price"]["prompt"] == "0.000003" and answer["price"]["as_of"] == "2026-10-20"
    assert [attempt["provider"] for attempt in answer["attempts"]] == ["Loopback"]


def test_what_nobody_knows_the_price_of_has_none(ask, alice):
    receipt = finished(alice, 0, price={})

    assert ask(alice, receipt.request_id).json()["price"] is None


def test_a_refusal_is_told_with_the_limits_that_were_looked_at(ask, alice):
    receipt = finished(alice, refusal=PaymentRequired("Too dear.", limits=[]))

    answer = ask(alice, receipt.request_id).json()

    assert (answer["outcome"], answer["status"], answer["code"]) == ("refused", 402, "insufficient_credits")
    assert answer["error"] == {"detail": "Too dear.", "limits": []}
    assert answer["attempts"] == []


def test_owners_key_reads_the_whole_teams_and_a_members_only_their_own(ask, alice, bob):
    of_alice, of_bob = finished(alice), finished(bob)

    assert ask(alice, of_bob.request_id).status_code == 200
    assert ask(bob, of_alice.request_id).status_code == 404


def test_what_others_have_looks_like_what_does_not_exist(ask, alice, bob, charlie):
    receipt = finished(alice)

    answers = [ask(bob, receipt.request_id), ask(charlie, receipt.request_id), ask(bob, receipt.request_id[:-1] + "Z")]

    assert {answer.status_code for answer in answers} == {404}
    assert len({re.sub(r"req_\w+", "req", answer.text) for answer in answers}) == 1


def test_a_session_opens_no_door_of_the_api(alice):
    browser = Client()
    browser.force_login(alice.user, backend="allauth.account.auth_backends.AuthenticationBackend")

    assert browser.get("/api/v1/generations/req_1").status_code == 401


def test_an_estimate_says_so(ask, alice):
    receipt = finished(alice, basis=Attempt.Basis.ESTIMATED, outcome=Receipt.Outcome.INTERRUPTED, status=502)

    answer = ask(alice, receipt.request_id).json()

    assert (answer["usage"]["basis"], answer["outcome"]) == ("estimated", "interrupted")
    assert AccessKey.objects.count() == 1
