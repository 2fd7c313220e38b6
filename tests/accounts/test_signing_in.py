"""Signing in and out, forgotten and changed passwords, and how little strangers learn from any of it."""

import re
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from accounts.models import Team, User
from tests.conftest import PASSWORD, signed_in


@pytest.fixture(autouse=True)
def nobody_has_tried_before():
    """Attempts are counted in the cache, which tests share."""
    cache.clear()


@pytest.fixture
def mailbox(settings) -> list[mail.EmailMessage]:
    settings.SENDS_MAIL = True
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    mail.outbox = []
    return mail.outbox


def without_token(text: str) -> str:
    return re.sub(r'"X-CSRFToken": "\w+"', "", text)


def sign_in(client: Client, *, email: str = "alice@example.org", password: str = PASSWORD, next: str = ""):
    return client.post("/account/login/", {"login": email, "password": password, "next": next})


def test_person_gets_to_where_they_were_going(alice, client):
    asked = client.get("/providers/?from=mail")
    assert asked.headers["location"] == "/account/login/?next=/providers/%3Ffrom%3Dmail"

    came = sign_in(client, next="/providers/?from=mail")

    assert came.headers["location"] == "/providers/?from=mail"


def test_person_without_a_destination_gets_to_the_playground(alice, client):
    sign_in(client)

    assert client.get("/").headers["location"] == "/chat/"


@pytest.mark.parametrize("elsewhere", ["https://evil.example.net/", "//evil.example.net/", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_site(alice, client, elsewhere):
    assert sign_in(client, next=elsewhere).headers["location"] == "/"


def test_fragment_asked_for_without_a_session_sends_the_whole_page_to_the_login(alice, client):
    here = {"HX-Request": "true", "HX-Current-URL": "http://testserver/keys/?a=b"}

    answer = client.post("/keys/create/", {"name": "x"}, headers=here)

    assert answer.headers["HX-Redirect"] == "/account/login/?next=/keys/%3Fa%3Db"


def test_capitals_and_spaces_in_an_address_do_not_keep_anybody_out(alice, client):
    assert sign_in(client, email=" Alice@Example.ORG ").status_code == 302


def test_wrong_password_and_unknown_address_are_told_alike(alice, client):
    known = sign_in(client, password="not the right one")
    unknown = sign_in(client, email="nobody@example.org")

    sentences = {tuple(page.context["form"].non_field_errors()) for page in (known, unknown)}
    assert sentences == {("The e-mail address or the password is not right.",)}


def test_guessing_a_password_is_slowed_down_for_that_person_only(alice, bob, client):
    for guess in range(6):
        page = sign_in(client, password=f"guess number {guess}")

    assert "Too many failed attempts." in " ".join(page.context["form"].non_field_errors())
    assert sign_in(client).status_code == 200
    assert sign_in(client, email="bob@example.org").status_code == 302


def test_guessing_from_one_address_ends_in_a_page_that_says_so(alice, client):
    for person in range(31):
        page = sign_in(client, email=f"somebody-{person}@example.org")

    assert page.status_code == 429
    assert "Too many attempts" in page.text


def test_switched_off_person_stays_out(alice, bob, client):
    browser = signed_in(bob)
    User.objects.filter(pk=bob.user.pk).update(is_active=False)

    assert sign_in(client, email="bob@example.org").headers["location"] == "/account/inactive/"
    assert browser.get("/keys/").status_code == 302


def test_signing_out_ends_the_session(alice):
    browser = signed_in(alice)

    assert browser.get("/account/logout/").status_code == 200
    assert browser.post("/account/logout/").headers["location"] == "/account/login/"

    assert browser.get("/keys/").headers["location"].startswith("/account/login/")


@pytest.mark.parametrize("path", ["login", "signup", "password/reset", "password/change"])
def test_fields_have_their_labels_alone_and_our_words_about_passwords(alice, client, settings, path):
    settings.SIGNUP = "open"
    browser = signed_in(alice) if path == "password/change" else client

    page = browser.get(f"/account/{path}/")

    assert page.status_code == 200
    assert "placeholder=" not in page.text
    assert "Your password can" not in page.text
    assert ("At least 10 characters." in page.text) == ("password1" in page.text)


def test_changing_the_password_ends_the_other_sessions(alice):
    here, elsewhere = signed_in(alice), signed_in(alice)

    changed = here.post(
        "/account/password/change/",
        {"oldpassword": PASSWORD, "password1": "an even longer password", "password2": "an even longer password"},
    )

    assert changed.headers["location"] == "/"
    assert here.get("/keys/").status_code == 200
    assert elsewhere.get("/keys/").status_code == 302


def test_changing_the_password_wants_the_old_one(alice):
    page = signed_in(alice).post(
        "/account/password/change/",
        {"oldpassword": "no idea", "password1": "an even longer password", "password2": "an even longer password"},
    )

    assert "This is not your current password." in page.text
    assert Client().login(email="alice@example.org", password=PASSWORD)


def test_forgotten_password_is_replaced_through_the_mailed_link(alice, client, mailbox):
    client.post("/account/password/reset/", {"email": "alice@example.org"})
    [message] = mailbox
    link = urlsplit(re.search(r"http://\S+", message.body)[0]).path

    form_at = client.get(link, follow=True).redirect_chain[-1][0]
    client.post(form_at, {"password1": "an even longer password", "password2": "an even longer password"})

    assert sign_in(client).status_code == 200
    assert sign_in(client, password="an even longer password").status_code == 302
    assert "This link no longer works" in Client().get(link, follow=True).text


def test_reset_answers_strangers_like_people(alice, client, mailbox):
    known = client.post("/account/password/reset/", {"email": "alice@example.org"}, follow=True)
    unknown = client.post("/account/password/reset/", {"email": "nobody@example.org"}, follow=True)

    assert known.redirect_chain == unknown.redirect_chain == [("/account/password/reset/done/", 302)]
    assert without_token(known.text) == without_token(unknown.text)
    assert [message.to for message in mailbox] == [["alice@example.org"], ["nobody@example.org"]]


def test_without_a_mail_server_reset_says_who_can_help_and_how(alice, client):
    page = client.get("/account/password/reset/")
    refused = client.post("/account/password/reset/", {"email": "alice@example.org"})

    assert "python3 manage.py changepassword &lt;e-mail&gt;" in page.text
    assert '<form class="form"' not in page.text
    assert refused.status_code == 503
    assert "python3 manage.py changepassword" in refused.text


def test_mail_server_that_takes_no_mail_is_told_alike_for_everybody(alice, client, settings):
    settings.SENDS_MAIL = True
    settings.MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": 9, "timeout": 2},
        }
    }

    known = client.post("/account/password/reset/", {"email": "alice@example.org"})
    unknown = client.post("/account/password/reset/", {"email": "nobody@example.org"})

    assert known.status_code == unknown.status_code == 503
    assert "The mail could not be sent" in known.text


