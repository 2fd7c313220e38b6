"""Addresses that answer badly, entered on the Providers page: a sentence at the field, nothing kept, no key shown."""

import pytest

from accounts.models import Provider as ProviderRow
from catalog.models import Model, Offer
from tests.conftest import signed_in
from tests.provider import Provider


def answers(provider: Provider, **changed: str) -> dict[str, str]:
    typed = {"kind": "openai-compatible", "name": "Lab", "base_url": provider.base_url, "api_key": provider.key}
    return typed | changed


def rows() -> tuple[int, int, int]:
    return ProviderRow.objects.count(), Model.objects.count(), Offer.objects.count()


MOVED = {"fault": "redirect", "redirect_to": "https://api.example.org/v1/models?from=here", "redirect_status": 308}


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        (MOVED, "not followed. It points to https://api.example.org/v1. If that is your provider, enter it"),
        ({"fault": "redirect", "redirect_to": "http://10.0.0.1/v1/models"}, "It points to http://10.0.0.1/v1."),
        ({"fault": "html"}, "answered with a web page"),
        ({"fault": "garbage"}, "not JSON"),
        ({"fault": "list"}, "lists no models"),
        ({"fault": "endless-body"}, "too large: over 5 MB"),
        ({"fault": "gzip"}, "compressed its answer although it was asked not to"),
        ({"fault": "not-http"}, "not HTTP"),
        ({"fault": "cut-before-first-byte"}, "closed the connection without an answer"),
    ],
)
@pytest.mark.parametrize("action", ["connect", "test"])
def test_bad_answer_is_a_sentence_and_keeps_nothing(alice, provider, action, behaviour, sentence):
    provider.script("/models", **behaviour)
    before = rows()

    page = signed_in(alice).post(f"/providers/{action}/", answers(provider))

    assert page.status_code == 422
    said = (
        page.context["connection"]["error"] if action == "test" else " ".join(page.context["form"].errors["base_url"])
    )
    assert sentence in said
    assert provider.key not in page.text
    assert rows() == before


@pytest.mark.parametrize(
    "base_url",
    [
        "http://169.254.169.254/latest/meta-data", "http://[fd00:ec2::254]/v1", "http://[::ffff:10.0.0.1]/v1",
        "http://[64:ff9b::a9fe:a9fe]/v1", "http://10。0。0。1/v1", "http://0.0.0.0:8000/v1",
        "http://0xa.1/v1", "http://0xa9fea9fe/v1",
    ],
)  # fmt: skip
def test_private_address_is_told_at_the_field_with_the_setting_to_add(alice, provider, base_url):
    before = rows()

    page = signed_in(alice).post("/providers/connect/", answers(provider, base_url=base_url))

    assert "add it to EMMA18_EGRESS_ALLOW" in " ".join(page.context["form"].errors["base_url"])
    assert rows() == before


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.1/v1",
        "http://2130706433/v1",
        "http://a..b/v1",
        "http://１２７.0.0.1/v1",
    ],
)
def test_host_that_no_call_can_be_made_to_is_told_at_the_field(alice, provider, base_url):
    page = signed_in(alice).post("/providers/connect/", answers(provider, base_url=base_url))

    assert "base URL" in " ".join(page.context["form"].errors["base_url"])
    assert not ProviderRow.objects.filter(name="Lab").exists()


def test_ten_thousand_models_are_taken_and_one_more_is_not(alice, provider):
    provider.models = [{"id": f"model-{number}"} for number in range(10_001)]
    browser, before = signed_in(alice), rows()

    refused = browser.post("/providers/connect/", answers(provider))
    assert "more than 10,000 models" in " ".join(refused.context["form"].errors["base_url"])
    assert rows() == before

    provider.models.pop()
    browser.post("/providers/connect/", answers(provider))
    assert ProviderRow.objects.get(name="Lab").offers.count() == 10_000


def test_failed_refresh_of_a_connected_provider_changes_no_offer(alice, provider):
    browser = signed_in(alice)
    browser.post("/providers/connect/", answers(provider))
    lab, before = ProviderRow.objects.get(name="Lab"), rows()

    for behaviour in (MOVED, {"fault": "endless-body"}, {"fault": "gzip"}, {"fault": "echo-key"}):
        provider.script("/models", **behaviour)
        page = browser.post(f"/providers/{lab.public_id}/refresh/", follow=True)
        assert provider.key not in page.text

    assert rows() == before
