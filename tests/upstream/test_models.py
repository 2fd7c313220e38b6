import asyncio

import pytest

from tests.provider import SMALL_MODEL
from upstream.client import Endpoint
from upstream.errors import Garbled, Refused, Unreachable, UpstreamError
from upstream.models import ListedModel, list_models


async def test_models_are_listed_with_prices_as_given(endpoint):
    models = await list_models(endpoint, request_id="req_1")

    assert models[0] == ListedModel(
        id="plain/small", name="Small", description="A small model.", context_length=8192,
        prompt_price="0.00000015", completion_price="0.0000006",
    )  # fmt: skip
    assert [model.id for model in models] == ["plain/small", "plain/large"]


@pytest.mark.parametrize(
    ("item", "known"),
    [
        ({}, {}),
        ({"max_model_len": 4096, "created": 1, "owned_by": "x"}, {"context_length": 4096}),
        ({"context_length": "many", "pricing": "free"}, {"context_length": None}),
        ({"context_length": True, "pricing": {"prompt": -1, "completion": "-1"}}, {"prompt_price": None}),
        ({"pricing": {"prompt": 1.5e-7, "completion": "NaN"}}, {"prompt_price": "0.00000015"}),
        (
            {"pricing": {"prompt": "0.1", "input_cache_read": "0.01", "request": "0"}},
            {"cached_price": "0.01", "asks_more": False},
        ),
        ({"pricing": {"input_cache_read": -1, "request": "0.005"}}, {"cached_price": None, "asks_more": True}),
        ({"name": 7, "description": None}, {"name": "bare", "description": ""}),
        ({"name": "two\nlines\x1b"}, {"name": "two lines"}),
    ],
)
async def test_more_or_less_than_expected_is_taken_as_it_is(provider, endpoint, item, known):
    provider.models = [{"id": "bare", **item}]

    [model] = await list_models(endpoint, request_id="req_1")

    assert {name: getattr(model, name) for name in known} == known


async def test_what_cannot_be_asked_for_is_left_out(provider, endpoint):
    provider.models = [None, 7, {}, {"id": ""}, {"id": "a b"}, {"id": "x" * 300}, {"id": "ok"}, "bare", {"id": "ok"}]

    assert [model.id for model in await list_models(endpoint, request_id="req_1")] == ["ok", "bare"]


async def test_too_many_models_are_refused(provider, endpoint):
    provider.models = [{"id": str(number)} for number in range(10_001)]

    with pytest.raises(Garbled, match="more than 10,000 models"):
        await list_models(endpoint, request_id="req_1")


async def test_too_large_a_list_is_refused(provider, endpoint):
    provider.models = [{**SMALL_MODEL, "description": "x" * (6 << 20)}]

    with pytest.raises(Garbled, match="too large: over 5 MB"):
        await list_models(endpoint, request_id="req_1")


async def test_a_wrong_key_is_named(provider):
    with pytest.raises(Refused) as raised:
        await list_models(Endpoint(provider.base_url, "sk-wrong"), request_id="req_1")

    assert str(raised.value) == "The provider refused the key (401): Incorrect API key provided."


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("html", "answered with a web page, not a model list. Is the base URL right? It usually ends in /v1."),
        ("refuse-404", "no model list at this address. Is the base URL right? It usually ends in /v1."),
        ("garbage", "The provider sent something that is not JSON."),
        ("redirect", "The provider redirected; not followed."),
        ("refuse-403", "The provider refused the request (403): The provider would rather not."),
        ("error-200", "The provider would rather not."),
        ("cut-before-first-byte", "The provider closed the connection without an answer."),
    ],
)
async def test_a_failure_is_a_sentence_that_helps(provider, endpoint, fault, sentence):
    provider.script("/models", fault=fault)

    with pytest.raises(UpstreamError) as raised:
        await list_models(endpoint, request_id="req_1")

    assert sentence in str(raised.value)


async def test_an_object_without_a_list_is_no_list(provider, endpoint):
    provider.models = {"nothing": "here"}

    with pytest.raises(Garbled, match="not a model list"):
        await list_models(endpoint, request_id="req_1")


async def test_nobody_at_the_address_is_said_plainly(unused_tcp_port):
    with pytest.raises(Unreachable, match=f"Nothing answers at 127.0.0.1:{unused_tcp_port}"):
        await list_models(Endpoint(f"http://127.0.0.1:{unused_tcp_port}/v1", "k"), request_id="req_1")


def test_short_lived_event_loops_leave_no_connection_behind(endpoint):
    for _ in range(3):
        assert asyncio.run(list_models(endpoint, request_id="req_1"))
