"""Every way the API says no, over the wire: the documented status, one JSON shape, never HTML, never a traceback."""

import json

import httpx
import pytest
from django.test import Client

from tests.contract.shape import assert_refused

CHAT = "/chat/completions"
BODY = {"model": "plain/small", "messages": [{"role": "user", "content": "Hello!"}]}
ENDPOINTS = [
    ("POST", CHAT),
    *[("GET", path) for path in ("/models", "/models/plain/small", "/key", "/credits")],
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer sk-1", "Basic dXNlcjpwYXNz", "Bearer ' OR 1=1 --", "Bearer " + "x" * 5000]
)
def test_without_a_good_key_401(api, method, path, header):
    headers = {} if header is None else {"authorization": header}

    response = httpx.request(method, api.base_url + path, headers=headers, json=BODY if method == "POST" else None)

    assert_refused(response, 401, "invalid_api_key")


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_with_a_revoked_key_401(api, method, path):
    response = httpx.request(method, api.base_url + path, headers={"authorization": f"Bearer {api.revoked_key}"})

    assert "revoked" in assert_refused(response, 401, "invalid_api_key")["detail"]


@pytest.mark.parametrize("where", ["cookies", "params"])
def test_a_key_anywhere_but_in_the_header_counts_for_nothing(api, where):
    response = httpx.get(f"{api.base_url}/models", **{where: {"key": api.key, "api_key": api.key}})

    assert_refused(response, 401)


def test_a_stranger_hears_of_the_key_before_anything_else(api):
    response = httpx.post(api.base_url + CHAT, content=b"{")

    assert_refused(response, 401)


def test_a_viewer_may_not_spend(api):
    response = httpx.post(api.base_url + CHAT, json=BODY, headers={"authorization": f"Bearer {api.viewers_key}"})

    assert "Viewers" in assert_refused(response, 403, "forbidden")["detail"]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_a_host_name_that_is_not_ours_400(http, method, path):
    response = http.request(method, path, headers={"host": "evil.example"})

    assert_refused(response, 400, "wrong_host")


@pytest.mark.parametrize("path", ["/", "/nothing", "/chat", "/chat/completions/more", "/models%00", "/%ff%fe"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_address_404(http, method, path):
    assert_refused(http.request(method, path), 404, "not_found")


@pytest.mark.parametrize("path", ["", "/"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_chat_takes_post_only(http, method, path):
    response = http.request(method, CHAT + path)

    assert_refused(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/models", "/models/plain/small"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_models_are_only_read(http, method, path):
    response = http.request(method, path)

    assert_refused(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", [CHAT, "/models", "/nothing"])
def test_a_method_that_http_does_not_know_400(http, path):
    assert_refused(http.request("BREW", path), 400, "not_http")


def test_an_unknown_model_404_names_the_nearest(http):
    body = assert_refused(http.post(CHAT, json={**BODY, "model": "plain/smal"}), 404, "model_not_found")

    assert "plain/small" in body["detail"]
    assert body["error"]["param"] == "model"


@pytest.mark.parametrize("model", ["nothing/like-it", "a\x00b", "x" * 100_000, "\ud800", "../../etc/passwd", "%s%n"])
def test_a_model_that_cannot_be_404(http, model):
    body = assert_refused(http.post(CHAT, content=json.dumps({**BODY, "model": model})), 404, "model_not_found")

    assert len(body["detail"]) < 1000


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("refuse-400", 400, "provider_says_no"),
        ("refuse-422", 400, "provider_says_no"),
        ("refuse-413", 413, "request_too_large"),
        ("refuse-401", 403, "provider_permission_denied"),
        ("refuse-403", 403, "provider_permission_denied"),
        ("refuse-402", 503, "provider_out_of_funds"),
        ("refuse-404", 404, "model_not_available"),
        ("refuse-408", 504, "provider_timeout"),
        ("refuse-429", 429, "rate_limited"),
        ("refuse-500", 502, "provider_unavailable"),
        ("refuse-503", 502, "provider_unavailable"),
        ("cut-before-first-byte", 502, "provider_unavailable"),
        ("not-http", 502, "provider_unavailable"),
        ("garbage", 502, "provider_unavailable"),
        ("gzip", 502, "provider_unavailable"),
        ("html", 502, "provider_unavailable"),
        ("html-500", 502, "provider_unavailable"),
        ("redirect", 502, "provider_unavailable"),
        ("error-200", 429, "rate_limited"),
        ("error-text", 400, ""),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_fails_before_its_first_event(http, fault, status, code, stream):
    response = http.post(CHAT, json={**BODY, "model": fault, "stream": stream})

    assert_refused(response, status, code)


@pytest.mark.parametrize("fault", ["plain-json", "empty-stream", "done-first", "garbage-first", "error-first"])
def test_a_stream_that_never_begins_keeps_its_true_status(http, fault):
    response = http.post(CHAT, json={**BODY, "model": fault, "stream": True})

    assert_refused(response, 502, "provider_unavailable")


def test_a_providers_retry_after_is_passed_on(http):
    response = http.post(CHAT, json={**BODY, "model": "refuse-429"})

    assert assert_refused(response, 429)["error"]["limit_source"] == "upstream"
    assert response.headers["retry-after"] == "7"
    assert "x-should-retry" not in response.headers


def test_nobody_is_sent_waiting_for_longer_than_a_minute(http, provider):
    provider.script("busy-for-an-hour", fault="refuse-429", retry_after="3600")

    response = http.post(CHAT, json={**BODY, "model": "busy-for-an-hour"})

    assert (response.headers["retry-after"], response.headers["x-should-retry"]) == ("3600", "false")


@pytest.mark.parametrize("stream", [False, True])
def test_a_key_that_a_provider_echoes_stays_with_us(http, provider, stream):
    response = http.post(CHAT, json={**BODY, "model": "echo-key", "stream": stream})

    assert_refused(response, 400)
    assert provider.key not in response.text


def test_a_defect_of_ours_500(api, http):
    (api.server.data_dir / "embedded.json").write_text('{"base_url": 5, "token": "t", "pid": 1, "model": "m"}')

    response = http.post(CHAT, json={**BODY, "model": "embedded/smollm2-135m-instruct"})

    assert_refused(response, 500, "internal_error")
    assert response.headers["x-request-id"] in api.server.log


@pytest.mark.urls("tests.contract.broken_urls")
@pytest.mark.parametrize("debug", [False, True])
def test_a_defect_behind_django_500(settings, debug):
    settings.DEBUG = debug

    response = Client(raise_request_exception=False).get("/api/v1/defect")

    assert "secret" not in str(assert_refused(response, 500, "internal_error"))


@pytest.mark.urls("tests.contract.broken_urls")
def test_a_database_that_is_away_503():
    response = Client().get("/api/v1/locked")

    assert_refused(response, 503, "unavailable")
    assert response.headers["retry-after"] == "2"


def test_a_cookie_opens_no_api(alice):
    client = Client()
    client.force_login(alice.user, backend="allauth.account.auth_backends.AuthenticationBackend")

    assert_refused(client.get("/api/v1/models"), 401)
