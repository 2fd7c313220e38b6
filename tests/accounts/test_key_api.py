"""GET /api/v1/key and /api/v1/credits: what a key may do and has left, for programs."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import keys, limits
from accounts.callers import Caller
from accounts.keys import Limits
from accounts.models import AccessKey
from tests.receipts import DOLLAR, finished, fund


def ask(secret: str, path: str = "/api/v1/key"):
    return Client().get(path, headers={"authorization": f"Bearer {secret}"})


def budget(by: Caller, *, member_id: int | None = None, model_id: str = "", window="day", hard_nanousd=DOLLAR) -> None:
    of = {"member_id": member_id, "model_id": model_id, "window": window}
    limits.set_budget(by, **of, hard_nanousd=hard_nanousd, soft_nanousd=None)


@pytest.fixture
def limited(alice, bob) -> tuple[AccessKey, str]:
    """bob's key for a dollar a day and ten requests a minute, in a team with a hundred dollars."""
    fund(alice, 100)
    return keys.issue(
        bob, name="ci-nightly", limits=Limits(spend_nanousd=DOLLAR, spend_window="day", requests_per_minute=10)
    )


def test_key_says_whose_it_is_and_what_it_may_do(limited, bob):
    row, secret = limited

    data = ask(secret).json()["data"]

    assert (data["id"], data["name"], data["last_four"]) == (row.public_id, "ci-nightly", secret[-4:])
    assert (data["owner"], data["role"], data["team"]) == ("bob", "member", "Northlight")
    assert (data["allowed_models"], data["expires_at"]) == (None, None)
    assert secret not in str(data)


def test_key_says_what_is_left_of_each_limit_that_applies(limited, alice, bob):
    row, secret = limited
    limits.set_budget(
        alice, member_id=bob.user.pk, model_id="", window="month", hard_nanousd=9 * DOLLAR, soft_nanousd=1
    )
    limits.set_budget(
        alice, member_id=alice.user.pk, model_id="", window="month", hard_nanousd=DOLLAR, soft_nanousd=None
    )
    finished(bob, DOLLAR // 4, key=row)

    own, members = ask(secret).json()["data"]["limits"]

    assert (own["scope"], own["window"], own["limit"], own["spent"], own["left"]) == (
        "access_key", "day", "1.00", "0.25", "0.75",
    )  # fmt: skip
    assert own["resets_at"] > timezone.now().isoformat()
    assert (members["name"], members["left"]) == ("bob's budget a month", "8.75")


def test_key_says_what_is_left_this_minute(limited, bob):
    row, secret = limited
    finished(bob, DOLLAR // 4, key=row)

    pace = ask(secret).json()["data"]["pace"]

    assert pace["tokens_per_minute"] is pace["concurrent_requests"] is None
    assert pace["requests_per_minute"]["limit"] == 10
    assert pace["requests_per_minute"]["used"] + pace["requests_per_minute"]["left"] == 10


def test_budgets_of_models_it_may_not_call_do_not_concern_a_key(limited, alice):
    row, secret = limited
    for model_id in ("deepseek/deepseek-chat", "z-ai/glm-5.1"):
        limits.set_budget(
            alice, member_id=None, model_id=model_id, window="day", hard_nanousd=DOLLAR, soft_nanousd=None
        )
    AccessKey.objects.update(allowed_models=["deepseek/deepseek-chat"])

    listed = [limit["model"] for limit in ask(secret).json()["data"]["limits"]]

    assert listed == [None, "deepseek/deepseek-chat"]


def test_credits_add_up(limited, alice, bob):
    row, secret = limited
    finished(bob, DOLLAR // 4, key=row)

    told = ask(secret, "/api/v1/credits").json()["data"]

    assert told == {"total_credits": "100.00", "total_usage": "0.25", "available": "99.75", "held": "0.00"}
    assert ask(secret).json()["data"]["credits"] == told


@pytest.mark.parametrize("path", ["/api/v1/key", "/api/v1/credits", "/api/v1/key/", "/api/v1/credits/"])
def test_an_expired_key_is_told_so_at_every_door(limited, path):
    _, secret = limited
    AccessKey.objects.update(expires_at=timezone.now() - timedelta(minutes=1))

    answer = ask(secret, path)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "expired_api_key"
    assert "expired on" in answer.json()["detail"]


def test_nothing_of_another_team_shows(limited, charlie: Caller):
    _, secret = keys.issue(charlie, name="elsewhere")

    assert ask(secret).json()["data"]["limits"] == []
    assert ask(secret, "/api/v1/credits").json()["data"]["total_credits"] == "0.00"
