"""Catalogs kept up to date in the background, against a real provider on loopback."""

import pytest
from django_q.models import OrmQ

from accounts.models import Provider as ProviderRow
from catalog import jobs, pending, sync


@pytest.fixture
def lab(alice, provider) -> ProviderRow:
    return sync.connect(
        alice.team,
        kind=ProviderRow.Kind.OPENAI_COMPATIBLE,
        name="Lab",
        base_url=provider.base_url,
        api_key=provider.key,
    )


def offered(lab: ProviderRow) -> set[str]:
    return set(lab.offers.values_list("model__model_id", flat=True))


def test_new_models_are_offered_where_the_list_only_adds(lab, provider):
    before = offered(lab)
    provider.models.append({"id": "fresh/large"})

    jobs.sync_provider(lab.pk)

    assert offered(lab) == before | {"fresh/large"}
    assert pending.waiting(lab.team) == []


def test_gone_models_and_prices_wait_for_an_admin(lab, provider):
    before = offered(lab)
    priced = {"id": "plain/small", "pricing": {"prompt": "0.1", "completion": "0.1"}}
    provider.models[:] = [priced, {"id": "fresh/large"}]

    jobs.sync_provider(lab.pk)

    [waiting] = pending.waiting(lab.team)
    assert (waiting.new, waiting.gone, waiting.suspect_count) == (["fresh/large"], ["plain/large"], 1)
    assert offered(lab) == before
    assert lab.offers.get(model__model_id="plain/small").price.prompt_picousd == 150_000


def test_provider_that_fails_shows_why(lab, provider, caplog):
    provider.key = "sk-another"

    jobs.sync_provider(lab.pk)

    lab.refresh_from_db()
    assert "refused the key" in lab.last_error
    assert [record.message for record in caplog.records if record.name == "catalog.jobs"] == ["catalog not synced"]


def test_provider_that_was_removed_meanwhile_is_passed_over(alice, lab):
    sync.remove(lab, by=alice)

    jobs.sync_provider(lab.pk)


def test_each_provider_but_the_built_in_one_is_a_job_of_its_own(lab, charlie, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        jobs.sync_all()

    assert [(row.func(), row.args()) for row in OrmQ.objects.all()] == [("catalog.jobs.sync_provider", (lab.pk,))]
