"""The Providers page: connecting, testing, refreshing and removing, against a real provider on loopback."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from accounts import vault
from accounts.models import Provider as ProviderRow
from catalog import offers, sync
from tests.conftest import signed_in
from tests.provider import Provider


def answers(provider: Provider, **changed: str) -> dict[str, str]:
    typed = {"kind": "openai-compatible", "name": "Lab", "base_url": provider.base_url, "api_key": provider.key}
    return typed | changed


def connected(provider: Provider, person, **changed: str) -> ProviderRow:
    signed_in(person).post("/providers/connect/", answers(provider, **changed))
    return ProviderRow.objects.get(team=person.team, name="Lab")


def model_ids(team) -> list[str]:
    return sorted(offer.model.model_id for offer in offers.first_offers(team))


def test_connecting_offers_what_the_provider_lists(alice, provider):
    page = signed_in(alice).post("/providers/connect/", answers(provider), follow=True)

    assert "Lab is connected" in page.text
    assert model_ids(alice.team) == ["embedded/smollm2-135m-instruct", "plain/large", "plain/small"]


def test_connected_key_is_sealed_and_opens_for_calls(alice, provider):
    row = connected(provider, alice)

    assert provider.key.encode() not in bytes(row.key_sealed)
    assert row.key_last_four == provider.key[-4:]
    assert vault.endpoint(row).api_key == provider.key


def test_page_lists_what_is_connected_and_shows_no_key(alice, provider):
    connected(provider, alice)

    page = signed_in(alice).get("/providers/")

    rows = [(row.name, row.state_word, row.model_count, row.last_four) for row in page.context["providers"]]
    assert rows == [("Lab", "Healthy", 2, provider.key[-4:]), ("Built in", "Not running", 1, "")]
    assert "Last answered" in page.text
    assert provider.key not in page.text


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        ({"api_key": "sk-not-the-right-one"}, "api_key", "The provider refused the key (401): Incorrect API key"),
        ({"base_url": "http://127.0.0.1:9/v1"}, "base_url", "Nothing answers at 127.0.0.1:9"),
        ({"base_url": "http://absent.invalid/v1"}, "base_url", "The host absent.invalid was not found"),
        ({"base_url": "http://10.0.0.1/v1"}, "base_url", "EMMA18_EGRESS_ALLOW=10.0.0.1"),
    ],
)
def test_failure_stands_at_the_field_to_correct(alice, provider, wrong, field, sentence):
    page = signed_in(alice).post("/providers/connect/", answers(provider, **wrong))

    assert page.status_code == 422
    assert sentence in " ".join(page.context["form"].errors[field])
    assert not ProviderRow.objects.filter(name="Lab").exists()


def test_what_was_typed_is_kept_except_the_key(alice, provider):
    page = signed_in(alice).post("/providers/connect/", answers(provider, base_url="http://127.0.0.1:9/v1"))

    assert 'value="Lab"' in page.text
    assert 'value="http://127.0.0.1:9/v1"' in page.text
    assert provider.key not in page.text
    assert "Paste the key again: it is never sent back." in page.text


def test_who_typed_no_key_is_not_told_to_paste_it_again(alice, provider):
    page = signed_in(alice).post("/providers/connect/", answers(provider, api_key=""))

    assert page.status_code == 422
    assert "Paste the key again" not in page.text


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("html", "answered with a web page, not a model list. Is the base URL right? It usually ends in /v1."),
        ("refuse-404", "There is no model list at this address. Is the base URL right?"),
        ("garbage", "not JSON"),
        ("redirect", "The provider redirected; not followed."),
    ],
)
def test_address_that_is_no_api_is_told_as_such(alice, provider, fault, sentence):
    provider.script("/models", fault=fault)

    page = signed_in(alice).post("/providers/connect/", answers(provider))

    assert sentence in " ".join(page.context["form"].errors["base_url"])


def test_provider_in_trouble_is_told_above_the_form(alice, provider):
    provider.script("/models", fault="refuse-500", message="We are down for repairs.")

    page = signed_in(alice).post("/providers/connect/", answers(provider))

    assert "(500): We are down for repairs." in " ".join(page.context["form"].non_field_errors())


def test_provider_that_echoes_the_key_does_not_get_it_onto_the_page(alice, provider):
    provider.script("/models", fault="echo-key")

    page = signed_in(alice).post("/providers/connect/", answers(provider))

    assert "[redacted]" in page.text
    assert provider.key not in page.text


def test_provider_without_models_is_not_connected(alice, provider):
    provider.models = []

    page = signed_in(alice).post("/providers/connect/", answers(provider))

    assert page.status_code == 422
    assert "lists no models" in page.text


def test_server_without_a_list_offers_the_models_entered_by_hand(alice, provider):
    provider.script("/models", fault="refuse-404")

    tried = signed_in(alice).post("/providers/test/", answers(provider, models_by_hand="by/hand"))
    row = connected(provider, alice, models_by_hand="by/hand")

    assert "1 model found" in " ".join(tried.text.split())
    assert [offer.upstream_id for offer in row.offers.all()] == ["by/hand"]
    synced = signed_in(alice).post(f"/providers/{row.public_id}/sync/", follow=True)
    assert "Nothing changed: Lab serves 1 model." in synced.text


def test_models_entered_by_hand_are_not_taken_where_the_server_lists_its_own(alice, provider):
    row = connected(provider, alice, models_by_hand="by/hand")

    assert sorted(offer.upstream_id for offer in row.offers.all()) == ["plain/large", "plain/small"]


def test_name_that_is_taken_is_told_at_the_name(alice, provider):
    connected(provider, alice)

    page = signed_in(alice).post("/providers/connect/", answers(provider))

    assert page.status_code == 422
    assert "A provider named Lab is connected already." in " ".join(page.context["form"].errors["name"])


@pytest.mark.django_db(transaction=True)
def test_double_click_connects_once(alice, provider):
    both_ready = Barrier(2)

    def click(_: int) -> int:
        browser = signed_in(alice)
        both_ready.wait()
        try:
            return browser.post("/providers/connect/", answers(provider)).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as clicks:
        assert sorted(clicks.map(click, range(2))) == [302, 422]
    assert ProviderRow.objects.filter(name="Lab").count() == 1


def test_trying_a_connection_shows_its_models_and_keeps_nothing(alice, provider):
    tried = signed_in(alice).post("/providers/test/", answers(provider), headers={"HX-Request": "true"})

    assert tried.status_code == 200
    assert "2 models found" in " ".join(tried.text.split())
    assert "<html" not in tried.text
    assert not ProviderRow.objects.filter(name="Lab").exists()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"api_key": "sk-wrong-key"}, "(401): Incorrect API key"), ({"base_url": "nonsense"}, "Begin the base URL with")],
)
def test_trying_a_wrong_connection_says_why(alice, provider, wrong, sentence):
    tried = signed_in(alice).post("/providers/test/", answers(provider, **wrong), headers={"HX-Request": "true"})

    assert tried.status_code == 422
    assert sentence in tried.text


def test_trying_works_without_javascript(alice, provider):
    page = signed_in(alice).post("/providers/test/", answers(provider))

    assert "<html" in page.text
    assert "2 models found" in " ".join(page.text.split())
    assert 'value="Lab"' in page.text


def test_failed_sync_keeps_the_models_and_says_why_until_the_next_success(alice, provider):
    row = connected(provider, alice)
    browser = signed_in(alice)
    provider.script("/models", fault="refuse-503", message="Back soon.")

    page = browser.post(f"/providers/{row.public_id}/sync/", follow=True)

    lab = page.context["providers"][0]
    assert (lab.state, lab.model_count) == ("failing", 2)
    assert "Back soon." in lab.last_error
    provider.script("/models")
    page = browser.post(f"/providers/{row.public_id}/check/", follow=True)
    assert "Lab answers and lists 2 models." in page.text
    assert (page.context["providers"][0].state, page.context["providers"][0].last_error) == ("healthy", "")


def test_removing_takes_its_models_along_but_none_that_another_serves(alice, provider):
    row = connected(provider, alice)
    signed_in(alice).post("/providers/connect/", answers(provider, name="Spare"))
    spare = ProviderRow.objects.get(name="Spare")

    signed_in(alice).post(f"/providers/{row.public_id}/remove/")

    assert model_ids(alice.team) == ["embedded/smollm2-135m-instruct", "plain/large", "plain/small"]
    signed_in(alice).post(f"/providers/{spare.public_id}/remove/")
    assert model_ids(alice.team) == ["embedded/smollm2-135m-instruct"]


def test_built_in_provider_cannot_be_removed(alice):
    built_in = alice.team.providers.get()

    refused = signed_in(alice).post(f"/providers/{built_in.public_id}/remove/")

    assert refused.status_code == 409
    assert "--no-embedded" in refused.text
    assert alice.team.providers.exists()


def test_member_sees_the_list_without_forms(bob):
    page = signed_in(bob).get("/providers/")

    assert page.context["providers"]
    assert page.context["providers"][0].dependents is None
    assert "connect-form" not in page.text and "provider-foot" not in page.text


@pytest.mark.parametrize("who", ["bob", "vera"])
@pytest.mark.parametrize(
    "action", ["connect/", "test/", "{}/sync/", "{}/apply/", "{}/rotate/", "{}/pause/", "{}/remove/"]
)
def test_only_owner_and_admins_manage(request, alice, who, action):
    built_in = alice.team.providers.get()

    refused = signed_in(request.getfixturevalue(who)).post("/providers/" + action.format(built_in.public_id))

    assert refused.status_code == 403


def test_another_teams_provider_shows_nowhere(alice, charlie, provider):
    connected(provider, alice)

    page = signed_in(charlie).get("/providers/")

    assert [row.name for row in page.context["providers"]] == ["Built in"]
    assert model_ids(charlie.team) == ["embedded/smollm2-135m-instruct"]


def test_list_costs_the_same_queries_however_many(alice, provider, django_assert_num_queries):
    browser = signed_in(alice)
    for number in range(5):
        sync.connect(
            alice.team, kind="openai-compatible", name=f"Lab {number}", base_url=provider.base_url, api_key=provider.key
        )

    # Session, user, membership with team and 3 of the frame; providers, 5 of health and its strip,
    # 5 of dependents, 1 of pending syncs.
    with django_assert_num_queries(18):
        browser.get("/providers/")
