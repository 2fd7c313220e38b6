"""What a running server's database keeps of failures, changed from outside as time or a fresh start would."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg

from tests.server import RunningServer

_MOMENTS = {
    "catalog_offerhealth": ("offer_id", ("until", "probing_until", "window_began_at")),
    "catalog_providerhealth": ("provider_id", ("until", "probing_until")),
}


@contextmanager
def _connected(server: RunningServer) -> Iterator[tuple[Any, str]]:
    """A cursor, and how it writes a placeholder."""
    if url := server.environment["EMMA18_DATABASE_URL"]:
        with psycopg.connect(url) as postgres:
            yield postgres.cursor(), "%s"
        return
    sqlite = sqlite3.connect(server.data_dir / "emma18.sqlite3", timeout=20)
    try:
        with sqlite:
            yield sqlite.cursor(), "?"
    finally:
        sqlite.close()


def forget(server: RunningServer) -> None:
    """As if nothing had ever failed."""
    with _connected(server) as (cursor, _):
        for table in _MOMENTS:
            cursor.execute(f"DELETE FROM {table}")


def let_pass(server: RunningServer, seconds: float) -> None:
    """As if all that was noted had been noted that much earlier."""
    with _connected(server) as (cursor, place):
        for table, (key, columns) in _MOMENTS.items():
            cursor.execute(f"SELECT {key}, {', '.join(columns)} FROM {table}")
            for pk, *moments in cursor.fetchall():
                earlier = [_earlier(moment, seconds) for moment in moments]
                places = ", ".join(f"{column} = {place}" for column in columns)
                cursor.execute(f"UPDATE {table} SET {places} WHERE {key} = {place}", (*earlier, pk))


def causes(server: RunningServer) -> dict[str, str]:
    """By upstream id and provider's name what stands against asking, where something does."""
    with _connected(server) as (cursor, _):
        cursor.execute(
            "SELECT p.name, o.upstream_id, h.cause FROM catalog_offerhealth h "
            "JOIN catalog_offer o ON o.id = h.offer_id JOIN accounts_provider p ON p.id = o.provider_id "
            "WHERE h.cause <> '' "
            "UNION ALL SELECT p.name, '', h.cause FROM catalog_providerhealth h "
            "JOIN accounts_provider p ON p.id = h.provider_id WHERE h.cause <> ''"
        )
        return {f"{upstream_id} by {name}".strip(): cause for name, upstream_id, cause in cursor.fetchall()}


def _earlier(moment: Any, seconds: float) -> Any:
    if moment is None:
        return None
    passed = timedelta(seconds=seconds)
    if isinstance(moment, datetime):
        return moment - passed
    return (datetime.fromisoformat(moment) - passed).isoformat(sep=" ", timespec="microseconds")
