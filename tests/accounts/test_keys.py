"""Access keys: their shape, who may come with one, and what is kept of them."""

import pytest

from accounts import keys
from accounts.models import AccessKey
from accounts.refusals import Unauthorized


def test_a_key_opens_the_door_for_its_owner(alice, access_key):
    caller = keys.caller_with(f"Bearer {access_key}")

    assert (caller.user, caller.team) == (alice.user, alice.team)
    assert caller.access_key is not None


def test_only_a_digest_of_the_key_is_kept(access_key):
    stored = AccessKey.objects.values().get()

    assert access_key not in str(stored)
    assert (stored["prefix"], stored["last_four"]) == (access_key[:7], access_key[-4:])


def test_a_mistyped_key_is_turned_away_without_a_query(access_key, django_assert_num_queries):
    mistyped = access_key[:-1] + ("a" if access_key[-1] != "a" else "b")

    with django_assert_num_queries(0), pytest.raises(Unauthorized):
        keys.caller_with(f"Bearer {mistyped}")


def test_a_revoked_key_is_turned_away(alice, access_key):
    keys.revoke(alice, public_id=AccessKey.objects.get().public_id)

    with pytest.raises(Unauthorized):
        keys.caller_with(f"Bearer {access_key}")
