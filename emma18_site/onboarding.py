"""How a team comes to be, across rooms: its people, its built-in provider, and that provider's model in the catalog."""

import logging
from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from accounts import people
from accounts.models import Team, User
from accounts.refusals import Unavailable
from catalog import sync

logger = logging.getLogger(__name__)


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

    error_messages: ClassVar = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "The e-mail address or the password is not right.",
        "email_taken": "This address cannot be used for a new account. If it is yours, sign in instead.",
        "too_many_login_attempts": "Too many failed attempts. Wait five minutes, then try again.",
        "enter_current_password": "This is not your current password.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return settings.SIGNUP == "open" and people.is_founded()

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user.name = form.cleaned_data["name"]
        with transaction.atomic():
            saved: User = super().save_user(request, user, form, commit=commit)
            found_team(saved, name=form.cleaned_data["team_name"])
        return saved

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Raises Unavailable, the same for every address, when the mail server does not take the mail."""
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # sockets, TLS and every SMTP refusal
            logger.warning("mail not sent", extra={"error": type(error).__name__})
            raise Unavailable("The mail could not be sent: the mail server did not take it. Try again later.") from None

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return reverse("welcome")

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("home")
