import json
from dataclasses import replace

import pytest

from tests.provider import REPLY, REQUEST_ID
from tests.upstream.conftest import HURRIED, ask
from upstream import chat
from upstream.errors import Garbled, Redirected, Refused, TimedOut, UpstreamError


async def test_a_reply_comes_whole_with_the_providers_own_request_id(provider, endpoint):
    reply, upstream_request_id = await chat.complete(endpoint, ask("plain"), request_id="req_1")

    assert reply["choices"][0]["message"]["content"] == REPLY
    assert reply["usage"]["total_tokens"] > 0
    assert upstream_request_id == REQUEST_ID


async def test_parameters_arrive_unchanged(endpoint):
    body = ask("echo", temperature=1e-7, seed=2**60, stop=["\u2028", "🙂"], half_a_pair="\ud83d")

    reply, _ = await chat.complete(endpoint, body, request_id="req_1")

    assert json.loads(reply["choices"][0]["message"]["content"]) == {**body, "stream": False}


async def test_tool_calls_come_back_unchanged(endpoint):
    reply, _ = await chat.complete(endpoint, ask("tool-calls"), request_id="req_1")

    assert reply["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "look_up"


async def test_a_body_of_many_megabytes_is_sent(provider, endpoint):
    await chat.complete(endpoint, ask("plain", image="x" * (5 << 20)), request_id="req_1")

    assert len(provider.requests[0].json["image"]) == 5 << 20


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503])
async def test_a_refusal_keeps_its_status_and_reason(endpoint, status):
    with pytest.raises(Refused) as raised:
        await chat.complete(endpoint, ask(f"refuse-{status}"), request_id="req_1")

    assert raised.value.status == status
    assert raised.value.reason == "The provider would rather not."
    assert raised.value.code == "provider_says_no"


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("InvalidEndpointOrModel.NotFound", "InvalidEndpointOrModel.NotFound"),
        ("billing:hard-limit", "billing:hard-limit"),
        (1113, "invalid_request_error"),
        ("x" * 65, None),
        ("Bad input: my secret plan", None),
        ("schlüssel", None),
        ({"of": "what"}, None),
    ],
)
async def test_a_code_is_one_plain_word_or_none(provider, endpoint, code, kept):
    provider.script("coded", fault="refuse-400", code=code)

    with pytest.raises(Refused) as raised:
        await chat.complete(endpoint, ask("coded"), request_id="req_1")

    assert raised.value.code == kept


async def test_retry_after_is_kept(provider, endpoint):
    provider.script("busy", fault="refuse-429", retry_after="12.5")

    with pytest.raises(Refused) as raised:
        await chat.complete(endpoint, ask("busy"), request_id="req_1")

    assert raised.value.retry_after_s == 12.5


@pytest.mark.parametrize(
    ("value", "is_known"), [("Sun, 06 Nov 2094 08:49:37 GMT", True), ("nan", False), ("soon", False)]
)
async def test_retry_after_may_be_a_date_and_must_make_sense(provider, endpoint, value, is_known):
    provider.script("busy", fault="refuse-429", retry_after=value)

    with pytest.raises(Refused) as raised:
        await chat.complete(endpoint, ask("busy"), request_id="req_1")

    assert (raised.value.retry_after_s is not None) is is_known


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("error-text", 400, "The provider would rather not."),
        ("error-detail", 422, "The provider would rather not."),
        ("html-500", 500, "Internal Server Error."),
        ("error-200", 429, "The provider would rather not."),
    ],
)
async def test_a_refusal_is_understood_in_each_shape(endpoint, fault, status, reason):
    with pytest.raises(Refused) as raised:
        await chat.complete(endpoint, ask(fault), request_id="req_1")

    assert (raised.value.status, raised.value.reason) == (status, reason)


async def test_a_key_echoed_by_the_provider_goes_no_further(provider, endpoint, caplog):
    caplog.set_level("DEBUG")

    with pytest.raises(Refused) as raised:
        await chat.complete(endpoint, ask("echo-key"), request_id="req_1")

    assert str(raised.value) == ("The provider refused the request (400): Bad header: [redacted] for key [redacted]")
    assert provider.key not in repr(vars(raised.value)) + repr(endpoint) + caplog.text


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        ("cut-before-first-byte", Garbled, "closed the connection without an answer"),
        ("endless-body", Garbled, "too large: over 1 MB"),
        ("garbage", Garbled, "not JSON"),
        ("gzip", Garbled, "compressed"),
        ("hang-before-first-byte", TimedOut, r"did not answer within 0\.5 s"),
        ("html", Garbled, "Is its base URL right"),
        ("list", Garbled, "not an object"),
        ("no-choices", Garbled, "without choices"),
        ("not-http", Garbled, "not HTTP"),
        ("overflow", Garbled, "not JSON"),
        ("redirect", Redirected, "The provider redirected; not followed"),
    ],
)
async def test_what_is_no_answer_is_told_by_its_own_name(provider, endpoint, fault, kind, reason):
    limits = replace(HURRIED, answer_bytes=1 << 20, total_s=0.5)

    with pytest.raises(UpstreamError, match=reason) as raised:
        await chat.complete(endpoint, ask(fault), request_id="req_1", limits=limits)

    assert type(raised.value) is kind
    assert [received.path for received in provider.requests] == ["/v1/chat/completions"]


async def test_a_timeout_after_sending_may_have_billed(endpoint):
    with pytest.raises(TimedOut) as raised:
        await chat.complete(
            endpoint, ask("hang-before-first-byte"), request_id="req_1", limits=replace(HURRIED, total_s=0.2)
        )

    assert raised.value.may_have_billed
