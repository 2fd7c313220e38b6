"""The first run: an empty installation gets its owner and team, once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest

from accounts.models import Team, User
from tests.conftest import PASSWORD
from tests.server import RunningServer

ALICE = {"name": "alice", "email": "alice@example.org", "password": PASSWORD, "team_name": "Northlight"}


@pytest.mark.django_db
def test_first_visitor_is_asked_for_nothing_but_the_owner(client):
    page = client.get("/")

    assert page.status_code == 200
    assert list(page.context["form"].fields) == ["name", "email", "password", "team_name"]


@pytest.mark.django_db
def test_owner_is_signed_in_and_welcomed_by_name(client):
    welcome = client.post("/", ALICE, follow=True)

    assert welcome.redirect_chain == [("/welcome/", 302)]
    assert "Hello alice" in welcome.text
    assert "Northlight" in welcome.text


@pytest.mark.django_db
def test_new_team_can_call_the_built_in_model(client):
    client.post("/", ALICE)

    offered = Team.objects.get().models.callable_now().values_list("model_id", flat=True)

    assert list(offered) == ["embedded/smollm2-135m-instruct"]


def test_page_is_closed_once_the_owner_exists(alice, client):
    assert client.get("/").headers["location"] == "/account/login/"

    late = client.post("/", ALICE | {"email": "charlie@example.org"})

    assert late.status_code == 409
    assert "The owner account exists already. Sign in, or ask the owner to add you." in late.text
    assert User.objects.count() == 1


def test_of_two_owners_at_once_one_is_told_that_it_is_taken(server: RunningServer):
    both_ready = Barrier(2)

    def found(name: str) -> httpx.Response:
        with httpx.Client(base_url=server.base_url) as browser:
            browser.get("/")
            answers = ALICE | {"email": f"{name}@example.org", "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
            both_ready.wait()
            return browser.post("/", data=answers)

    with ThreadPoolExecutor(2) as people:
        answers = sorted(people.map(found, ["alice", "charlie"]), key=lambda answer: answer.status_code)

    assert [answer.status_code for answer in answers] == [302, 409]
    assert "The owner account exists already" in answers[1].text
    count = "from accounts.models import Team, User\nprint(User.objects.count(), Team.objects.count())"
    assert server.run_python(count).split() == ["1", "1"]


@pytest.mark.django_db
def test_what_was_typed_is_kept_except_the_password(client):
    page = client.post("/", ALICE | {"email": "alice at example"})

    assert page.status_code == 422
    assert page.context["form"].errors.keys() == {"email"}
    assert 'value="Northlight"' in page.text
    assert PASSWORD not in page.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("short", "at least 10 characters"),
        ("alice@example", "too similar to the email"),
        ("password123456", "too common"),
        ("8492038475610", "entirely numeric"),
    ],
)
def test_weak_password_is_refused_at_its_field(client, password, sentence):
    page = client.post("/", ALICE | {"password": password})

    assert page.status_code == 422
    assert sentence in " ".join(page.context["form"].errors["password"])
    assert not User.objects.exists()


@pytest.mark.django_db
def test_installation_says_truly_what_it_has(client, settings):
    settings.SENDS_MAIL = False

    parts = {part.name: part for part in client.get("/").context["installation"]}

    assert parts.keys() == {"Database", "Built-in model", "Data folder", "Outgoing mail", "Providers"}
    assert parts["Data folder"].state == "ready"
    assert (parts["Built-in model"].state, parts["Outgoing mail"].state) == ("none", "none")
    assert "EMMA18_SMTP_URL" in parts["Outgoing mail"].detail


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/account/login/", "/account/signup/"])
def test_nobody_is_asked_to_sign_in_before_there_are_people(client, address):
    assert client.get(address).headers["location"] == "/"
