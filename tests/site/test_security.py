"""Cookies, hosts and throttling on plain http and behind a proxy with https; and where keys must never be found."""

import re
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.provider import Provider, running_provider
from tests.server import RunningServer, running_server
from tests.site.pages import paths

PUBLIC = "emma18.example.org"


class Browser(httpx.Client):
    """A browser as far as logging in and sending forms go."""

    def send_form(self, path: str, **fields: str) -> httpx.Response:
        self.get("/account/login/")
        token = next(value for name, value in self.cookies.items() if name.endswith("csrftoken"))
        return self.post(path, data=fields | {"csrfmiddlewaretoken": token})

    def sign_in(self, person: dict[str, str]) -> httpx.Response:
        return self.send_form("/account/login/", login=person["email"], password=person["password"])


@pytest.fixture
def public_server() -> Iterator[RunningServer]:
    """One that people come to by https, through a proxy."""
    with running_server(EMMA18_PUBLIC_URL=f"https://{PUBLIC}") as running:
        yield running


def through_proxy(server: RunningServer, *, client: str = "203.0.113.7") -> Browser:
    headers = {
        "host": PUBLIC,
        "referer": f"https://{PUBLIC}/",
        "x-forwarded-proto": "https",
        "x-forwarded-for": client,
    }
    return Browser(base_url=server.base_url, headers=headers)


def cookies(answer: httpx.Response) -> dict[str, str]:
    return {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}


def test_plain_http_logs_in_with_a_cookie_that_scripts_cannot_read(server: RunningServer):
    alice = server.seed()["people"][0]
    with Browser(base_url=server.base_url) as browser:
        session = cookies(browser.sign_in(alice))["sessionid"]

        assert "HttpOnly" in session
        assert "SameSite=Lax" in session
        assert "Secure" not in session
        assert browser.get("/keys/").status_code == 200


def test_session_gets_a_new_id_at_login(server: RunningServer):
    alice = server.seed()["people"][0]
    with Browser(base_url=server.base_url, cookies={"sessionid": "planted"}) as browser:
        browser.sign_in(alice)

        assert browser.cookies.get("sessionid", domain="127.0.0.1") != "planted"
        assert httpx.get(f"{server.base_url}/keys/", cookies={"sessionid": "planted"}).status_code == 302


def test_https_ties_cookies_to_the_host_and_redirects_plain_http(public_server: RunningServer):
    alice = public_server.seed()["people"][0]
    with through_proxy(public_server) as browser:
        login = browser.get("/account/login/")
        token = cookies(login)["__Host-csrftoken"].partition("=")[2].partition(";")[0]
        # httpx sends no Secure cookie to http://127.0.0.1, so the proxy's part is played by hand.
        came = browser.post(
            "/account/login/",
            data={"login": alice["email"], "password": alice["password"], "csrfmiddlewaretoken": token},
            headers={"cookie": f"__Host-csrftoken={token}"},
        )

        assert came.status_code == 302
        session = cookies(came)["__Host-sessionid"]
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(session.split("; "))
        assert login.headers["strict-transport-security"] == "max-age=31536000"
    plain = httpx.get(f"{public_server.base_url}/keys/", headers={"host": PUBLIC})
    assert plain.headers["location"] == f"https://{PUBLIC}/keys/"


def test_behind_a_proxy_each_visitor_is_throttled_alone(public_server: RunningServer):
    public_server.seed()

    def guess(client: str) -> int:
        with through_proxy(public_server, client=client) as browser:
            token = cookies(browser.get("/account/login/"))["__Host-csrftoken"].partition("=")[2].partition(";")[0]
            answers = {"login": "nobody@example.org", "password": "guess", "csrfmiddlewaretoken": token}
            cookie = {"cookie": f"__Host-csrftoken={token}"}
            return [browser.post("/account/login/", data=answers, headers=cookie) for _ in range(31)][-1].status_code

    assert guess("203.0.113.7") == 429
    with through_proxy(public_server, client="203.0.113.8") as neighbour:
        assert neighbour.get("/account/login/").status_code == 200


