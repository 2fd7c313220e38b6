"""`manage.py bench NAME` measures EMMA18 on this machine. Each bench is a module of tests/bench."""

from dataclasses import fields
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tests.bench import catalog, gallery, gateway, pages

# A bench has HELP, add_arguments(parser), Options of the same names, and run(options, write=), which prints what it
# found and returns how much of what was asked of EMMA18 failed.
BENCHES = {"catalog": catalog, "gallery": gallery, "gateway": gateway, "pages": pages}


class Command(BaseCommand):
    help = "Measure EMMA18 on this machine, in data folders of its own."
    requires_system_checks = []  # nothing of this installation is used

    def add_arguments(self, parser: CommandParser) -> None:
        benches = parser.add_subparsers(dest="bench", required=True, metavar="BENCH")
        for name, bench in BENCHES.items():
            bench.add_arguments(benches.add_parser(name, help=bench.HELP))

    def handle(self, *args: Any, bench: str, **options: Any) -> None:
        chosen = BENCHES[bench]
        wanted = {field.name: options[field.name] for field in fields(chosen.Options)}
        if failed := chosen.run(chosen.Options(**wanted), write=self.stdout.write):
            raise CommandError(f"EMMA18 failed {failed:,} times, see above: the figures are not to be trusted.")
