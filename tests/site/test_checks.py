"""What stops the start beside a bad setting."""

import json

import pytest
from django.core.checks import run_checks

from accounts import vault
from accounts.models import Provider

STORE_A_KEY = """
import django; django.setup()
from accounts import people, vault
from accounts.models import Provider
_, team = people.found_installation(name="alice", email="alice@example.org", password="x" * 12, team_name="Northlight")
vault.store(team, kind=Provider.Kind.EMMA18, name="Lab", base_url="https://api.example.org", api_key="sk-0123456789")
"""
WITHOUT_WAL = """
import django; django.setup()
from django.core.checks import run_checks
from django.db import connection
connection.cursor().execute("PRAGMA journal_mode=DELETE")
print([error.id for error in run_checks(databases=["default"]) if not error.is_silenced()])
"""


def found() -> list[str]:
    return [message.id for message in run_checks(databases=["default"]) if not message.is_silenced()]


@pytest.fixture
def sealed(alice) -> Provider:
    return vault.store(
        alice.team,
        kind=Provider.Kind.EMMA18,
        name="Lab",
        base_url="https://api.example.org/v1",
        api_key="sk-0123456789",
    )


def test_installation_as_it_is_has_nothing_to_say(sealed):
    assert found() == []


def test_other_master_key_is_noticed(sealed, settings):
    settings.MASTER_KEYS = {settings.MASTER_KEY_ID: "A" * 43 + "="}

    assert found() == ["emma18.E003"]


def test_missing_master_key_is_noticed(sealed, settings):
    settings.MASTER_KEYS = {"k2": "A" * 43 + "="}
    settings.MASTER_KEY_ID = "k2"

    assert found() == ["emma18.E003"]


def test_checks_cost_the_same_queries_however_many_keys_are_sealed(sealed, alice, django_assert_max_num_queries):
    found()  # Django asks the database what it can do, once
    for number in range(5):
        vault.store(
            alice.team, kind=Provider.Kind.EMMA18, name=f"Lab {number}", base_url="https://x.example.org", api_key="k"
        )

    with django_assert_max_num_queries(3):  # the tables, the journal mode, the sealed keys
        assert found() == []


@pytest.mark.django_db
def test_data_folder_that_takes_no_files_is_noticed(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "unplugged"

    assert found() == ["emma18.E001"]


def test_sqlite_that_does_not_write_ahead_is_noticed(python):
    assert python("-c", WITHOUT_WAL).stdout.strip() == "['emma18.E002']"


def test_restored_database_with_another_secrets_file_does_not_start(python, tmp_path):
    python("-m", "django", "migrate", "--verbosity", "0")
    python("-c", STORE_A_KEY)
    secrets = tmp_path / "data" / "secrets.json"
    other = json.loads(secrets.read_text()) | {"master_keys": {"k1": "A" * 43 + "="}}
    secrets.write_text(json.dumps(other))

    started = python("-m", "django", "migrate")

    assert started.returncode != 0
    assert "The stored key of Lab cannot be opened." in started.stderr
    assert "Restore that file from the backup the database came from." in started.stderr
    assert "Traceback" not in started.stderr