def test_unknown_host_name_is_refused(server: RunningServer):
    assert httpx.get(f"{server.base_url}/account/login/", headers={"host": "evil.example.net"}).status_code == 400


def test_the_address_that_resets_a_password_is_not_logged(server: RunningServer):
    httpx.get(f"{server.base_url}/account/password/reset/key/1-cabcde-0123456789abcdef/")

    assert "/account/password/reset/key/" in server.log
    assert "0123456789abcdef" not in server.log


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


def crawl(browser: httpx.Client) -> dict[str, str]:
    """Every page within reach, by its path."""
    pages: dict[str, str] = {}
    unseen = ["/", *paths("GET")]
    while unseen:
        path = unseen.pop()
        if path in pages:
            continue
        answer = browser.get(path)
        pages[path] = f"{answer.headers}{answer.text}"
        unseen += re.findall(r'href="(/(?!static/)[^"#]*)', answer.text)
    return pages


def stored(server: RunningServer) -> bytes:
    """Everything kept: all files of the data folder with the log among them, and PostgreSQL's tables as text."""
    kept = b"".join(path.read_bytes() for path in server.data_dir.rglob("*") if path.is_file())
    if url := server.environment["EMMA18_DATABASE_URL"]:
        with psycopg.connect(url) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                rows = connection.execute(f'SELECT each::text FROM "{table}" AS each').fetchall()
                kept += "\n".join(row for (row,) in rows).encode()
    return kept


_CREDIT = """
from django.db import transaction
from accounts import ledger
from accounts.models import Team
with transaction.atomic():
    ledger.top_up(Team.objects.get(name="Northlight"), by=None, key="scene", amount_nanousd=10**12)
"""


def use_keys_everywhere(browser: Browser, provider: Provider) -> tuple[str, list[httpx.Response]]:
    """Connect, test, call and chat, well and badly. Returns the access key that was issued and every other answer."""
    connect = {"kind": "openai-compatible", "name": "Lab", "base_url": provider.base_url, "api_key": provider.key}
    answers = [
        browser.send_form("/providers/connect/", **connect),
        browser.send_form("/providers/connect/", **connect),
        browser.send_form("/providers/connect/", **connect | {"base_url": "nonsense"}),
        browser.send_form("/providers/test/", **connect),
    ]
    created = browser.send_form("/keys/create/", name="canary")
    access_key = re.search(r'<code id="fresh-key"[^>]*>(sk-\w{40})</code>', created.text)[1]
    authorization = {"authorization": f"Bearer {access_key}"}
    provider.script("plain/large", fault="echo-key")
    for model in ("plain/small", "plain/large", "absent"):
        for stream in (False, True):
            ask = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}
            answers.append(browser.post("/api/v1/chat/completions", json=ask, headers=authorization))
        started = browser.send_form("/chat/start/", model=model, prompt="Hello")
        conversation = browser.get(started.headers.get("location", "/chat/"))
        answers += [browser.get(stream) for stream in re.findall(r"/chat/turns/\w+/follow", conversation.text)]
    answers.append(browser.get("/api/v1/models", headers=authorization))
    return access_key, answers


def test_keys_are_found_in_no_page_log_or_database_file(provider: Provider):
    with running_server(EMMA18_LOG_LEVEL="DEBUG") as server, Browser(base_url=server.base_url, timeout=20) as browser:
        browser.sign_in(server.seed()["people"][0])
        server.run_python(_CREDIT)
        access_key, answers = use_keys_everywhere(browser, provider)

        pages = crawl(browser)
        kept = stored(server)

    seen = "".join([f"{answer.headers}{answer.text}" for answer in answers] + list(pages.values()))
    assert len([path for path in pages if path.startswith("/chat/conv_")]) == 2
    assert {answer.status_code for answer in answers} == {200, 302, 400, 404, 422}
    assert provider.requests[-1].headers["authorization"] == f"Bearer {provider.key}"
    assert b"canary" in kept  # the search does read what is written
    for key in (provider.key, access_key):
        assert key not in seen
        assert not [form for form in (key, key[3:-4], key.encode().hex()) if form.encode() in kept]
