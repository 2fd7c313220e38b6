"""How a team comes to be, across rooms: its people, its built-in provider, and that provider's model in the catalog."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from accounts import people
from accounts.models import Team, User
from catalog import sync


@transaction.atomic
def found_installation(*, name: str, email: str, password: str, team_name: str) -> tuple[User, Team]:
    """The first owner with a team that can chat at once. Raises Conflict when the owner exists already."""
    owner, team = people.found_installation(name=name, email=email, password=password, team_name=team_name)
    sync.offer_embedded(team)
    return owner, team


@transaction.atomic
def found_team(owner: User, *, name: str) -> Team:
    team = people.found_team(owner, name=name)
    sync.offer_embedded(team)
    return team


class AccountAdapter(DefaultAccountAdapter):
    """Lets people sign up by themselves only where EMMA18_SIGNUP=open, and then gives each a team of their own."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.SIGNUP == "open" and people.is_founded()

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user.name = form.cleaned_data["name"]
        with transaction.atomic():
            saved: User = super().save_user(request, user, form, commit=commit)
            found_team(saved, name=form.cleaned_data["team_name"])
        return saved
