"""Statements written by hand, and the lock on a team's money. Knows no rule of the ledger.

Money is read and written several times a request; at that rate Django's building of a statement costs ten times what
SQLite takes to run it. The same text runs on SQLite and PostgreSQL.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone


def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [_stored(value) for value in values])
        return cursor.fetchall()


def changed(sql: str, *values: Any) -> int:
    """How many rows the statement changed."""
    with connection.cursor() as cursor:
        cursor.execute(sql, [_stored(value) for value in values])
        return cursor.rowcount


def _stored(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value


def lock_money(team_ids: Iterable[int]) -> datetime:
    """Freeze the wallets of these teams, and with them their holds and budgets, until the caller's transaction ends.

    Returns the database's time, which is one for all processes. Whoever changes a team's money locks here first, so
    two of them never wait for each other; who locks several teams names them in one call.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Money is changed inside a transaction only.")
    if connection.vendor == "sqlite":
        return timezone.now()  # the transaction began with the one write lock there is (IMMEDIATE)
    ids = sorted(set(team_ids))
    places = ", ".join(["%s"] * len(ids))
    locked = rows(
        "SELECT team_id, clock_timestamp() FROM accounts_wallet "
        f"WHERE team_id IN ({places}) ORDER BY team_id FOR UPDATE",
        *ids,
    )
    now: datetime = locked[-1][1]
    return now
