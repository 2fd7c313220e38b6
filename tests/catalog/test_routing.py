"""What is learned about offers and keys, written for all processes; and what of it pages show."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts import vault
from accounts.ids import first_id, new_id
from accounts.models import Provider, Receipt
from catalog import health, offers, routing, sync
from catalog.breaker import Harm, State
from catalog.models import Cause, OfferHealth, ProviderHealth
from catalog.routing import Note
from tests import receipts
from upstream.models import ListedModel

MODEL = ListedModel("plain/small", "Small", "", None, "0.00000015", "0.0000006")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def connect(team):
    def connect(name: str) -> Provider:
        kind, base_url = Provider.Kind.OPENAI_COMPATIBLE, f"https://{name}.example/v1"
        provider = vault.store(team, kind=kind, name=name, base_url=base_url, api_key=f"sk-of-{name}-0123456789")
        sync.apply(provider, [MODEL])
        return provider

    return connect


@pytest.fixture
def first(connect) -> Provider:
    return connect("first")


@pytest.fixture
def second(first, connect) -> Provider:
    return connect("second")


def order(caller) -> list[str]:
    return [candidate.offer.provider.name for candidate in offers.candidates(caller, MODEL.id)]


def health_of(caller, provider: Provider) -> routing.Health:
    found = offers.candidates(caller, MODEL.id)
    return next(candidate.health for candidate in found if candidate.offer.provider.pk == provider.pk)


def harm(provider: Provider, cause: Cause, *, times: int = 1, minutes_ago: float = 0, **more) -> None:
    is_of_key = cause in (Cause.KEY_REFUSED, Cause.OUT_OF_FUNDS)
    pk = provider.pk if is_of_key else provider.offers.get().pk
    note = Note(ProviderHealth if is_of_key else OfferHealth, pk, Harm(cause, "It answered 500.", **more))
    routing.write([note] * times, now=timezone.now() - minutes_ago * MINUTE)


def test_among_offers_of_one_priority_the_healthier_comes_first(alice, first, second):
    harm(first, Cause.FAILING)

    assert order(alice) == ["second", "first"]


def test_priority_comes_before_health(alice, first, second):
    second.offers.update(priority=200)
    harm(first, Cause.FAILING)

    assert order(alice) == ["first", "second"]


def test_what_is_due_is_probed_before_its_equals_by_one_request_alone(alice, first, second):
    harm(second, Cause.FAILING, times=3, minutes_ago=1)
    assert order(alice) == ["second", "first"]
    due = health_of(alice, second)

    assert [routing.claim(due), routing.claim(due)] == [True, False]
    assert order(alice) == ["first", "second"]


def test_health_comes_with_the_candidates_in_one_query(alice, first, second, django_assert_num_queries):
    harm(first, Cause.KEY_REFUSED)
    order(alice)

    with django_assert_num_queries(1):
        order(alice)


def test_an_answer_from_what_was_well_does_not_go_to_the_database():
    well = routing.Health(1, 1, State(), State(), timezone.now())

    assert routing.answered(well) is None
    assert routing.finished(well) is None


def test_an_old_answer_does_not_end_what_began_after_it(alice, first):
    harm(first, Cause.RATE_LIMITED, cools_s=1, minutes_ago=1)
    seen = health_of(alice, first)
    harm(first, Cause.RATE_LIMITED, cools_s=600)

    routing.write([Note(OfferHealth, seen.offer_id, seen_until=seen.offer.until)])

    assert health_of(alice, first).is_cooling


def test_what_was_removed_meanwhile_is_not_kept(first):
    offer_id = first.offers.get().pk
    first.delete()

    routing.write([Note(OfferHealth, offer_id, Harm(Cause.FAILING, "It answered 500."))])

    assert not OfferHealth.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_failures_noted_at_the_same_time_all_count(first):
    offer_id = first.offers.get().pk

    def fail(_: int) -> None:
        routing.write([Note(OfferHealth, offer_id, Harm(Cause.FAILING, "It answered 500.", answered=10))])
        connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(fail, range(12)))

    row = OfferHealth.objects.get()
    assert (row.failed, row.answered, row.cause) == (12, 120, "")


def test_a_key_that_was_tested_is_tried_by_the_next_request(alice, first, second):
    harm(first, Cause.OUT_OF_FUNDS)
    assert order(alice) == ["second", "first"]

    routing.retry_key(first)

    assert order(alice) == ["first", "second"]


# For pages


def test_what_is_not_known_to_be_ill_is_healthy(team, first):
    shown = health.conditions(team)

    assert {each.word for each in (*shown.providers.values(), *shown.offers.values())} == {"healthy"}
    assert shown.providers[first.pk].day.success_rate is None


@pytest.mark.parametrize(
    ("cause", "word"),
    [(Cause.FAILING, "cooling"), (Cause.RATE_LIMITED, "cooling"), (Cause.NOT_AVAILABLE, "off")]
    + [(Cause.KEY_REFUSED, "key_refused"), (Cause.OUT_OF_FUNDS, "out_of_funds")],
)
def test_a_provider_is_shown_with_what_keeps_it_from_answering(team, first, cause, word):
    harm(first, cause, times=3)

    shown = health.conditions(team).providers[first.pk]

    assert (shown.word, shown.last_error) == (word, "It answered 500.")
    assert shown.until > timezone.now()


def test_the_success_rate_counts_attempts_of_the_last_day(alice, team, first):
    receipts.fund(alice)
    broken_off = Receipt.Outcome.INTERRUPTED
    for outcome in (*[Receipt.Outcome.DONE] * 3, broken_off):
        receipts.finished(alice, model_id=MODEL.id, provider="first", outcome=outcome, request_id=new_id("req"))
    long_ago = first_id("req", since=timezone.now() - timedelta(days=2))
    receipts.finished(alice, model_id=MODEL.id, provider="first", outcome=broken_off, request_id=long_ago)

    day = health.conditions(team).offers[first.offers.get().pk].day

    assert (day.answered, day.failed, day.success_rate) == (3, 1, 0.75)
    assert day.last_ok_at is not None
