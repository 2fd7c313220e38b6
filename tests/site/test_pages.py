"""What every page has in common: its headers, nothing inline, and errors that are pages too."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.models import Heartbeat
from tests.conftest import signed_in
from tests.site.pages import PAGES, paths

GETS = [path for path in paths("GET") if path not in ("/healthz", "/readyz") and not path.endswith(".csv")]
INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|href=\"javascript:", re.IGNORECASE)


def browsers(alice) -> list[Client]:
    return [Client(), signed_in(alice)]


@pytest.mark.parametrize("path", [*GETS, "/absent/"])
def test_page_lets_only_our_own_files_run(alice, path):
    for browser in browsers(alice):
        policy = browser.get(path).headers["content-security-policy"]

        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize("path", [*GETS, "/absent/"])
def test_page_has_nothing_inline_that_the_policy_would_block(alice, path):
    for browser in browsers(alice):
        assert not INLINE.search(browser.get(path).text)


@pytest.mark.parametrize("path", [*GETS, "/absent/", "/healthz", "/api/v1/models"])
def test_answer_cannot_be_framed_or_sniffed_and_names_its_request(alice, path):
    answer = signed_in(alice).get(path)

    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert re.fullmatch(r"req_\w{26}", answer.headers["x-request-id"])


def test_form_of_every_page_posts_to_an_address_that_exists(alice):
    browser = signed_in(alice)
    keys.issue(alice, name="laptop")
    patterns = [re.compile(re.sub(r"\{\w+\}", r"\\w+", path)) for method, path, _ in PAGES.values() if method == "POST"]
    patterns += [re.compile(path) for path in paths("GET")]  # searches, and forms that post to their own page

    actions = {action for path in GETS for action in re.findall(r'(?<!data-)action="([^"#]+)', browser.get(path).text)}

    assert len(actions) > 5
    assert [action for action in actions if not any(pattern.fullmatch(action) for pattern in patterns)] == []


def test_refusal_is_a_page_with_its_sentence_and_request(bob):
    refused = signed_in(bob).post("/providers/connect/")

    assert refused.status_code == 403
    assert "Your role in Northlight is member. Ask an owner or admin to do this." in refused.text
    assert refused.headers["x-request-id"] in refused.text


@pytest.mark.django_db
def test_page_that_is_not_there_says_so(client):
    page = client.get("/absent/")

    assert page.status_code == 404
    assert "There is nothing at this address" in page.text


def test_person_in_no_team_is_told_whom_to_ask(bob):
    bob.user.memberships.all().delete()

    refused = signed_in(bob).get("/keys/")

    assert refused.status_code == 403
    assert "You are in no team. Ask the person who invited you" in refused.text


@pytest.mark.django_db
def test_colour_scheme_is_kept_and_leads_back_to_the_page(client):
    chosen = client.post("/scheme/", {"scheme": "dark", "next": "/account/login/?next=/keys/"})

    assert chosen.headers["location"] == "/account/login/?next=/keys/"
    assert 'data-scheme="dark"' in client.get("/").text


@pytest.mark.django_db
@pytest.mark.parametrize("elsewhere", ["https://evil.example.net/", "//evil.example.net/", "chat", ""])
def test_colour_scheme_leads_to_no_other_site(client, elsewhere):
    assert client.post("/scheme/", {"scheme": "dark", "next": elsewhere}).headers["location"] == "/"


@pytest.mark.django_db
def test_readiness_answers_load_balancers(client):
    assert client.get("/readyz").json() == {"status": "ok"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("seen_ago", "code", "status"),
    [(None, 200, "never seen"), (timedelta(seconds=3), 200, "ok"), (timedelta(hours=1), 503, "down")],
)
def test_health_tells_of_background_workers_that_are_gone(client, seen_ago, code, status):
    seen_at = timezone.now() - seen_ago if seen_ago else None
    Heartbeat.objects.create(cluster="default", seen_at=seen_at, waiting=3)

    told = client.get("/healthz")

    assert (told.status_code, told.json()["parts"]["worker"]["status"]) == (code, status)
    assert told.json()["parts"]["worker"]["waiting"] == (3 if seen_at else 0)


@pytest.mark.parametrize("address", ["http://[x", "//evil.example//path"])
def test_an_htmx_request_without_a_session_is_sent_to_the_login_whatever_address_it_claims(db, address):
    answer = Client().get("/keys/", headers={"hx-request": "true", "hx-current-url": address})

    assert answer.status_code == 200
    assert answer.headers["hx-redirect"].startswith("/account/login/?next=/")


def test_a_form_sent_from_an_old_page_is_refused_in_the_shape_its_door_speaks(alice):
    browser = Client(enforce_csrf_checks=True)

    page = browser.post("/account/login/")
    fragment = browser.post("/chat/start/", headers={"hx-request": "true"})

    assert page.status_code == fragment.status_code == 403
    assert "<h1>" in page.text and fragment.text.startswith("This page was open for too long.")
    assert fragment.headers["content-type"].startswith("text/plain")
