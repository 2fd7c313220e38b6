"""The keys of Keys & Balance: people issue them to their programs, see them once, limit, rotate and revoke them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import keys
from accounts.keys import Limits
from accounts.models import AccessKey, Budget
from accounts.refusals import Forbidden
from tests.conftest import signed_in
from tests.receipts import DOLLAR, finished, fund

DAY = timedelta(days=1)


def names(page) -> list[str]:
    return [row.key.name for row in page.context["keys"]]


def states(browser, query: str = "") -> dict[str, str]:
    return {row.key.name: row.state.word for row in browser.get(f"/keys/{query}").context["keys"]}


def test_fresh_key_is_shown_once_and_works(bob):
    browser = signed_in(bob)

    created = browser.post("/keys/create/", {"name": "ci-nightly"})

    key = created.context["fresh_key"]
    assert created.status_code == 201
    assert key in created.text
    assert keys.caller_with(f"Bearer {key}").user == bob.user
    assert key not in browser.get("/keys/").text


def test_answer_with_a_key_is_kept_by_no_cache(alice):
    created = signed_in(alice).post("/keys/create/", {"name": "laptop"})

    assert "no-store" in created.headers["cache-control"]


def test_fresh_key_is_in_no_session_and_no_message(alice):
    browser = signed_in(alice)

    key = browser.post("/keys/create/", {"name": "laptop"}).context["fresh_key"]

    assert key not in str(dict(browser.session.items()))
    assert key not in str(browser.cookies)


def test_key_needs_a_name(alice):
    page = signed_in(alice).post("/keys/create/", {"name": "  "})

    assert page.status_code == 422
    assert page.context["form"].errors.keys() == {"name"}
    assert not AccessKey.objects.exists()


def test_viewer_cannot_create_a_key(vera):
    browser = signed_in(vera)

    refused = browser.post("/keys/create/", {"name": "mine"})

    assert refused.status_code == 403
    assert "Your role in Northlight is viewer" in refused.text
    assert browser.get("/keys/?new").context["form"] is None


def test_member_sees_own_keys_and_owner_sees_all(alice, bob, charlie):
    for person in (alice, bob, charlie):
        keys.issue(person, name=f"of {person.user.name}")

    def seen_by(person):
        return [row.key.name for row in signed_in(person).get("/keys/").context["keys"]]

    assert seen_by(bob) == ["of bob"]
    assert seen_by(alice) == ["of bob", "of alice"]


def test_revoked_key_is_hidden_until_one_asks_and_then_listed_last(alice):
    browser = signed_in(alice)
    old, _ = keys.issue(alice, name="old")
    keys.issue(alice, name="new")

    browser.post(f"/keys/{old.public_id}/revoke/")

    assert names(browser.get("/keys/")) == ["new"]
    assert "1 revoked hidden" in browser.get("/keys/").text
    assert names(browser.get("/keys/?revoked=1")) == ["new", "old"]


def test_owner_may_revoke_a_members_key_but_not_the_other_way_round(alice, bob):
    of_bob, _ = keys.issue(bob, name="of bob")
    of_alice, _ = keys.issue(alice, name="of alice")

    assert signed_in(bob).post(f"/keys/{of_alice.public_id}/revoke/").status_code == 404
    assert signed_in(alice).post(f"/keys/{of_bob.public_id}/revoke/").status_code == 302
    assert list(AccessKey.objects.usable()) == [of_alice]


def test_revoking_twice_keeps_the_first_time(alice):
    row, _ = keys.issue(alice, name="old")
    browser = signed_in(alice)

    browser.post(f"/keys/{row.public_id}/revoke/")
    first = AccessKey.objects.get().revoked_at
    browser.post(f"/keys/{row.public_id}/revoke/")

    assert first is not None
    assert AccessKey.objects.get().revoked_at == first


def test_list_costs_the_same_queries_however_long(alice, queries_of):
    def make(count: int) -> None:
        for number in range(count):
            keys.issue(alice, name=f"key {number}", limits=Limits(spend_nanousd=DOLLAR))

    make(2)
    few = queries_of(alice, "/keys/")
    make(20)

    assert queries_of(alice, "/keys/") == few <= 17


# What it may do


ALL_LIMITS = {
    "name": "ci-nightly",
    "spend": "25",
    "window": "week",
    "requests_per_minute": "60",
    "tokens_per_minute": "100000",
    "concurrent_requests": "4",
    "expires_at": "2999-12-31",
    "may_call": "some",
    "allowed_models": ["embedded/smollm2-135m-instruct"],
}


def test_key_is_made_with_its_limits_and_says_them(bob):
    created = signed_in(bob).post("/keys/create/", ALL_LIMITS)

    row = AccessKey.objects.get()
    assert (row.requests_per_minute, row.tokens_per_minute, row.concurrent_requests) == (60, 100_000, 4)
    assert row.allowed_models == ["embedded/smollm2-135m-instruct"] and row.expires_at.year == 3000
    assert "Key made, $25.00 a week, 1 model, 60 / min" in created.text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("spend", value) for value in ("-1", "NaN", "Infinity", "1e400", "5,00", "9" * 30, "0.0000000001")],
        *[("requests_per_minute", value) for value in ("0", "-1", "1.5", "NaN", "1e3", "9" * 30, "true")],
        *[("tokens_per_minute", value) for value in ("0", "-1", "1.5", "10000000000")],
        *[("concurrent_requests", value) for value in ("0", "-1", "0.5", "100000")],
        *[("expires_at", value) for value in ("2020-01-01", "tomorrow", "9999-12-31", "-1")],
        ("allowed_models", ["no/such-model"]),
        ("allowed_models", []),
        ("window", "century"),
        ("owner", "0"),
        ("name", "x" * 81),
    ],
)
def test_what_cannot_be_meant_gets_a_sentence_at_its_field_and_makes_no_key(alice, bob, field, value):
    page = signed_in(alice).post("/keys/create/", ALL_LIMITS | {field: value})

    assert page.status_code == 422
    assert page.context["form"].errors.keys() == {field}
    assert not AccessKey.objects.exists() and not Budget.objects.exists()
    assert 'value="ci-nightly"' in page.text or field == "name"


def test_limits_are_changed_later_and_shown_as_they_are(bob):
    browser = signed_in(bob)
    browser.post("/keys/create/", ALL_LIMITS)
    row = AccessKey.objects.get()

    form = browser.get(f"/keys/?change={row.public_id}").context["form"]
    changed = browser.post(f"/keys/{row.public_id}/limits/", {"name": "nightly", "spend": "3", "window": "month"})

    assert (form["spend"].value(), form["window"].value(), form["may_call"].value()) == ("25.00", "week", "some")
    assert str(form["expires_at"].value()) == "2999-12-31"
    assert changed.status_code == 302
    row.refresh_from_db()
    assert (row.name, row.requests_per_minute, row.allowed_models, row.expires_at) == ("nightly", None, None, None)
    assert [str(budget) for budget in Budget.objects.all()] == ["access_key budget, month"]


def test_admin_makes_a_key_for_a_member_who_sees_it(alice, bob):
    signed_in(alice).post("/keys/create/", {"name": "for bob", "owner": str(bob.user.pk)})

    assert names(signed_in(bob).get("/keys/")) == ["for bob"]
    assert "owner" not in signed_in(bob).get("/keys/?new").context["form"].fields


# Rotation


def test_rotated_key_is_shown_once_and_both_work(bob):
    row, old = keys.issue(bob, name="laptop")
    browser = signed_in(bob)

    rotated = browser.post(f"/keys/{row.public_id}/rotate/", {"overlap": "60"})

    new = rotated.context["fresh_key"]
    assert "no-store" in rotated.headers["cache-control"]
    assert keys.caller_with(f"Bearer {old}").access_key == keys.caller_with(f"Bearer {new}").access_key == row
    assert new not in browser.get("/keys/").text and states(browser) == {"laptop": "Rotating"}


@pytest.mark.parametrize("overlap", ["", "-1", "10081", "NaN", "1e3", "soon"])
def test_overlap_that_is_not_offered_rotates_nothing(bob, overlap):
    row, old = keys.issue(bob, name="laptop")

    page = signed_in(bob).post(f"/keys/{row.public_id}/rotate/", {"overlap": overlap})

    assert page.status_code == 422
    assert page.context["rotate_form"].errors.keys() == {"overlap"}
    assert keys.caller_with(f"Bearer {old}").access_key == row


def test_who_rotates_again_is_warned_of_the_key_that_ends(bob):
    row, _ = keys.issue(bob, name="laptop")
    keys.rotate(bob, public_id=row.public_id, overlap=DAY)

    page = signed_in(bob).get(f"/keys/?rotate={row.public_id}")

    assert "ends at once if you rotate again" in page.text


# The list


def test_every_key_tells_the_state_it_is_in(alice, bob):
    fund(alice)
    for name in ("waiting", "active", "rotating", "short", "expired", "revoked"):
        row, key = keys.issue(alice, name=name, limits=Limits(spend_nanousd=DOLLAR))
        if name != "waiting":
            keys.caller_with(f"Bearer {key}", client="openai-python 3.54")
        if name == "short":
            finished(alice, DOLLAR - DOLLAR // 100, key=row)
        if name == "rotating":
            keys.rotate(alice, public_id=row.public_id, overlap=DAY)
        if name == "revoked":
            keys.revoke(alice, public_id=row.public_id)
    AccessKey.objects.filter(name="expired").update(expires_at=timezone.now())

    assert states(signed_in(alice), "?revoked=1") == {
        "waiting": "Waiting",
        "active": "Active",
        "rotating": "Rotating",
        "short": "Limit reached",
        "expired": "Expired",
        "revoked": "Revoked",
    }


@pytest.mark.parametrize("text", ["ci-night", "BOB", "last four"])
def test_keys_are_found_by_name_owner_and_last_four(alice, bob, text):
    keys.issue(alice, name="laptop")
    row, _ = keys.issue(bob, name="ci-nightly")
    AccessKey.objects.exclude(pk=row.pk).update(last_four="####")

    found = signed_in(alice).get("/keys/", {"q": row.last_four if text == "last four" else text})

    assert names(found) == ["ci-nightly"]


def test_search_by_htmx_gets_the_rows_alone(alice):
    keys.issue(alice, name="laptop")

    rows = signed_in(alice).get("/keys/?q=lap", headers={"hx-request": "true", "hx-request-type": "partial"})

    assert "laptop" in rows.text and "<h1>" not in rows.text


def test_what_a_key_spent_stands_beside_its_limit(alice):
    fund(alice)
    row, _ = keys.issue(alice, name="laptop", limits=Limits(spend_nanousd=2 * DOLLAR))
    finished(alice, DOLLAR // 2, key=row)

    [listed] = signed_in(alice).get("/keys/").context["keys"]

    assert (listed.spent_nanousd, listed.allowance.hard_nanousd) == (DOLLAR // 2, 2 * DOLLAR)


# The first request


def first_request(browser, row):
    return browser.get(f"/keys/{row.public_id}/first-request/")


def test_page_of_a_new_key_waits_for_its_first_request_and_tells_what_it_got(alice):
    fund(alice)
    browser = signed_in(alice)
    row, key = keys.issue(alice, name="laptop")
    assert "Waiting for your first request" in first_request(browser, row).text

    keys.caller_with(f"Bearer {key}", client="openai-python 3.54")
    assert "Heard from openai-python 3.54" in first_request(browser, row).text
    finished(alice, DOLLAR // 50, key=row)

    told = first_request(browser, row)
    assert "Received 200 from openai-python 3.54, cost" in told.text and "$0.02" in told.text
    assert "hx-trigger" not in told.text


def test_a_first_request_that_was_refused_shows_its_status_and_goes_on_waiting(alice):
    row, key = keys.issue(alice, name="laptop")
    keys.caller_with(f"Bearer {key}")
    finished(alice, key=row, refusal=Forbidden("Not this model."))

    told = first_request(signed_in(alice), row)

    assert "Received 403 from openai-python 3.54: Not this model." in told.text
    assert "hx-trigger" in told.text and "/why/" in told.text


def test_after_a_rotation_requests_with_the_old_key_do_not_count(alice):
    fund(alice)
    row, old = keys.issue(alice, name="laptop")
    keys.caller_with(f"Bearer {old}")
    keys.rotate(alice, public_id=row.public_id, overlap=DAY)
    finished(alice, key=row)

    assert "Waiting for your first request" in first_request(signed_in(alice), row).text
