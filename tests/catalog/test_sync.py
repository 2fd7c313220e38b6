"""Taking models and offers from what a provider lists."""

import pytest

from accounts import vault
from accounts.models import Provider
from accounts.refusals import Conflict, NotFound
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


def test_list_that_comes_after_its_provider_was_removed_changes_nothing(alice, team, lab):
    asked = Provider.objects.get(pk=lab.pk)
    sync.remove(lab, by=alice)

    with pytest.raises(NotFound):
        sync.apply(asked, [listed("vendor/small")])

    assert not team.models.filter(model_id="vendor/small").exists()


def test_long_list_is_taken_in_a_few_statements(lab, django_assert_max_num_queries):
    many = [listed(f"vendor/model-{number}") for number in range(3000)]

    with django_assert_max_num_queries(60):
        sync.apply(lab, many)

    assert lab.offers.count() == 3000


def test_difference_tells_what_is_new_gone_and_repriced_and_changes_nothing(team, lab):
    sync.apply(lab, [listed("a/stays", prompt_price="0.000001", completion_price="0.000002"), listed("a/goes")])

    found = sync.compare(
        lab, [listed("a/stays", prompt_price="0.000001", completion_price="0.000003"), listed("a/comes")]
    )

    assert (found.new, found.gone) == (["a/comes"], ["a/goes"])
    assert [(each.model_id, each.after.completion_picousd, each.is_suspect) for each in found.repriced] == [
        ("a/stays", 3_000_000, False)
    ]
    assert not found.only_adds
    assert {offer.upstream_id for offer in lab.offers.all()} == {"a/stays", "a/goes"}


def test_what_only_adds_is_taken_with_nobody_looking_and_the_rest_waits(alice, provider):
    lab = sync.connect(
        alice.team, kind="openai-compatible", name="Lab", base_url=provider.base_url, api_key=provider.key
    )
    provider.models.append({"id": "plain/huge"})

    assert sync.refresh_by_itself(lab).new == ["plain/huge"]
    assert lab.offers.count() == 3
    provider.models.pop(0)
    assert sync.refresh_by_itself(lab).gone == ["plain/small"]
    assert lab.offers.count() == 3
    assert sync.refresh_by_itself(lab).is_nothing is False


def test_price_in_the_catalog_gives_way_to_one_that_the_provider_lists(team, lab):
    sync.apply(lab, [listed("kimi-k2.6")])

    sync.apply(lab, [listed("kimi-k2.6", prompt_price="0.0000006", completion_price="0.0000025")])

    price = Offer.objects.get(provider=lab).price
    assert (price.prompt_picousd, price.source) == (600_000, "listed by Lab")


def test_price_ten_times_that_of_the_catalog_is_refused_until_accepted(team, lab):
    sync.apply(lab, [listed("kimi-k2.6")])
    dear = [listed("kimi-k2.6", prompt_price="0.0000095", completion_price="0.00004")]

    with pytest.raises(Conflict, match="ten times higher or lower than before for moonshotai/kimi-k2.6"):
        sync.apply(lab, dear)

    assert sync.compare(lab, dear).repriced[0].is_suspect
    sync.apply(lab, dear, accepts_prices=True)
    assert Offer.objects.get(provider=lab).price.prompt_picousd == 9_500_000
