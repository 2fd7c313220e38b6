"""Requests that no SDK would send. None is answered by a defect of ours, and none reaches a provider."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest

from tests.contract.shape import assert_refused

CHAT = "/chat/completions"
MESSAGES = [{"role": "user", "content": "Hello!"}]
BODY = {"model": "plain/small", "messages": MESSAGES}
MIB = 1024 * 1024


def body_with(extra: str) -> str:
    return json.dumps(BODY)[:-1] + f", {extra}}}"


NOT_JSON = {
    "nothing": "",
    "half an object": '{"model": "plain/small"',
    "text": "hello",
    "a form": "model=plain/small&messages=Hello",
    "single quotes": "{'model': 'plain/small'}",
    "two objects": "{}{}",
    "not UTF-8": b'{"model": "\xff\xfe"}',
    "UTF-16": json.dumps(BODY).encode("utf-16"),
    "NUL bytes": b"\0" * 1000,
    "NaN": body_with('"temperature": NaN'),
    "infinity": body_with('"top_p": -Infinity'),
    "a number beyond every float": body_with('"top_p": 1e999'),
    "5,000 digits": body_with('"seed": ' + "9" * 5000),
    "100,000 lists in one another": body_with('"x": ' + "[" * 100_000),
    "1,000 objects in one another": body_with('"x": ' + '{"a":' * 1000 + "1" + "}" * 1000),
    "a list": "[]",
    "a string": '"hello"',
    "null": "null",
}
WRONG_FIELDS = [
    ("model", None),
    ("model", ""),
    ("model", "  "),
    ("model", 7),
    ("model", ["plain/small"]),
    ("messages", None),
    ("messages", []),
    ("messages", "Hello!"),
    ("messages", {"role": "user"}),
    ("messages[0]", ["Hello!"]),
    ("messages[1]", [*MESSAGES, None]),
    ("temperature", -0.1),
    ("temperature", 2.1),
    ("temperature", "1"),
    ("temperature", True),
    ("max_tokens", 0),
    ("max_tokens", -5),
    ("max_tokens", 1.5),
    ("max_tokens", "10"),
    ("max_tokens", True),
    ("stream", "true"),
    ("stream", 1),
    ("stream_options", "usage"),
    ("stream_options.include_usage", {"include_usage": "yes"}),
]
DESTINATIONS_AND_CREDENTIALS = [
    "api_base", "API_BASE", "apiBase", "api-base", "base_url", "api_key", "api_version", "organization", "project",
    "extra_headers", "headers", "azure_endpoint", "aws_secret_access_key", "vertex_credentials", "litellm_params",
    "model_list", "custom_llm_provider", "proxy",
]  # fmt: skip


@pytest.mark.parametrize("content", NOT_JSON.values(), ids=NOT_JSON)
def test_a_body_that_is_no_request_400(http, content):
    assert_refused(http.post(CHAT, content=content), 400, "invalid_request")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (body_with('"x": ' + "[" * 200 + "]" * 200), "200 levels"),
        (body_with('"x": [' + "[]," * 10_000_000 + "[]]"), "1,000,000 strings and brackets"),
        (body_with('"x": [' + '"",' * 10_000_000 + '""]'), "1,000,000 strings and brackets"),
    ],
    ids=["201 levels", "lists", "strings"],
)
def test_a_body_of_too_many_parts_400(http, content, told):
    assert told in assert_refused(http.post(CHAT, content=content), 400, "invalid_request")["detail"]


@pytest.mark.parametrize(("param", "value"), WRONG_FIELDS)
def test_a_wrong_field_400_is_named(http, param, value):
    field = param.partition("[")[0].partition(".")[0]

    body = assert_refused(http.post(CHAT, json={**BODY, field: value}), 400, "invalid_request")

    assert body["error"]["param"] == param


@pytest.mark.parametrize("name", DESTINATIONS_AND_CREDENTIALS)
def test_no_request_chooses_its_destination_or_its_credential(http, provider, name):
    received = len(provider.requests)

    body = assert_refused(http.post(CHAT, json={**BODY, name: "https://evil.example"}), 400)

    assert body["error"]["param"] == name and repr(name) in body["detail"]
    assert len(provider.requests) == received


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + json.dumps(BODY).encode(),
        json.dumps({**BODY, "temperature": None, "max_tokens": None, "stream": None, "stream_options": None}),
        body_with('"model": "unheard-of", "model": "plain/small"'),
        json.dumps({**BODY, "metadata": {"deep": [[[[["{[" * 500]]]]]}}),
        body_with('"metadata": ' + "[" * 199 + "]" * 199),
        json.dumps({**BODY, "metadata": ['"\\\\"'] * 200 + ['{"[' * 500_000]}),
        json.dumps({**BODY, "messages": [{"role": "user", "content": "half a pair: \ud83d, and \0"}]}),
    ],
    ids=[
        "byte order mark",
        "nulls",
        "a name twice",
        "brackets in text",
        "200 levels",
        "quotes in text",
        "half a character",
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_odd_but_good_bodies_are_answered(http, content, content_type):
    response = http.post(CHAT, content=content, headers={"content-type": content_type})

    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"]


def test_a_body_over_the_cap_413(http):
    response = http.post(CHAT, content=b" " * (32 * MIB + 1))

    assert "32,768 KiB" in assert_refused(response, 413, "request_too_large")["detail"]


def test_a_body_of_unknown_length_over_the_cap_413(http):
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * MIB

    assert_refused(http.post(CHAT, content=endless()), 413, "request_too_large")


def test_a_large_body_within_the_cap_is_read(http, provider):
    content = "x" * (8 * MIB)

    response = http.post(CHAT, json={**BODY, "messages": [{"role": "user", "content": content}]})

    assert response.status_code == 200
    assert provider.requests[-1].json["messages"][0]["content"] == content


@pytest.mark.parametrize("path", ["/models", "/nothing"])
def test_elsewhere_a_mebibyte_is_the_most_413(http, path):
    response = http.post(path, content=b" " * (MIB + 1))

    assert_refused(response, 413, "request_too_large")
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("size", [100_000, 8 * MIB])
def test_a_stranger_cannot_make_us_read_a_large_body(api, size):
    response = httpx.post(api.base_url + CHAT, content=b" " * size)

    assert_refused(response, 401)
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/chat/completions", "/models"])
def test_a_body_that_stalls_408(api, path):
    address = urlsplit(api.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = f"POST {address.path}{path} HTTP/1.1\r\nhost: {address.netloc}\r\nauthorization: Bearer {api.key}\r\n"
        connection.sendall(head.encode() + b"content-length: 100\r\nconnection: close\r\n\r\n{")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_timeout"


def test_a_body_that_trickles_408(api):
    address = urlsplit(api.base_url)
    answer = b""
    with socket.create_connection((address.hostname, address.port), timeout=0.3) as connection:
        head = f"POST {address.path}/models HTTP/1.1\r\nhost: {address.netloc}\r\n"
        connection.sendall(head.encode() + b"content-length: 60\r\n\r\n")
        for _ in range(50):
            connection.sendall(b" ")
            with suppress(TimeoutError):
                if answer := connection.recv(65536):
                    break

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_an_authorization_header_of_raw_bytes_401(api):
    response = httpx.get(f"{api.base_url}/models", headers={"authorization": b"Bearer sk-\xff\xfe\x80"})

    assert_refused(response, 401)
