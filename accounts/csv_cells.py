"""Cells of exported tables, safe to open in a spreadsheet: text that one would run as a formula stays text."""

import csv
import io
from collections.abc import Iterable
from typing import Any

from accounts import key_names

_RUNS = ("=", "+", "-", "@", "\t", "\r")


def text(value: str) -> str:
    """What a person or a provider wrote. A leading apostrophe tells spreadsheets that it is text."""
    value = key_names.plain(value)
    return f"'{value}" if value.startswith(_RUNS) else value


def lines(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as lines of CSV. Amounts go in as `money.decimal_dollars`, what people wrote as `text`."""
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
