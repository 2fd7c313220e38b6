"""What stops the boot beside a bad setting: a full data folder, a database without WAL, a master key that fits no seal.

Django runs these before `migrate`, and so before `up` serves anything. Too old an SQLite Django refuses by itself.
"""

import tempfile
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connection

from accounts import vault
from accounts.models import Provider
from accounts.refusals import Unavailable
from catalog import known


@register()
def data_folder_takes_files(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    try:
        with tempfile.TemporaryFile(dir=settings.DATA_DIR):
            return []
    except OSError as error:
        return [
            Error(
                f"No file can be written in the data folder {settings.DATA_DIR}: {error.strerror}.",
                hint="Make room or give this account the right to write there, or set EMMA18_DATA_DIR to another.",
                id="emma18.E001",
            )
        ]


@register()
def catalog_can_be_used(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    try:
        known.read(known.FILE)
    except known.CatalogBroken as broken:
        hint = "Put back catalog/data/models.json as it was released, or make it anew with scripts/catalog."
        return [Error(str(broken), hint=hint, id="emma18.E005")]
    return []


@register(Tags.database)
def sqlite_writes_ahead(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Without WAL a reader stops every writer. SQLite falls back silently where a file system cannot do it."""
    if not databases or connection.vendor != "sqlite":
        return []
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode = cursor.fetchone()[0]
    if mode == "wal":
        return []
    return [
        Error(
            f"SQLite keeps its journal as {mode!r} in {settings.DATA_DIR}, not ahead of writes.",
            hint="Move the data folder to a disk of this machine, or set EMMA18_DATABASE_URL to a PostgreSQL server.",
            id="emma18.E002",
        )
    ]


@register(Tags.database)
def master_key_opens_what_is_sealed(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Tries the newest sealed key of each master key: one wrong secrets.json is wrong for all of them."""
    if not databases or Provider._meta.db_table not in connection.introspection.table_names():
        return []
    # Named one by one, since `migrate` checks before it adds the columns that newer code knows of.
    needed = ("name", "public_id", "kind", "base_url", "key_sealed", "key_master_id", "team__public_id")
    sealed = Provider.objects.exclude(key_sealed=b"").select_related("team").only(*needed).order_by("pk")
    newest = {provider.key_master_id: provider for provider in sealed}
    try:
        for provider in newest.values():
            vault.endpoint(provider)
    except Unavailable as refusal:
        return [
            Error(
                refusal.detail,
                hint=f"Its master key is missing from {settings.DATA_DIR / 'secrets.json'} or is another one. "
                "Restore that file from the backup the database came from.",
                id="emma18.E003",
            )
        ]
    return []
