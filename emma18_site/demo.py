"""The demo team, for trying things out and for tests: alice owns Northlight, bob is a member, vera views; charlie owns
another team, Elsewhere.

Their passwords and alice's access key are derived from the installation's own secret: a second run tells them again
although they are kept nowhere, and nobody without that secret can guess them.
"""

from dataclasses import dataclass
from itertools import count

from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

from accounts import keys, people
from accounts.callers import Caller
from accounts.models import Installation, Membership, Team, User
from accounts.refusals import Conflict
from emma18_site import onboarding

Role = Membership.Role


@dataclass(frozen=True, slots=True)
class DemoPerson:
    email: str
    password: str
    role: str
    team: str


@dataclass(frozen=True, slots=True)
class Demo:
    base_url: str
    people: list[DemoPerson]
    access_key: str


@transaction.atomic
def seed() -> Demo:
    """Make what is missing and give a demo password back to who lost it. Raises Conflict where others live already."""
    alice, northlight = _alice()
    memberships = [
        Membership.objects.get(user=alice, team=northlight),
        people.add_member(northlight, user=_person("bob"), role=Role.MEMBER),
        people.add_member(northlight, user=_person("vera"), role=Role.VIEWER),
        _charlies_membership(),
    ]
    caller = Caller(user=alice, team=northlight, role=Role(memberships[0].role))
    return Demo(
        base_url=_address(),
        people=[
            DemoPerson(each.user.email, _password(each.user.name), each.role, each.team.name) for each in memberships
        ],
        access_key=_access_key(caller),
    )


def _alice() -> tuple[User, Team]:
    installation = Installation.objects.select_related("owner").first()
    if installation is None:
        return onboarding.found_installation(
            name="alice", email=_email("alice"), password=_password("alice"), team_name="Northlight"
        )
    if installation.owner.email != _email("alice"):
        raise Conflict(
            "This installation has an owner already. Seed an empty one: set EMMA18_DATA_DIR to a new folder."
        )
    return _person("alice"), installation.owner.teams.order_by("pk")[0]


def _charlies_membership() -> Membership:
    charlie = _person("charlie")
    if not charlie.memberships.exists():
        onboarding.found_team(charlie, name="Elsewhere")
    return charlie.memberships.select_related("team").order_by("pk")[0]


def _person(name: str) -> User:
    known = User.objects.filter(email=_email(name)).first()
    if known is None:
        return people.add_person(name=name, email=_email(name), password=_password(name))
    if not known.check_password(_password(name)):
        people.set_password(known, _password(name))
    return known


def _access_key(caller: Caller) -> str:
    """The first derived key that nobody has revoked: what was revoked stays so."""
    derived = (keys.drawn_from(_derived(f"access key {number}")) for number in count(1))
    key, row = next((key, row) for key in derived if (row := keys.find(key)) is None or row.revoked_at is None)
    if row is None:
        keys.issue(caller, name="demo", key=key)
    return key


def _address() -> str:
    """Where this installation is or was last served, which `seed` is not told."""
    return settings.ADDRESS_FILE.read_text() if settings.ADDRESS_FILE.exists() else settings.ADDRESS


def _email(name: str) -> str:
    return f"{name}@example.org"


def _password(name: str) -> str:
    digits = _derived(f"password of {name}").hex()
    return "-".join(digits[start : start + 5] for start in range(0, 20, 5))


def _derived(purpose: str) -> bytes:
    return salted_hmac("emma18 demo team", purpose, algorithm="sha256").digest()
