"""Founding teams and adding people to them. The only writer of User, Team, Membership and Installation rows."""

from django.db import IntegrityError, transaction

from accounts import audit, ledger, vault
from accounts.callers import Caller
from accounts.models import Installation, Membership, Team, User
from accounts.refusals import Conflict, Forbidden


def is_founded() -> bool:
    """Whether the first owner exists, and the first-run page is closed for good."""
    return Installation.objects.exists()


def already_founded() -> Conflict:
    return Conflict("The owner account exists already. Sign in, or ask the owner to add you.", code="already_founded")


def add_person(*, name: str, email: str, password: str) -> User:
    """A person in no team yet. Raises IntegrityError where the e-mail address is taken."""
    return User.objects.create_user(email=email, password=password, name=name.strip())


def set_password(user: User, password: str) -> None:
    """Ends every session of theirs."""
    user.set_password(password)
    user.save(update_fields=["password"])


@transaction.atomic
def found_team(owner: User, *, name: str) -> Team:
    """A team with its owner, an empty wallet and the built-in provider's row."""
    team = Team.objects.create(name=name.strip())
    ledger.open_wallet(team)
    Membership.objects.create(team=team, user=owner, role=Membership.Role.OWNER)
    vault.store_embedded(team)
    return team


def found_installation(*, name: str, email: str, password: str, team_name: str) -> tuple[User, Team]:
    """The first owner and their team. Raises Conflict for whoever comes second."""
    try:
        with transaction.atomic():
            owner = add_person(name=name, email=email, password=password)
            Installation.objects.create(owner=owner)
            return owner, found_team(owner, name=team_name)
    except IntegrityError:
        raise already_founded() from None


def add_member(team: Team, *, user: User, role: Membership.Role) -> Membership:
    """Put a person into a team, or return their membership if they are in it."""
    membership, _ = Membership.objects.get_or_create(team=team, user=user, defaults={"role": role})
    return membership


def join_first_team(*, name: str, email: str, password: str, role: Membership.Role) -> Membership:
    """A new person in the founding owner's team. Raises Conflict when there is no team yet or the address is taken."""
    team = Team.objects.filter(memberships__user__in=Installation.objects.values("owner")).order_by("pk").first()
    if team is None:
        raise Conflict("There is no team yet. Create the owner account in the browser first.")
    try:
        with transaction.atomic():
            user = User.objects.create_user(email=email, password=password, name=name.strip()[:80])
            return add_member(team, user=user, role=role)
    except IntegrityError:
        raise Conflict(f"{email} has an account already. Set a new password with changepassword.") from None


def member(team: Team, *, user: User) -> Caller:
    """A person acting in a team they belong to. Raises Forbidden when they no longer do."""
    membership = team.memberships.filter(user=user).first()
    if membership is None:
        raise Forbidden(f"{user.name} is no longer in {team.name}.")
    return Caller(user=user, team=team, role=Membership.Role(membership.role))


@transaction.atomic
def set_may_use_unpriced(team: Team, *, by: User, may_use_unpriced: bool) -> None:
    """Let requests that a budget applies to call models whose price nobody knows, or refuse them. A repeat changes
    nothing."""
    if Team.objects.filter(pk=team.pk, may_use_unpriced=not may_use_unpriced).update(may_use_unpriced=may_use_unpriced):
        audit.record(
            team.pk,
            actor=by,
            action="unpriced models allowed" if may_use_unpriced else "unpriced models refused",
            subject=team.name,
        )
