"""What admins do with a connected provider: take its changes, replace its key, pause, move, see who depends."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import budgets, keys, vault
from accounts.models import AuditEntry, Budget
from accounts.models import Provider as ProviderRow
from accounts.refusals import Forbidden
from catalog import offers, sync
from catalog.models import PendingSync
from tests.conftest import signed_in
from tests.provider import SMALL_MODEL, Provider
from tests.receipts import finished, fund


def connected(provider: Provider, caller, name: str = "Lab") -> ProviderRow:
    return sync.connect(
        caller.team, kind="openai-compatible", name=name, base_url=provider.base_url, api_key=provider.key, by=caller
    )


@pytest.fixture
def lab(alice, provider) -> ProviderRow:
    return connected(provider, alice)


def act(caller, row: ProviderRow, action: str, **typed):
    return signed_in(caller).post(f"/providers/{row.public_id}/{action}/", typed, follow=True)


def priced(prompt: str) -> dict:
    return {**SMALL_MODEL, "pricing": {"prompt": prompt, "completion": "0.0000006"}}


def actions(team) -> list[str]:
    return list(AuditEntry.objects.filter(team=team).order_by("pk").values_list("action", flat=True))


# Taking what its list changes


def test_difference_is_shown_before_anything_is_applied(alice, lab, provider):
    provider.models = [priced("0.0000003"), {"id": "plain/huge"}]

    page = act(alice, lab, "sync")

    text = " ".join(page.text.split())
    assert "1 new" in text and "plain/huge" in text and "1 gone" in text and "plain/large" in text
    assert "$0.15 in, $0.60 out" in text and "$0.30 in, $0.60 out" in text and "Price higher" in text
    assert sorted(lab.offers.values_list("upstream_id", flat=True)) == ["plain/large", "plain/small"]


def test_what_was_shown_is_applied(alice, lab, provider):
    provider.models = [priced("0.0000003"), {"id": "plain/huge"}]
    [shown] = act(alice, lab, "sync").context["pending"]

    page = act(alice, lab, "apply", seen=shown.digest)

    assert "Lab serves 2 models." in page.text
    assert page.context["pending"] == []
    assert sorted(lab.offers.values_list("upstream_id", flat=True)) == ["plain/huge", "plain/small"]
    assert lab.offers.get(upstream_id="plain/small").price.prompt_picousd == 300_000
    assert actions(alice.team)[-1] == "catalog synced"


def test_list_that_changed_meanwhile_is_shown_again_and_not_applied(alice, lab, provider):
    provider.models = [SMALL_MODEL, {"id": "plain/huge"}]
    [shown] = act(alice, lab, "sync").context["pending"]
    provider.models = [SMALL_MODEL, {"id": "plain/other"}]

    page = act(alice, lab, "apply", seen=shown.digest)

    assert "Lab lists something else than a moment ago. Nothing was applied" in page.text
    assert page.context["pending"][0].new == ["plain/other"]
    assert sorted(lab.offers.values_list("upstream_id", flat=True)) == ["plain/large", "plain/small"]


def test_suspicious_price_is_marked_and_taken_only_when_accepted(alice, lab, provider):
    provider.models = [priced("0.0000015"), provider.models[1]]
    [shown] = act(alice, lab, "sync").context["pending"]

    refused = act(alice, lab, "apply", seen=shown.digest)

    assert shown.suspect_count == 1 and "ten times higher or lower" in refused.text
    assert lab.offers.get(upstream_id="plain/small").price.prompt_picousd == 150_000
    act(alice, lab, "apply", seen=shown.digest, accepts_prices="yes")
    assert lab.offers.get(upstream_id="plain/small").price.prompt_picousd == 1_500_000


def test_discarded_difference_stays_away_until_somebody_asks_again(alice, lab, provider):
    provider.models = [SMALL_MODEL]
    [shown] = act(alice, lab, "sync").context["pending"]

    assert act(alice, lab, "dismiss", seen=shown.digest).context["pending"] == []
    assert PendingSync.objects.get().is_dismissed
    assert len(act(alice, lab, "sync").context["pending"]) == 1


# Replacing its key


def test_new_key_is_tested_and_the_old_one_kept_for_the_overlap(alice, lab, provider):
    old, provider.key = provider.key, "sk-another-0123456789abcdef-WXYZ"

    page = act(alice, lab, "rotate", api_key=provider.key, base_url=lab.base_url, overlap="60")

    lab.refresh_from_db()
    assert "Lab takes the new key and lists 2 models." in page.text and old not in page.text
    assert vault.endpoint(lab).api_key == provider.key
    assert (lab.key_last_four, lab.previous_key_last_four) == ("WXYZ", old[-4:])
    assert old.encode() not in bytes(lab.previous_key_sealed) and provider.key not in page.text
    assert actions(alice.team)[-1] == "provider key rotated"


def test_new_key_that_is_refused_changes_nothing_and_says_so_at_the_field(alice, lab, provider):
    page = act(alice, lab, "rotate", api_key="sk-not-the-right-one", base_url=lab.base_url, overlap="60")

    assert page.status_code == 422
    assert "refused the key (401)" in page.context["rotate_form"].errors["api_key"][0]
    assert "sk-not-the-right-one" not in page.text
    lab.refresh_from_db()
    assert vault.endpoint(lab).api_key == provider.key


def test_new_address_wants_the_key_again(alice, lab, provider):
    page = act(alice, lab, "rotate", api_key="", base_url="http://127.0.0.1:9/v1")

    assert "Enter the key again" in page.context["rotate_form"].errors["api_key"][0]
    assert 'value="http://127.0.0.1:9/v1"' in page.text
    lab.refresh_from_db()
    assert lab.base_url == provider.base_url


def rotated_to_a_wrong_key(lab: ProviderRow, caller, *, overlap: timedelta = timedelta(hours=1)) -> ProviderRow:
    return vault.rotate(lab, base_url=lab.base_url, api_key="sk-a-wrong-one-0000", overlap=overlap, by=caller)


def test_key_before_takes_its_place_again_when_the_new_one_is_refused(alice, lab, provider):
    rotated_to_a_wrong_key(lab, alice)

    page = act(alice, lab, "check")

    lab.refresh_from_db()
    assert "Lab answers and lists 2 models." in page.text and "the new key was refused" in page.text
    assert vault.endpoint(lab).api_key == provider.key
    assert actions(alice.team)[-1] == "provider key fell back"


def test_key_whose_overlap_is_over_is_not_used_and_is_destroyed(alice, lab):
    rotated_to_a_wrong_key(lab, alice)
    ProviderRow.objects.filter(pk=lab.pk).update(previous_key_until=timezone.now())

    page = act(alice, lab, "check")

    assert "refused the key (401)" in page.text
    assert vault.end_overlaps() == 1
    lab.refresh_from_db()
    assert bytes(lab.previous_key_sealed) == b""


def test_of_two_who_replace_a_key_at_once_one_does(alice, lab):
    first, second = ProviderRow.objects.get(pk=lab.pk), ProviderRow.objects.get(pk=lab.pk)
    rotated_to_a_wrong_key(first, alice)

    with pytest.raises(vault.Conflict, match="a moment ago"):
        rotated_to_a_wrong_key(second, alice)


# Pausing and moving it


def test_paused_provider_is_passed_over_until_it_is_resumed(alice, lab, provider):
    spare = connected(provider, alice, "Spare")

    page = act(alice, lab, "pause")

    assert page.context["providers"][0].state_word == "Paused by alice"
    assert [each.offer.provider.name for each in offers.candidates(alice, "plain/small")] == ["Spare"]
    act(alice, spare, "pause")
    with pytest.raises(Forbidden, match="Lab and Spare are paused. An admin can resume it under Providers"):
        offers.candidates(alice, "plain/small")
    act(alice, lab, "resume")
    assert [each.offer.provider.name for each in offers.candidates(alice, "plain/small")] == ["Lab"]
    assert actions(alice.team)[-3:] == ["provider paused", "provider paused", "provider resumed"]


def test_moving_a_provider_changes_who_is_tried_first(alice, lab, provider):
    spare = connected(provider, alice, "Spare")

    page = act(alice, spare, "move", place="1")

    assert [(row.name, row.place) for row in page.context["providers"]] == [
        ("Spare", 1),
        ("Lab", 2),
        ("Built in", None),
    ]
    assert [each.offer.provider.name for each in offers.candidates(alice, "plain/small")] == ["Spare", "Lab"]


@pytest.mark.parametrize("place", ["", "first", "1.5"])
def test_place_that_is_no_number_is_refused(alice, lab, place):
    assert act(alice, lab, "move", place=place).status_code == 400


# Who depends on it


def test_those_who_depend_on_it_are_told_before_it_is_paused_or_removed(alice, bob, lab):
    fund(alice)
    key, _ = keys.issue(bob, name="ci-nightly")
    finished(bob, model_id="plain/small", provider="Lab", key=key)
    finished(alice, model_id="plain/small", provider="Lab", days_ago=40)
    budgets.limit(
        alice.team,
        by=alice.user,
        subject=budgets.Subject(model_id="plain/large"),
        window=Budget.Window.DAY,
        hard_nanousd=10**9,
    )

    missed = signed_in(alice).get("/providers/").context["providers"][0].dependents

    assert (missed.only_here, missed.budgeted) == (["plain/large", "plain/small"], ["plain/large"])
    assert (missed.members, missed.keys, missed.requests) == (["bob"], ["ci-nightly"], 1)
    assert missed.spent_nanousd == 19_000_000


# Presets


def test_preset_fills_the_form_in_without_javascript(alice):
    page = signed_in(alice).get("/providers/?preset=groq")

    assert 'value="https://api.groq.com/openai/v1"' in page.text and 'value="Groq"' in page.text
    assert page.context["form"].initial["kind"] == "openai-compatible"


# How many videos it is given


@pytest.mark.parametrize("typed", ["0", "-1", "many", "10001", "²"])
def test_number_of_videos_at_once_is_a_number(alice, lab, typed):
    page = act(alice, lab, "videos-at-once", videos_at_once=typed)

    assert "Give a number of videos from 1 to 10,000" in page.text
    assert ProviderRow.objects.get(pk=lab.pk).videos_at_once is None


def test_number_of_videos_at_once_is_kept_and_shown_where_videos_are_made(alice):
    ark = vault.store(
        alice.team, kind="ark", name="Ark", base_url="https://ark.example.org/api/v3", api_key="of-a-test"
    )

    page = act(alice, ark, "videos-at-once", videos_at_once=" 20 ")
    assert "Ark is given at most 20 videos at once." in page.text and "20 at most" in page.text

    assert "as many as come" in act(alice, ark, "videos-at-once", videos_at_once="").text
    assert actions(alice.team)[-2:] == ["videos at once", "videos at once"]
