"""The stream as bytes on the wire: what SDKs of every language survive, see docs/api.md."""

import json

import httpx
import pytest

from tests.contract.shape import assert_is_error
from tests.provider import REPLY

CHAT = "/chat/completions"
MESSAGES = [{"role": "user", "content": "Hello!"}]


def stream_of(http, model, **more) -> httpx.Response:
    return http.post(CHAT, json={"model": model, "messages": MESSAGES, "stream": True, **more})


def events(response: httpx.Response) -> list:
    """What each event carries, in order. Whatever is no plain `data:` event fails."""
    *parts, rest = response.text.split("\n\n")
    assert rest == ""
    assert all(part.startswith("data: ") and "\n" not in part for part in parts)
    return [part if part == "data: [DONE]" else json.loads(part[6:]) for part in parts]


def text_of(chunks) -> str:
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def test_headers_keep_every_proxy_from_holding_it_back(http):
    response = stream_of(http, "plain/small")

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-request-id"].startswith("req_")
    assert "content-encoding" not in response.headers


def test_chunks_are_whole_and_end_with_done(http):
    *chunks, done = events(stream_of(http, "plain/small"))

    assert done == "data: [DONE]"
    assert all(chunk["object"] == "chat.completion.chunk" and chunk["model"] == "plain/small" for chunk in chunks)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert text_of(chunks) == REPLY


@pytest.mark.parametrize("options", [{}, {"stream_options": {}}, {"stream_options": {"include_usage": False}}])
@pytest.mark.parametrize("usage", ["asked", "always"])
def test_usage_is_asked_for_and_kept_from_those_who_did_not(http, provider, options, usage):
    provider.script("asks-no-usage", usage=usage)

    response = stream_of(http, "asks-no-usage", **options)

    assert provider.requests[-1].json["stream_options"] == {"include_usage": True}
    assert all(chunk["choices"] and "usage" not in chunk for chunk in events(response)[:-1])


def test_usage_comes_between_the_finish_and_done(http):
    *_, finish, usage, done = events(stream_of(http, "plain/small", stream_options={"include_usage": True}))

    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == [] and usage["usage"]["total_tokens"] > 0
    assert done == "data: [DONE]"


@pytest.mark.parametrize("fault", ["fields", "ping", "error-null", "split-bytes", "no-done", "no-blank-line-at-end"])
def test_a_providers_oddities_are_not_passed_on(http, fault):
    *chunks, done = events(stream_of(http, fault))

    assert (text_of(chunks), done) == (REPLY, "data: [DONE]")
    assert not any("error" in chunk for chunk in chunks)


@pytest.mark.parametrize("fault", ["reasoning", "tool-calls"])
def test_what_a_delta_says_besides_text_arrives(http, fault):
    key = {"reasoning": "reasoning_content", "tool-calls": "tool_calls"}[fault]

    *chunks, _ = events(stream_of(http, fault))

    assert any(chunk["choices"][0]["delta"].get(key) for chunk in chunks)


def test_half_a_character_is_passed_on_as_an_escape(http):
    *chunks, _ = events(stream_of(http, "surrogate"))

    assert "\ud83d" in text_of(chunks)


@pytest.mark.parametrize(
    "fault",
    ["cut-mid-stream", "no-end", "finish-error", "error-mid-stream", "garbage-mid-stream", "long-line"],
)
def test_a_reply_that_breaks_off_ends_with_an_error_and_never_with_done(http, fault):
    response = stream_of(http, fault)

    assert response.status_code == 200
    *chunks, error = events(response)
    assert chunks and all(chunk["choices"] for chunk in chunks)
    assert_is_error(error)
    assert error["error"]["code"] == "provider_interrupted"
    assert error["request_id"] == response.headers["x-request-id"]


def test_silence_is_filled_with_chunks_without_text(http, provider):
    provider.script("hesitant", text="one two", delay_s=2.5)

    *chunks, done = events(stream_of(http, "hesitant"))

    assert (text_of(chunks), done) == ("one two", "data: [DONE]")
    empty = [chunk for chunk in chunks if chunk["choices"][0] == {"index": 0, "delta": {}, "finish_reason": None}]
    assert len(empty) >= 2
    assert empty[0].keys() == chunks[0].keys()


@pytest.mark.parametrize("fault", ["hang-before-first-byte", "hang-before-first-event", "hang-mid-stream"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_who_leaves_takes_the_provider_along(api, provider, fault, stream):
    cancelled = provider.cancelled
    body = {"model": fault if stream else "hang-before-first-byte", "messages": MESSAGES, "stream": stream}

    with pytest.raises(httpx.ReadTimeout):
        httpx.post(api.base_url + CHAT, json=body, headers={"authorization": f"Bearer {api.key}"}, timeout=0.5)

    provider.wait_until(lambda provider: provider.cancelled > cancelled)


def test_many_choices_each_begin_with_their_role(http):
    *chunks, _ = events(stream_of(http, "many", n=3))

    for index in range(3):
        deltas = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
        assert deltas[0]["delta"] == {"role": "assistant", "content": ""}
        assert "".join(choice["delta"].get("content") or "" for choice in deltas) == REPLY


def test_the_provider_hears_the_request_id(http, provider):
    response = stream_of(http, "verbatim")

    received = [request for request in provider.requests if request.json and request.json.get("model") == "verbatim"]
    assert received[-1].headers["x-request-id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("stream", [False, True])
def test_one_line_is_logged_and_says_nothing_of_what_was_said(api, http, stream):
    prompt = f"a secret prompt, streamed: {stream}"

    response = http.post(
        CHAT, json={"model": "plain/small", "messages": [{"role": "user", "content": prompt}], "stream": stream}
    )

    request_id = response.headers["x-request-id"]
    lines = [json.loads(line) for line in api.server.log.splitlines() if request_id in line]
    assert [line["message"] for line in lines] == ["completion done"]
    assert lines[0].items() >= {"model": "plain/small", "provider": "Loopback", "stream": stream}.items()
    assert lines[0]["tokens_out"] > 0 and lines[0]["ms"] > 0
    assert not any(word in api.server.log for word in (prompt, REPLY, api.key, "sk-provider-"))
