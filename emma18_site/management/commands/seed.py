"""`manage.py seed` makes the demo team, or tells it again. Made in emma18_site/demo.py."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.refusals import Refusal
from emma18_site import demo


class Command(BaseCommand):
    help = "Make a demo team in an empty installation, or tell its passwords and key again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0)  # so that it may be the first command on a fresh clone
        try:
            seeded = demo.seed()
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
        if options["json"]:
            self.stdout.write(json.dumps(asdict(seeded), indent=2))
            return
        for person in seeded.people:
            self.stdout.write(f"{person.email:22} {person.password:26} {person.role} of {person.team}")
        self.stdout.write(f"\nAccess key  {seeded.access_key}\nAddress     {seeded.base_url}")
