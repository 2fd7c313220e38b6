"""Taking models and offers from what a provider lists."""

import pytest

from accounts import vault
from accounts.models import Provider
from accounts.refusals import NotFound
from catalog import sync
from catalog.models import Offer
from upstream.models import ListedModel


def listed(model_id: str, **said) -> ListedModel:
    facts = {"name": model_id, "description": "", "context_length": None, "prompt_price": None}
    return ListedModel(id=model_id, **facts | {"completion_price": None} | said)


@pytest.fixture
def lab(alice) -> Provider:
    return vault.store(
        alice.team, kind=Provider.Kind.OPENAI_COMPATIBLE, name="Lab", base_url="https://lab.example.org", api_key=""
    )


@pytest.fixture
def spare(alice) -> Provider:
    return vault.store(
        alice.team, kind=Provider.Kind.OPENAI_COMPATIBLE, name="Spare", base_url="https://spare.example.org", api_key=""
    )


def test_model_that_two_providers_list_is_one_with_two_offers(team, lab, spare):
    sync.apply(lab, [listed("vendor/small", name="Small", prompt_price="0.0000001")])
    sync.apply(spare, [listed("vendor/small", name="Another name", prompt_price="1")])

    model = team.models.get(model_id="vendor/small")
    assert (model.name, model.prompt_price) == ("Small", "0.0000001")
    assert [offer.provider.name for offer in model.offers.order_by("pk")] == ["Lab", "Spare"]


def test_what_one_teams_provider_says_shows_in_no_other_catalog(lab, charlie):
    sync.apply(lab, [listed("vendor/small")])

    assert not charlie.team.models.filter(model_id="vendor/small").exists()


def test_offer_that_was_switched_off_stays_off(lab):
    sync.apply(lab, [listed("vendor/small"), listed("vendor/large")])
    Offer.objects.filter(model__model_id="vendor/large").update(is_on=False, priority=7)

    sync.apply(lab, [listed("vendor/small"), listed("vendor/large")])

    large = Offer.objects.get(model__model_id="vendor/large")
    assert (large.is_on, large.priority) == (False, 7)


def test_model_that_is_gone_from_one_provider_stays_with_the_other(team, lab, spare):
    for provider in (lab, spare):
        sync.apply(provider, [listed("vendor/small")])

    sync.apply(lab, [listed("vendor/large")])

    ids = team.models.callable_now().order_by("model_id").values_list("model_id", flat=True)
    assert list(ids) == ["embedded/smollm2-135m-instruct", "vendor/large", "vendor/small"]


def test_list_that_comes_after_its_provider_was_removed_changes_nothing(team, lab):
    asked = Provider.objects.get(pk=lab.pk)
    sync.remove(lab)

    with pytest.raises(NotFound):
        sync.apply(asked, [listed("vendor/small")])

    assert not team.models.filter(model_id="vendor/small").exists()


def test_long_list_is_taken_in_a_few_statements(lab, django_assert_max_num_queries):
    many = [listed(f"vendor/model-{number}") for number in range(3000)]

    with django_assert_max_num_queries(60):
        sync.apply(lab, many)

    assert lab.offers.count() == 3000
