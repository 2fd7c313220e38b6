"""Days of usage as a table for spreadsheets: one line for each day, member, key, model and provider."""

from dataclasses import dataclass
from datetime import date

from accounts import csv_cells, raises, usage
from accounts.callers import Caller
from accounts.csv_cells import text
from accounts.models import UsageDay
from accounts.money import decimal_dollars
from accounts.reports import Asked
from accounts.usage import Names, Span

HEAD = (
    *("day", "member", "key", "model", "provider", "requests", "failed", "refused"),
    *("tokens_in", "tokens_out", "spent_usd"),
)


@dataclass(frozen=True, slots=True)
class Days:
    """What is exported, to be read a day at a time: nobody holds all of it in memory."""

    caller: Caller
    asked: Asked
    span: Span

    @property
    def file_name(self) -> str:
        return f"usage-{self.span.first}-{self.span.until}.csv"

    @property
    def head(self) -> str:
        return csv_cells.lines([HEAD])

    def lines(self, day: date) -> str:
        """The lines of one day of the span. Three queries, one for a day without usage."""
        rows = list(usage.on(self.caller, day, self.asked.filters))
        if not rows:
            return ""
        names = usage.names(members=(row.user_id for row in rows), keys=(row.access_key_id for row in rows))
        return csv_cells.lines(_cells(row, names) for row in rows)


def days(caller: Caller, asked: Asked) -> Days:
    return Days(caller, asked, usage.span(asked.range, today=raises.today(caller.team)))


def _cells(row: UsageDay, names: Names) -> list[str | int]:
    return [
        row.day.isoformat(),
        text(names.of("member", row.user_id)),
        text(names.key(row.access_key_id)),
        text(row.model_id),
        text(row.provider_name),
        row.requests,
        row.failed,
        row.refused,
        row.tokens_in,
        row.tokens_out,
        decimal_dollars(row.spent_nanousd),
    ]
