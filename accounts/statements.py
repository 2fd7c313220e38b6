"""Statements written by hand, and the lock on a team's money. Knows no rule of the ledger.

Money is read and written several times a request; at that rate Django's building of a statement costs ten times what
SQLite takes to run it. The same text runs on SQLite and PostgreSQL.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.utils import timezone


def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(_ran(sql, values)) as cursor:
        try:
            found: list[tuple[Any, ...]] = cursor.fetchall()
        except sqlite3.Error:
            with connections[DEFAULT_DB_ALIAS].wrap_database_errors:
                raise
        return found


def changed(sql: str, *values: Any) -> int:
    """How many rows the statement changed."""
    with closing(_ran(sql, values)) as cursor:
        return int(cursor.rowcount)


def changed_by_all(sql: str, many: Iterable[Sequence[Any]]) -> int:
    """How many rows the statement changed when it was run once with each of these values."""
    values = list(many)
    if not values:
        return 0
    with closing(_ran(sql, values, many=True)) as cursor:
        return int(cursor.rowcount)


def _ran(sql: str, values: Sequence[Any], *, many: bool = False) -> Any:
    """The cursor of a statement that was run.

    On SQLite Django's cursor takes several times as long as the statement: it looks for placeholders anew each time.
    Only who listens to its statements, as tests that count them do, needs it.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor == "sqlite" and not database.execute_wrappers and not database.force_debug_cursor:
        if database.connection is None:
            database.ensure_connection()
        if database.needs_rollback:
            database.validate_no_broken_transaction()
        run = database.connection.executemany if many else database.connection.execute
        try:
            return run(_in_sqlite(sql), values)
        except sqlite3.Error:
            with database.wrap_database_errors:
                raise
    cursor = database.cursor()
    (cursor.executemany if many else cursor.execute)(sql, values)
    return cursor


@lru_cache(maxsize=256)
def _in_sqlite(sql: str) -> str:
    return sql.replace("%s", "?").replace("%%", "%")


def state_of_database() -> object:
    """Compares as equal as long as nobody but this connection has written; None where the database cannot say that, or
    within a transaction, which sees what it saw at its beginning."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "sqlite" or database.in_atomic_block:
        return None
    [(version,)] = rows("PRAGMA data_version")
    return database.connection, version


_sync = getattr(os, "fdatasync", os.fsync)  # which not every system has


class _Here(threading.local):
    """What this thread's connection to SQLite was told."""

    connection: object = None  # the one that was
    log: str | None = None  # its write-ahead log, where commits do not wait for the disk


_here = _Here()


def commit_before_disk() -> None:
    """Let what this thread commits on SQLite count before it is on the disk, which `on_disk` then waits for.

    It survives the end of all processes even so, only not a loss of power.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "sqlite" or (database.connection and database.connection is _here.connection):
        return
    [(mode,)] = rows("PRAGMA journal_mode")
    _here.log = f"{database.settings_dict['NAME']}-wal" if mode == "wal" else None
    if _here.log:  # a file system may not be able to have one
        changed("PRAGMA synchronous=NORMAL")
    _here.connection = database.connection


def on_disk() -> None:
    """Wait until what this thread has committed survives a loss of power too. Raises OSError."""
    if _here.log:
        written = os.open(_here.log, os.O_RDONLY)
        try:
            _sync(written)
        finally:
            os.close(written)


def places(count: int) -> str:
    """As many placeholders, for a list in brackets."""
    return ", ".join(["%s"] * count)


def moment(stored: datetime) -> datetime:
    """A moment as a query by hand returns it: SQLite's have no time zone and are UTC."""
    return stored if stored.tzinfo else stored.replace(tzinfo=UTC)


@lru_cache(maxsize=1024)
def _as_sqlite_has_it(value: date) -> Any:
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return connection.ops.adapt_datefield_value(value)


# A group writes hundreds of values, and its few moments over and over: to look at each value would take longer.
sqlite3.register_adapter(datetime, _as_sqlite_has_it)
sqlite3.register_adapter(date, _as_sqlite_has_it)


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
    locked = rows(
        "SELECT team_id, clock_timestamp() FROM accounts_wallet "
        f"WHERE team_id IN ({places(len(ids))}) ORDER BY team_id FOR UPDATE",
        *ids,
    )
    now: datetime = locked[-1][1]
    return now
