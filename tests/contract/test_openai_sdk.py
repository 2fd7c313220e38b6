"""openai-python, as anybody would use it, against the running server."""

from collections.abc import Iterator

import openai
import pytest

from tests.provider import REPLY, SMALL_MODEL, Provider

MESSAGES = [{"role": "user", "content": "Hello!"}]
ASK = {"model": "plain/small", "messages": MESSAGES}
TOOL = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


@pytest.fixture
def client(api) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=api.key, base_url=api.base_url, max_retries=0, timeout=20) as client:
        yield client


def received_for(provider: Provider, model: str) -> dict:
    """The last body the provider got for a model."""
    return next(
        request.json for request in reversed(provider.requests) if request.json and request.json["model"] == model
    )


def text_of(stream) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def test_a_provider_that_leaves_out_indexes_and_roles_breaks_no_helper(client):
    with client.chat.completions.stream(model="no-index", messages=MESSAGES) as stream:
        message = stream.get_final_completion().choices[0].message

    assert (message.role, message.content) == ("assistant", REPLY)


def test_plain(client):
    reply = client.chat.completions.create(**ASK)

    assert (reply.model, reply.choices[0].message.content) == ("plain/small", REPLY)
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_streamed(client):
    with client.chat.completions.create(**ASK, stream=True) as stream:
        assert text_of(stream) == REPLY


def test_streamed_with_the_helper(client):
    with client.chat.completions.stream(**ASK) as stream:
        reply = stream.get_final_completion()

    assert reply.choices[0].message.content == REPLY
    assert reply.choices[0].finish_reason == "stop"


async def test_async_plain_and_streamed(api):
    async with openai.AsyncOpenAI(api_key=api.key, base_url=api.base_url, max_retries=0) as client:
        reply = await client.chat.completions.create(**ASK)
        stream = await client.chat.completions.create(**ASK, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert reply.choices[0].message.content == text == REPLY


def test_the_request_id_is_on_the_response_and_on_the_reply(client):
    raw = client.chat.completions.with_raw_response.create(**ASK)

    assert raw.request_id.startswith("req_")
    assert raw.parse()._request_id == raw.request_id


@pytest.mark.parametrize(("model", "calls"), [("garbage", 1), ("refuse-402", 1), ("refuse-500", 3)])
def test_what_may_be_billed_or_is_in_vain_is_asked_once(client, provider, model, calls):
    asked = sum(request.path == "/v1/chat/completions" for request in provider.requests)

    with pytest.raises(openai.InternalServerError):
        client.with_options(max_retries=2).chat.completions.create(model=model, messages=MESSAGES)

    assert sum(request.path == "/v1/chat/completions" for request in provider.requests) - asked == calls


def test_usage_comes_only_to_those_who_ask(client):
    asked = list(client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    not_asked = list(client.chat.completions.create(**ASK, stream=True))

    assert [bool(chunk.usage) for chunk in asked] == [False] * (len(asked) - 1) + [True]
    assert not any(chunk.usage for chunk in not_asked)


def test_parameters_pass_verbatim(client, provider):
    parameters = {
        "temperature": 0.1,
        "top_p": 0.30000000000000004,
        "max_completion_tokens": 7,
        "n": 2,
        "stop": ["\n\n", "你好"],
        "seed": 2**60,
        "logprobs": True,
        "logit_bias": {"50256": -100},
        "response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": {"type": "object"}}},
        "reasoning_effort": "low",
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "look_up"}},
        "user": "somebody",
    }
    unknown = {"enable_thinking": False, "provider": {"order": ["a", "b"]}, "nested": {"api_base": "not ours to judge"}}

    client.chat.completions.create(model="verbatim", messages=MESSAGES, **parameters, extra_body=unknown)

    sent = {"model": "verbatim", "messages": MESSAGES, "stream": False, **parameters, **unknown}
    assert received_for(provider, "verbatim") == sent


def test_image_parts_and_tool_results_pass_verbatim(client, provider):
    messages = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {}}]},
        {"role": "tool", "tool_call_id": "1", "content": "12 °C"},
    ]

    client.chat.completions.create(model="verbatim", messages=messages)

    assert received_for(provider, "verbatim")["messages"] == messages


def test_tool_calls_come_back_plain(client):
    reply = client.chat.completions.create(model="tool-calls", messages=MESSAGES, tools=[TOOL])

    assert reply.choices[0].finish_reason == "tool_calls"
    assert reply.choices[0].message.tool_calls[0].function.arguments == '{"city": "Bern"}'


def test_tool_calls_come_back_streamed(client):
    with client.chat.completions.stream(model="tool-calls", messages=MESSAGES, tools=[TOOL]) as stream:
        message = stream.get_final_completion().choices[0].message

    assert message.tool_calls[0].function.name == "look_up"


