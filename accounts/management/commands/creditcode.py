"""`manage.py creditcode 50 --count 3 --expires 2026-12-31` makes codes that add credit to a team."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import codes, money
from accounts.refusals import Refusal


class Command(BaseCommand):
    help = "Make credit codes and print them, one a line. They are kept nowhere and cannot be printed again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("amount", help="what each is worth, in dollars, such as 50 or 12.50")
        parser.add_argument("--count", type=int, default=1, help="how many (%(default)s)")
        parser.add_argument("--expires", metavar="DAY", help="their last day, such as 2026-12-31, by UTC")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = codes.issue(
                amount_nanousd=money.from_dollars(options["amount"]),
                count=options["count"],
                expires_at=_end(options["expires"]),
            )
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None
        for code in made:
            self.stdout.write(code)


def _end(day: str | None) -> datetime | None:
    """When that day is over."""
    if day is None:
        return None
    try:
        last = date.fromisoformat(day)
        return datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise CommandError(f"{day!r} is no day. Write it such as 2026-12-31.") from None
