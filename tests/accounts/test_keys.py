"""Access keys: their shape, who may come with one, what it may do, how long, and what is kept of it."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from accounts import keys
from accounts.keys import Limits
from accounts.models import AccessKey, AuditEntry, Budget
from accounts.refusals import BadRequest, Conflict, Forbidden, NotFound, Refusal, Unauthorized
from catalog.models import Model, Offer

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def callable_models(alice) -> None:
    for model_id in ("plain/small", "plain/large", "other/tiny"):
        model = Model.objects.create(team=alice.team, model_id=model_id, name=model_id)
        Offer.objects.create(provider=alice.team.providers.get(), model=model, upstream_id=model_id)


def comes_with(key: str, client: str = ""):
    return keys.caller_with(f"Bearer {key}", client=client)


def turned_away(key: str) -> Unauthorized:
    with pytest.raises(Unauthorized) as refused:
        comes_with(key)
    return refused.value


def test_a_key_opens_the_door_for_its_owner(alice, access_key):
    caller = comes_with(access_key)

    assert (caller.user, caller.team) == (alice.user, alice.team)
    assert caller.access_key is not None


def test_only_a_digest_of_the_key_is_kept(access_key):
    stored = AccessKey.objects.values().get()

    assert access_key not in str(stored)
    assert (stored["prefix"], stored["last_four"]) == (access_key[:7], access_key[-4:])


def test_a_mistyped_key_is_turned_away_without_a_query(access_key, django_assert_num_queries):
    mistyped = access_key[:-1] + ("a" if access_key[-1] != "a" else "b")

    with django_assert_num_queries(0):
        turned_away(mistyped)


def test_a_key_is_recognised_with_one_query(access_key, django_assert_num_queries):
    comes_with(access_key, "curl 8.11")

    with django_assert_num_queries(1):
        comes_with(access_key, "curl 8.11")


def test_a_revoked_key_is_turned_away_with_both_its_secrets(alice):
    row, old = keys.issue(alice, name="laptop")
    _, new = keys.rotate(alice, public_id=row.public_id, overlap=DAY)

    keys.revoke(alice, public_id=row.public_id)

    assert "revoked" in turned_away(old).detail
    assert "revoked" in turned_away(new).detail


def test_an_expired_key_is_turned_away_and_told_when_it_ended(alice):
    row, key = keys.issue(alice, name="laptop", limits=Limits(expires_at=timezone.now() + DAY))
    comes_with(key)
    ended = timezone.now() - DAY
    AccessKey.objects.filter(pk=row.pk).update(expires_at=ended)

    refusal = turned_away(key)

    assert refusal.code == "expired_api_key"
    assert f"expired on {ended:%Y-%m-%d at %H:%M} UTC" in refusal.detail


# Rotation


def test_both_secrets_work_until_the_overlap_is_over(alice):
    row, old = keys.issue(alice, name="laptop")
    _, new = keys.rotate(alice, public_id=row.public_id, overlap=DAY)
    assert comes_with(old).access_key == comes_with(new).access_key == row

    AccessKey.objects.update(previous_until=timezone.now())

    assert f"ending in {new[-4:]}" in turned_away(old).detail
    assert comes_with(new).access_key == row


def test_without_an_overlap_the_old_secret_ends_at_once(alice):
    row, old = keys.issue(alice, name="laptop")

    _, new = keys.rotate(alice, public_id=row.public_id, overlap=timedelta(0))

    assert turned_away(old).code == "expired_api_key"
    assert comes_with(new).access_key == row


def test_a_second_rotation_ends_the_oldest_secret_and_keeps_the_one_before(alice):
    row, oldest = keys.issue(alice, name="laptop")
    _, old = keys.rotate(alice, public_id=row.public_id, overlap=DAY)

    _, new = keys.rotate(alice, public_id=row.public_id, overlap=DAY)

    assert turned_away(oldest).code == "invalid_api_key"
    assert comes_with(old).access_key == comes_with(new).access_key == row


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), keys.LONGEST_OVERLAP + timedelta(seconds=1)])
def test_an_overlap_is_from_nothing_to_a_week(alice, overlap):
    row, key = keys.issue(alice, name="laptop")

    with pytest.raises(BadRequest):
        keys.rotate(alice, public_id=row.public_id, overlap=overlap)
    assert comes_with(key).access_key == row


@pytest.mark.django_db(transaction=True)
def test_of_two_who_rotate_at_once_one_does(alice):
    row, old = keys.issue(alice, name="laptop")
    start, outcomes = threading.Barrier(4), []

    def rotate() -> None:
        start.wait()
        try:
            outcomes.append(keys.rotate(alice, public_id=row.public_id, overlap=DAY)[1])
        except Refusal as refusal:
            outcomes.append(refusal)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=rotate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    made = [outcome for outcome in outcomes if isinstance(outcome, str)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert len(made) + len(lost) == 4 and made
    # Those who came one after the other rotated one after the other; nobody was given a key that never worked.
    assert AuditEntry.objects.filter(action="key rotated").count() == len(made)
    working = [key for key in (old, *made) if AccessKey.objects.filter(pk=row.pk, digest=keys._digest(key)).exists()]
    assert len(working) == 1


# Limits


def test_a_key_calls_only_the_models_it_may(alice):
    row, key = keys.issue(alice, name="ci-nightly", limits=Limits(allowed_models=["plain/small", "other/tiny"]))
    caller = comes_with(key)

    keys.check_model(caller, "plain/small")
    with pytest.raises(Forbidden, match=r"ci-nightly may call other/tiny and plain/small only") as refused:
        keys.check_model(caller, "plain/large")

    assert (refused.value.code, refused.value.param) == ("model_not_allowed", "model")


def test_what_a_key_may_spend_is_a_budget_of_its_own(alice):
    row, _ = keys.issue(alice, name="laptop", limits=Limits(spend_nanousd=25 * 10**9))

    budget = Budget.objects.get(access_key=row)

    assert (budget.window, budget.hard_nanousd) == (Budget.Window.MONTH, 25 * 10**9)


def test_limits_are_changed_later_and_old_ones_lifted(alice):
    row, key = keys.issue(alice, name="laptop", limits=Limits(spend_nanousd=10**9, requests_per_minute=60))

    keys.change(
        alice,
        public_id=row.public_id,
        name="desktop",
        limits=Limits(spend_nanousd=2 * 10**9, spend_window=Budget.Window.DAY),
    )

    changed = comes_with(key).access_key
    assert (changed.name, changed.requests_per_minute) == ("desktop", None)
    assert [(each.window, each.hard_nanousd) for each in Budget.objects.filter(access_key=row)] == [("day", 2 * 10**9)]


@pytest.mark.parametrize(
    ("limits", "param"),
    [
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"requests_per_minute": -1}, "requests_per_minute"),
        ({"tokens_per_minute": 1.5}, "tokens_per_minute"),
        ({"tokens_per_minute": 10**30}, "tokens_per_minute"),
        ({"concurrent_requests": True}, "concurrent_requests"),
        ({"concurrent_requests": float("nan")}, "concurrent_requests"),
        ({"spend_nanousd": -1}, "amount"),
        ({"spend_nanousd": float("nan")}, "amount"),
        ({"spend_nanousd": 10**30}, "amount"),
        ({"allowed_models": []}, "allowed_models"),
        ({"allowed_models": ["plain/small", "no/such"]}, "allowed_models"),
        ({"expires_at": timezone.now() - DAY}, "expires_at"),
    ],
)
def test_limits_that_cannot_be_meant_leave_nothing_behind(alice, limits, param):
    before = AuditEntry.objects.count()

    with pytest.raises(BadRequest) as refused:
        keys.issue(alice, name="laptop", limits=Limits(**limits))

    assert refused.value.param == param
    assert not AccessKey.objects.exists() and not Budget.objects.exists()
    assert AuditEntry.objects.count() == before


def test_a_model_that_is_gone_may_stay_in_a_keys_list(alice):
    row, _ = keys.issue(alice, name="laptop")
    AccessKey.objects.filter(pk=row.pk).update(allowed_models=["gone/model"])
    limits = Limits(allowed_models=["gone/model", "plain/small"])

    keys.change(alice, public_id=row.public_id, name="laptop", limits=limits)

    assert AccessKey.objects.get().allowed_models == ["gone/model", "plain/small"]


def test_a_revoked_key_is_changed_and_rotated_no_more(alice):
    row, _ = keys.issue(alice, name="laptop")
    keys.revoke(alice, public_id=row.public_id)

    with pytest.raises(Conflict):
        keys.change(alice, public_id=row.public_id, name="other", limits=Limits())
    with pytest.raises(Conflict):
        keys.rotate(alice, public_id=row.public_id, overlap=DAY)


# Whose they are


def test_an_admin_makes_keys_for_members_and_not_the_other_way_round(alice, bob):
    row, key = keys.issue(alice, name="ci-nightly", owner=bob.user)

    assert comes_with(key).user == bob.user
    with pytest.raises(Forbidden):
        keys.issue(bob, name="mine", owner=alice.user)


def test_nobody_makes_a_key_for_a_viewer_or_a_stranger(alice, vera, charlie):
    for other in (vera, charlie):
        with pytest.raises(BadRequest) as refused:
            keys.issue(alice, name="theirs", owner=other.user)
        assert refused.value.param == "owner"


def test_a_key_of_somebody_else_is_not_there_for_members(bob, alice):
    row, _ = keys.issue(alice, name="of alice")

    with pytest.raises(NotFound):
        keys.rotate(bob, public_id=row.public_id, overlap=DAY)
    with pytest.raises(NotFound):
        keys.change(bob, public_id=row.public_id, name="mine", limits=Limits())


# What is kept


def test_its_life_is_in_the_audit_log_without_the_key(alice):
    row, key = keys.issue(alice, name="laptop", limits=Limits(allowed_models=["plain/small"]))
    keys.change(alice, public_id=row.public_id, name="laptop", limits=Limits(requests_per_minute=60))
    _, new = keys.rotate(alice, public_id=row.public_id, overlap=DAY)
    keys.revoke(alice, public_id=row.public_id)

    log = AuditEntry.objects.filter(action__startswith="key ").order_by("pk")

    assert [entry.action for entry in log] == ["key made", "key changed", "key rotated", "key revoked"]
    assert log[0].facts == {"models": "plain/small"}
    assert log[1].facts == {"models": "all", "requests_per_minute": 60}
    assert key not in str(log.values()) and new not in str(log.values())


def test_first_use_is_noted_at_once_and_later_ones_once_a_minute(access_key):
    comes_with(access_key, "openai-python 3.54")
    first = AccessKey.objects.get()
    comes_with(access_key, "openai-python 3.54")

    assert first.last_client == "openai-python 3.54" and first.secret_used_at == first.last_used_at is not None
    assert AccessKey.objects.get().last_used_at == first.last_used_at


def test_another_program_is_noted_at_once_but_not_in_turns(access_key):
    comes_with(access_key, "openai-python 3.54")
    comes_with(access_key, "curl 8.11")
    assert AccessKey.objects.get().last_client == "openai-python 3.54"

    AccessKey.objects.update(last_used_at=timezone.now() - keys.CLIENT_EVERY)
    comes_with(access_key, "curl 8.11")

    assert AccessKey.objects.get().last_client == "curl 8.11"


def test_first_use_of_a_new_secret_is_told_from_the_old_ones(alice):
    row, old = keys.issue(alice, name="laptop")
    comes_with(old)
    _, new = keys.rotate(alice, public_id=row.public_id, overlap=DAY)
    comes_with(old)
    assert AccessKey.objects.get().secret_used_at is None

    comes_with(new)

    assert AccessKey.objects.get().secret_used_at is not None
