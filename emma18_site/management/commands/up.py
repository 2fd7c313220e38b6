"""`manage.py up` runs the whole installation. Written out in emma18_site/startup.py."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from emma18_site import startup


class Command(BaseCommand):
    help = "Run EMMA18: prepare the database and the static files, then serve until Ctrl-C."
    requires_system_checks = []  # startup runs them once the database can be asked

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # manage.py has read --data before settings loaded, and knows no abbreviations.
        return super().create_parser(prog_name, subcommand, allow_abbrev=False, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.LISTEN_HOST, help="address to listen on (%(default)s)")
        parser.add_argument("--port", type=int, default=settings.LISTEN_PORT, help="port to listen on (%(default)s)")
        parser.add_argument("--data", metavar="DIR", help="folder for everything kept, like EMMA18_DATA_DIR")
        parser.add_argument("--no-embedded", action="store_true", help="leave out the built-in model")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            startup.run(options["host"], options["port"], with_embedded=not options["no_embedded"])
        except startup.CannotStart as refusal:
            self.stderr.write(str(refusal))
            raise SystemExit(2) from None
