"""The demo team: made once, told again, and never where others live."""

import json
import subprocess

import pytest
from django.core.management import CommandError, call_command

from accounts import keys
from accounts.models import AccessKey, Membership, User
from emma18_site import demo, onboarding
from tests.conftest import PASSWORD
from tests.server import RunningServer

pytestmark = pytest.mark.django_db


def told(capsys) -> dict:
    call_command("seed", "--json")
    return json.loads(capsys.readouterr().out)


def test_demo_team_is_the_one_promised(capsys):
    seeded = told(capsys)

    assert list(seeded) == ["base_url", "people", "access_key"]
    assert [(person["email"], person["role"], person["team"]) for person in seeded["people"]] == [
        ("alice@example.org", "owner", "Northlight"),
        ("bob@example.org", "member", "Northlight"),
        ("vera@example.org", "viewer", "Northlight"),
        ("charlie@example.org", "owner", "Elsewhere"),
    ]


def test_told_passwords_and_key_work(capsys, client):
    seeded = told(capsys)

    for person in seeded["people"]:
        assert client.login(email=person["email"], password=person["password"])
    caller = keys.caller_with(f"Bearer {seeded['access_key']}")
    assert (caller.user.email, caller.team.name) == ("alice@example.org", "Northlight")


def test_each_demo_team_can_call_the_built_in_model(capsys):
    told(capsys)

    for membership in Membership.objects.filter(role="owner").select_related("team"):
        assert membership.team.models.callable_now().exists()


def test_second_run_tells_the_same_and_changes_nothing(capsys):
    def rows() -> list:
        return [*User.objects.order_by("pk").values(), *Membership.objects.values(), *AccessKey.objects.values()]

    first, after_first = told(capsys), rows()

    assert told(capsys) == first
    assert rows() == after_first


def test_key_that_was_revoked_stays_so_and_another_is_told(capsys):
    first = told(capsys)["access_key"]
    AccessKey.objects.update(revoked_at="2026-01-01T00:00:00Z")

    second, third = told(capsys)["access_key"], told(capsys)["access_key"]

    assert first != second == third
    assert keys.caller_with(f"Bearer {second}")


def test_person_who_lost_the_demo_password_gets_it_back(capsys, client):
    bob = told(capsys)["people"][1]
    user = User.objects.get(email=bob["email"])
    user.set_password("something else entirely")
    user.save()

    told(capsys)

    assert client.login(email=bob["email"], password=bob["password"])


def test_passwords_and_key_cannot_be_guessed_without_the_installations_secret(settings):
    here = demo.seed()
    settings.SECRET_KEY = "another installation's secret, as long as it has to be"

    elsewhere = demo.seed()

    assert here.access_key != elsewhere.access_key
    assert not {person.password for person in here.people} & {person.password for person in elsewhere.people}


def test_installation_of_somebody_else_is_left_alone():
    onboarding.found_installation(name="charlie", email="charlie@example.org", password=PASSWORD, team_name="Elsewhere")

    with pytest.raises(CommandError, match="This installation has an owner already. Seed an empty one"):
        call_command("seed")
    assert User.objects.count() == 1


def test_command_prints_one_object_and_nothing_else(server: RunningServer):
    seeded = json.loads(server.manage("seed", "--json"))

    assert seeded["base_url"] == server.base_url
    assert json.loads(server.manage("seed", "--json")) == seeded


def test_command_may_be_the_first_on_a_fresh_data_folder(python):
    seeded = python("-m", "django", "seed", "--json")

    assert json.loads(seeded.stdout)["base_url"] == "http://127.0.0.1:8018"


def test_address_is_the_one_the_folder_was_last_served_at(settings, tmp_path):
    settings.ADDRESS_FILE = tmp_path / "address"
    settings.ADDRESS_FILE.write_text("http://127.0.0.1:9000")

    assert demo.seed().base_url == "http://127.0.0.1:9000"


def test_refusal_of_the_command_is_a_sentence_and_not_a_success(server: RunningServer):
    server.run_python(
        "from emma18_site import onboarding\n"
        "onboarding.found_installation(name='charlie', email='c@example.org', password='x' * 12, team_name='Elsewhere')"
    )

    with pytest.raises(subprocess.CalledProcessError) as ended:
        server.manage("seed", "--json")

    assert ended.value.stdout == ""
    assert ended.value.stderr.strip().endswith("Seed an empty one: set EMMA18_DATA_DIR to a new folder.")
    assert "Traceback" not in ended.value.stderr
