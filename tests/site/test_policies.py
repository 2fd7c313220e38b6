"""Who may come through which door: every route declares a policy, and five people knock at every page."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts import keys, limits, raises
from accounts.refusals import Forbidden
from chat import conversations
from emma18_site.asgi import STREAMING_ROUTES
from tests.clips import clip
from tests.conftest import signed_in
from tests.receipts import finished
from tests.site.pages import API, LOGIN, PAGES, PEOPLE
from videos import filing


def routes(patterns: list[URLPattern | URLResolver] | None = None) -> Iterator[URLPattern]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns)
        else:
            yield pattern


@pytest.fixture
def things(alice, bob) -> dict[str, str]:
    """Public ids of what bob and his team have."""
    reply = conversations.start(bob, prompt="Hello", model_id="embedded/smollm2-135m-instruct")
    refused = finished(bob, refusal=Forbidden("Not this model."))
    budget = limits.set_budget(alice, member_id=None, model_id="", window="day", hard_nanousd=10**9, soft_nanousd=None)
    asked = raises.ask(bob, budget_id=None, amount_nanousd=10**9, until=None, reason="For more.")
    return {
        "request": refused.request_id,
        "video": clip(bob).public_id,
        "collection": filing.collect(bob, "Spring film").public_id,
        "ask": asked.public_id,
        "budget": str(budget.pk),
        "key": keys.issue(bob, name="laptop")[0].public_id,
        "provider": bob.team.providers.get().public_id,
        "conversation": reply.conversation.public_id,
        "turn": reply.public_id,
    }


def knock(browser: Client, method: str, path: str):
    return browser.post(path, {"title": "Renamed"}) if method == "POST" else browser.get(path)


def test_every_view_declares_who_may_come_in():
    silent = [route.name for route in routes() if not getattr(route.callback, "policy", "")]

    assert silent == []


def test_every_streaming_route_declares_who_may_come_in():
    assert len(STREAMING_ROUTES) > 2
    assert all(route.policy for route in STREAMING_ROUTES)


def test_every_page_is_in_the_table_of_who_gets_what():
    assert {route.name for route in routes()} == PAGES.keys() | API


def test_doors_open_to_everybody_say_why():
    reasons = [route.callback.policy for route in routes() if route.callback.policy.startswith("anonymous")]

    assert reasons
    assert all(re.fullmatch(r"anonymous: \w.{15,}", reason) for reason in reasons), reasons


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("who", PEOPLE)
def test_each_person_gets_what_their_role_allows(request, who, page, things, charlie, vera):
    method, path, expected = PAGES[page]
    browser = Client() if who == "anonymous" else signed_in(request.getfixturevalue(who))

    answer = knock(browser, method, path.format(**things))

    is_to_login = answer.status_code == 302 and answer.headers["location"].startswith("/account/login/")
    assert (LOGIN if is_to_login else answer.status_code) == expected[PEOPLE.index(who)]


@pytest.mark.parametrize("page", [page for page, (_, path, _) in PAGES.items() if "{" in path])
def test_what_belongs_to_another_team_looks_like_what_does_not_exist(page, things, charlie):
    method, path, _ = PAGES[page]
    browser = signed_in(charlie)

    theirs = knock(browser, method, path.format(**things))
    absent = knock(browser, method, path.format(**dict.fromkeys(things, "absent")))

    assert theirs.status_code == absent.status_code == 404
    assert without_ids(theirs.text) == without_ids(absent.text)


def without_ids(text: str) -> str:
    return re.sub(r'"X-CSRFToken": "\w+"|value="\w{64}"|req_\w{26}', "", text)


@pytest.mark.parametrize("page", [page for page, (method, _, _) in PAGES.items() if method == "POST"])
def test_action_from_another_site_is_refused(page, things, bob):
    _, path, _ = PAGES[page]
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(bob.user, backend="allauth.account.auth_backends.AuthenticationBackend")

    answer = forged.post(path.format(**things))

    assert answer.status_code == 403
    assert "This form was open for too long" in answer.text


@pytest.mark.parametrize("page", [page for page, (method, _, _) in PAGES.items() if method == "POST"])
def test_action_is_not_taken_from_a_link(page, things, bob):
    _, path, _ = PAGES[page]

    answer = signed_in(bob).get(path.format(**things))

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "has no page of its own" in answer.text


@pytest.mark.parametrize("page", ["account_login", "account_logout", "account_change_password", "home"])
def test_forms_on_pages_are_guarded_too(page, alice):
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(alice.user, backend="allauth.account.auth_backends.AuthenticationBackend")

    assert forged.post(PAGES[page][1]).status_code == 403
