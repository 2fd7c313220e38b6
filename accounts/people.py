"""Founding teams and adding people to them. The only writer of User, Team, Membership and Installation rows."""

from django.db import IntegrityError, transaction

from accounts import vault
from accounts.models import Installation, Membership, Team, User
from accounts.refusals import Conflict


def is_founded() -> bool:
    """Whether the first owner exists, and the first-run page is closed for good."""
    return Installation.objects.exists()


@transaction.atomic
def found_team(owner: User, *, name: str) -> Team:
    """A team with its owner and the built-in provider's row."""
    team = Team.objects.create(name=name.strip())
    Membership.objects.create(team=team, user=owner, role=Membership.Role.OWNER)
    vault.store_embedded(team)
    return team


def found_installation(*, name: str, email: str, password: str, team_name: str) -> tuple[User, Team]:
    """The first owner and their team. Raises Conflict for whoever comes second."""
    try:
        with transaction.atomic():
            owner = User.objects.create_user(email=email, password=password, name=name.strip())
            Installation.objects.create(owner=owner)
            return owner, found_team(owner, name=team_name)
    except IntegrityError:
        raise Conflict("The owner account exists already. Log in, or ask the owner for an invitation.") from None


def add_member(team: Team, *, user: User, role: Membership.Role) -> Membership:
    """Put a person into a team, or return their membership if they are in it."""
    membership, _ = Membership.objects.get_or_create(team=team, user=user, defaults={"role": role})
    return membership
