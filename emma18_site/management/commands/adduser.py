"""`manage.py adduser bob@example.org --name bob` puts a person into the owner's team and prints their password."""

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from accounts import people
from accounts.models import Membership
from accounts.refusals import Refusal

ROLES = [role.value for role in Membership.Role if role != Membership.Role.OWNER]


class Command(BaseCommand):
    help = "Add a person to the owner's team, with a password to hand to them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", required=True)
        parser.add_argument("--role", choices=ROLES, default="member")

    def handle(self, *args: Any, **options: Any) -> None:
        password = secrets.token_urlsafe(12)
        try:
            validate_email(options["email"])
            people.join_first_team(
                name=options["name"], email=options["email"], password=password, role=Membership.Role(options["role"])
            )
        except ValidationError:
            raise CommandError(f"{options['email']!r} is no e-mail address.") from None
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
        self.stdout.write(f"{options['email']} may sign in with the password {password} and change it there.")
