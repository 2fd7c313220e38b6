"""The ledger as a table for spreadsheets, the newest line first, a page of it at a time."""

from datetime import UTC

from accounts import csv_cells, movements
from accounts.callers import Caller
from accounts.csv_cells import text
from accounts.models import Hold
from accounts.money import decimal_dollars
from accounts.movements import Line

HEAD = (
    *("time", "what", "member", "from", "model", "request_id", "entry"),
    *("cost_usd", "change_usd", "credit_after_usd"),
)
PART = 1000
_WORDS = {Hold.State.OPEN.value: "held", Hold.State.RELEASED.value: "given back"}


def head() -> str:
    return csv_cells.lines([HEAD])


def part(caller: Caller, *, before: str) -> tuple[str, str]:
    """The lines behind that cursor, and the cursor of those behind them, or ''."""
    page = movements.page(caller, before=before, size=PART)
    return csv_cells.lines(_cells(line) for line in page.lines), page.older


def _cells(line: Line) -> list[str | int]:
    return [
        line.at.astimezone(UTC).isoformat(),
        _WORDS.get(line.kind, line.kind),
        text(line.member),
        text(line.source),
        text(line.model_id),
        line.request_id,
        line.number or "",
        _amount(line.cost_nanousd),
        decimal_dollars(line.change_nanousd),
        _amount(line.after_nanousd),
    ]


def _amount(nanousd: int | None) -> str:
    return "" if nanousd is None else decimal_dollars(nanousd)
