"""What happens before a provider is called: who may, through which offers, at what cost to the database."""

import pytest

from accounts import keys, vault
from accounts.models import Provider
from accounts.refusals import Forbidden, NotFound, ProviderUnavailable, Unavailable
from catalog import sync
from chat import completions, requests
from upstream.models import ListedModel

MODEL = ListedModel("plain/small", "Small", "", None, None, None)
REQUEST = requests.parse(b'{"model": "plain/small", "messages": [{"role": "user", "content": "Hello!"}]}')


@pytest.fixture
def connect(team):
    def connect(name: str) -> Provider:
        kind, base_url = Provider.Kind.OPENAI_COMPATIBLE, f"https://{name}.example/v1"
        provider = vault.store(team, kind=kind, name=name, base_url=base_url, api_key=f"sk-of-{name}-0123456789")
        sync.apply(provider, [MODEL])
        return provider

    return connect


def test_a_key_and_its_offers_take_two_queries(alice, connect, access_key, django_assert_num_queries):
    connect("first")
    authorization = f"Bearer {access_key}"
    completions.plan(keys.caller_with(authorization), REQUEST)  # notes the key's use, once a minute

    with django_assert_num_queries(2):
        completions.plan(keys.caller_with(authorization), REQUEST)


def test_offers_are_tried_in_order_each_with_its_own_key(alice, connect):
    connect("first")
    connect("second")

    ways = completions.plan(alice, REQUEST).ways

    assert [(way.endpoint.base_url, way.endpoint.api_key) for way in ways] == [
        ("https://first.example/v1", "sk-of-first-0123456789"),
        ("https://second.example/v1", "sk-of-second-0123456789"),
    ]


def test_viewers_call_no_models(vera, connect, django_assert_num_queries):
    connect("first")

    with django_assert_num_queries(0), pytest.raises(Forbidden):
        completions.plan(vera, REQUEST)


def test_another_teams_models_do_not_exist(charlie, connect):
    connect("first")

    with pytest.raises(NotFound) as refused:
        completions.plan(charlie, REQUEST)

    assert "Did you mean" not in refused.value.detail


def test_a_provider_whose_key_cannot_be_opened_is_passed_over(alice, connect):
    broken = connect("broken")
    connect("sound")
    Provider.objects.filter(pk=broken.pk).update(base_url="https://elsewhere.example/v1")

    assert [way.provider.name for way in completions.plan(alice, REQUEST).ways] == ["sound"]


def test_a_key_that_cannot_be_opened_is_said_when_there_is_no_other(alice, connect, settings):
    connect("only")
    settings.MASTER_KEYS = {}

    with pytest.raises(Unavailable, match="The stored key of only cannot be opened"):
        completions.plan(alice, REQUEST)


def test_the_built_in_model_says_when_it_is_not_running(alice):
    request = requests.parse(
        b'{"model": "embedded/smollm2-135m-instruct", "messages": [{"role": "user", "content": "Hello!"}]}'
    )

    with pytest.raises(ProviderUnavailable, match="The built-in model is not running"):
        completions.plan(alice, request)