def test_whoever_runs_the_server_can_set_a_password(bob, client, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda *prompt, **options: "set by the operator")

    call_command("changepassword", "bob@example.org", stdout=StringIO())

    assert sign_in(client, email="bob@example.org", password="set by the operator").status_code == 302


def test_by_invitation_the_page_says_how_to_get_in(alice, client, settings):
    settings.SIGNUP = "invitation"

    page = client.get("/account/signup/")
    answer = client.post("/account/signup/", new_person())

    assert "By invitation" in page.text
    assert "manage.py adduser" in page.text
    assert answer.status_code in (200, 403)
    assert not User.objects.filter(email="charlie@example.org").exists()


def new_person(**changed: str) -> dict[str, str]:
    return {
        "name": "charlie",
        "email": "charlie@example.org",
        "password1": PASSWORD,
        "team_name": "Elsewhere",
    } | changed


def test_open_sign_up_founds_a_team_of_ones_own(alice, client, settings):
    settings.SIGNUP = "open"

    welcome = client.post("/account/signup/", new_person(), follow=True)

    assert welcome.redirect_chain == [("/welcome/", 302)]
    charlie = User.objects.get(email="charlie@example.org")
    assert charlie.name == "charlie"
    [membership] = charlie.memberships.all()
    assert (membership.role, membership.team.name) == ("owner", "Elsewhere")
    assert membership.team.models.callable_now().exists()
    assert set(Team.objects.values_list("name", flat=True)) == {"Northlight", "Elsewhere"}


def test_address_that_is_taken_founds_nothing(alice, client, settings):
    settings.SIGNUP = "open"

    page = client.post("/account/signup/", new_person(email="ALICE@example.org"))

    assert "This address cannot be used for a new account." in page.text
    assert Team.objects.count() == 1


def test_weak_password_is_refused_at_sign_up(alice, client, settings):
    settings.SIGNUP = "open"

    page = client.post("/account/signup/", new_person(password1="charlie@example.org"))

    assert page.context["form"].errors.keys() == {"password1"}


@pytest.mark.parametrize("left_out", ["email/", "reauthenticate/", "password/set/", "confirm-email/", "login/code/"])
def test_pages_that_nothing_needs_are_not_there(alice, left_out):
    assert signed_in(alice).get(f"/account/{left_out}").status_code == 404
