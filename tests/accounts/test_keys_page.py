"""The Keys page: people issue access keys to their programs, see them once, and revoke them."""

from accounts import keys
from accounts.models import AccessKey
from tests.conftest import signed_in


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
    assert browser.get("/keys/").context["form"] is None


def test_member_sees_own_keys_and_owner_sees_all(alice, bob, charlie):
    for person in (alice, bob, charlie):
        keys.issue(person, name=f"of {person.user.name}")

    def seen_by(person):
        return [row.name for row in signed_in(person).get("/keys/").context["keys"]]

    assert seen_by(bob) == ["of bob"]
    assert seen_by(alice) == ["of bob", "of alice"]


def test_revoked_key_is_listed_last_and_refused(alice):
    browser = signed_in(alice)
    old, _ = keys.issue(alice, name="old")
    keys.issue(alice, name="new")

    browser.post(f"/keys/{old.public_id}/revoke/")

    rows = browser.get("/keys/").context["keys"]
    assert [(row.name, row.revoked_at is None) for row in rows] == [("new", True), ("old", False)]


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


def test_list_costs_the_same_queries_however_long(alice, django_assert_num_queries):
    browser = signed_in(alice)
    for number in range(20):
        keys.issue(alice, name=f"key {number}")

    with django_assert_num_queries(4):  # session, user, membership with team, keys with owners
        browser.get("/keys/")
