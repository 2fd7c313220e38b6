"""The cast and the things they use. alice owns the team, bob is a member, vera views, charlie owns another team."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from accounts import invariants, keys, people
from accounts.callers import Caller
from accounts.models import Membership, Team, User
from catalog import experience, lines
from emma18_site import onboarding
from tests.server import RunningServer, running_server

PASSWORD = "a long enough password"

# How long an example takes says how busy the machine is.
hypothesis_settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def collected_static_files() -> None:
    call_command("collectstatic", interactive=False, verbosity=0)


@pytest.fixture(scope="session", autouse=True)
def sessions_of_other_threads(django_db_setup, django_db_blocker) -> Iterator[None]:
    """Ended at the end: PostgreSQL drops no test database that a thread of the pool is still connected to."""
    yield
    # Without a test that needs one there is no test database, and these would be everybody's.
    if connection.vendor == "postgresql" and connection.settings_dict["NAME"].startswith("test_"):
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connection.close()


@pytest.fixture(autouse=True)
def cheap_passwords(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Tests share a process and the numbers of rows; what is kept of one must not be seen in the next."""
    experience.forget()
    lines.forget()
    cache.clear()  # failed logins, which lock a visitor's address and name for minutes


@pytest.fixture(autouse=True)
def proven_ledger(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did, every amount of money must be accounted for after it."""
    mark = request.node.get_closest_marker("django_db")
    is_transactional = "transactional_db" in request.fixturenames or (mark and mark.kwargs.get("transaction"))
    if not (mark or is_transactional or "db" in request.fixturenames):
        yield
        return
    request.getfixturevalue("transactional_db" if is_transactional else "db")
    yield
    assert [str(breach) for breach in invariants.breaches()] == []
    if is_transactional and connection.vendor == "sqlite":
        _forget_entries()


@transaction.atomic
def _forget_entries() -> None:
    """What follows a transactional test deletes all rows, which the triggers refuse. PostgreSQL truncates instead."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute("DELETE FROM accounts_entry")
        cursor.execute("DELETE FROM accounts_auditentry")
        for _, sql in triggers:
            cursor.execute(sql)


@pytest.fixture
def alice(db) -> Caller:
    user, team = onboarding.found_installation(
        name="alice", email="alice@example.org", password=PASSWORD, team_name="Northlight"
    )
    return Caller(user=user, team=team, role=Membership.Role.OWNER)


@pytest.fixture
def team(alice: Caller) -> Team:
    return alice.team


def _joined(team: Team, name: str, role: Membership.Role) -> Caller:
    user = User.objects.create_user(email=f"{name}@example.org", password=PASSWORD, name=name)
    people.add_member(team, user=user, role=role)
    return Caller(user=user, team=team, role=role)


@pytest.fixture
def bob(team: Team) -> Caller:
    return _joined(team, "bob", Membership.Role.MEMBER)


@pytest.fixture
def vera(team: Team) -> Caller:
    return _joined(team, "vera", Membership.Role.VIEWER)


@pytest.fixture
def charlie(alice: Caller) -> Caller:
    """A stranger: the owner of another team in the same installation."""
    user = User.objects.create_user(email="charlie@example.org", password=PASSWORD, name="charlie")
    return Caller(user=user, team=onboarding.found_team(user, name="Elsewhere"), role=Membership.Role.OWNER)


@pytest.fixture
def access_key(alice: Caller) -> str:
    return keys.issue(alice, name="laptop")[1]


def signed_in(caller: Caller) -> Client:
    """A browser in which the person is logged in."""
    client = Client()
    client.force_login(caller.user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return client


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """A real server on an empty database of its own, without the built-in model."""
    with running_server() as running:
        yield running