def test_several_choices(client):
    plain = client.chat.completions.create(**ASK, n=3)
    streamed = list(client.chat.completions.create(**ASK, n=3, stream=True))

    assert [choice.index for choice in plain.choices] == [0, 1, 2]
    assert {chunk.choices[0].index for chunk in streamed} == {0, 1, 2}


def test_models_are_listed_as_documented(client):
    models = {model.id: model for model in client.models.list()}

    small = models["plain/small"]
    assert small.to_dict().items() >= SMALL_MODEL.items()
    assert (small.object, small.owned_by) == ("model", "plain")
    assert small.created > 1_700_000_000


def test_an_unknown_price_is_null(client):
    assert client.models.retrieve("unpriced").pricing == {"prompt": None, "completion": None}


@pytest.mark.parametrize("model", ["plain/small", "deepseek/deepseek-chat", "unpriced"])
def test_a_model_is_retrieved_by_its_id(client, model):
    assert client.models.retrieve(model).id == model


@pytest.mark.parametrize("path", ["plain/small", "plain/small/", "plain%2Fsmall", "plain%2fsmall/", "plain%2Fsmall%2F"])
def test_a_slash_in_an_id_may_be_encoded_and_one_may_follow(http, path):
    assert http.get(f"/models/{path}").json()["id"] == "plain/small"


def test_the_list_may_be_asked_for_with_a_slash_and_without_a_body(http):
    assert http.get("/models/").json() == http.get("/models").json()
    assert http.head("/models").content == b""
    assert http.head("/models/plain/small").status_code == 200


REFUSALS = [
    ("refuse-401", openai.PermissionDeniedError, "Loopback refused the team's key."),
    ("refuse-404", openai.NotFoundError, "'refuse-404' is not available from Loopback now"),
    ("refuse-400", openai.BadRequestError, "Loopback rejected the request: The provider would rather not."),
    ("refuse-429", openai.RateLimitError, "Loopback limits how often it may be asked"),
    ("refuse-500", openai.InternalServerError, "Loopback is unavailable (500)"),
    ("no-such-model", openai.NotFoundError, "There is no model 'no-such-model' here."),
]


@pytest.mark.parametrize(("model", "error", "sentence"), REFUSALS)
@pytest.mark.parametrize("stream", [False, True])
def test_the_sentence_of_a_refusal_reaches_the_programmer(client, model, error, sentence, stream):
    with pytest.raises(error) as raised:
        client.chat.completions.create(model=model, messages=MESSAGES, stream=stream)

    assert sentence in str(raised.value)
    assert raised.value.request_id.startswith("req_")
    assert isinstance(raised.value.code, str)


@pytest.mark.parametrize("key", ["sk-wrong", "sk-" + "0" * 40])
def test_a_wrong_key(api, key):
    with openai.OpenAI(api_key=key, base_url=api.base_url) as client:
        for ask in (lambda: client.models.list(), lambda: client.chat.completions.create(**ASK)):
            with pytest.raises(openai.AuthenticationError, match="This access key is invalid or was revoked"):
                ask()


def test_a_missing_model(client):
    with pytest.raises(openai.NotFoundError, match="Did you mean plain/small"):
        client.models.retrieve("plain/smal")


def test_a_missing_parameter(client):
    with pytest.raises(openai.BadRequestError, match="'messages' must be a list") as raised:
        client.chat.completions.create(model="plain/small", messages=[])

    assert raised.value.param == "messages"


def test_the_sdk_tries_a_busy_provider_again(api, provider):
    model = provider.script("busy", fault="refuse-429", retry_after="0.1")
    before = len(provider.requests)

    with (
        openai.OpenAI(api_key=api.key, base_url=api.base_url, max_retries=1) as client,
        pytest.raises(openai.RateLimitError),
    ):
        client.chat.completions.create(model=model, messages=MESSAGES)

    assert len(provider.requests) - before == 2


@pytest.mark.parametrize("fault", ["cut-mid-stream", "error-mid-stream", "no-end"])
def test_a_reply_that_breaks_off_raises(client, fault):
    stream = client.chat.completions.create(model=fault, messages=MESSAGES, stream=True)

    with pytest.raises(openai.APIError, match="Loopback broke off its reply"):
        text_of(stream)


def test_closing_a_stream_stops_the_provider(client, provider):
    cancelled = provider.cancelled
    stream = client.chat.completions.create(model="hang-mid-stream", messages=MESSAGES, stream=True)
    next(iter(stream))

    stream.close()

    provider.wait_until(lambda provider: provider.cancelled > cancelled)
