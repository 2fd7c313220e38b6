"""What this installation has and what it lacks, as the first-run page tells it. Measured when asked; knows no team."""

import shutil
from dataclasses import dataclass
from typing import Literal

from django.conf import settings
from django.db import connection

from catalog.connections import is_embedded_running
from catalog.sync import EMBEDDED_MODEL

LOW_SPACE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    state: Literal["ready", "none", "trouble"]
    word: str
    detail: str


def parts() -> list[Part]:
    return [_database(), _embedded(), _data_folder(), _mail(), _providers()]


def _database() -> Part:
    version = ".".join(map(str, connection.get_database_version()))
    return Part("Database", "ready", "Ready", f"{connection.display_name} {version}, migrated and empty")


def _embedded() -> Part:
    if is_embedded_running():
        return Part("Built-in model", "ready", "Running", f"{EMBEDDED_MODEL.name}, answers without a key")
    return Part("Built-in model", "none", "Not running", "It needs a moment after the start, or was left out of it")


def _data_folder() -> Part:
    free = shutil.disk_usage(settings.DATA_DIR).free
    detail = f"{free / 1e9:,.1f} GB free"
    if free < LOW_SPACE_BYTES:
        return Part("Data folder", "trouble", "Nearly full", f"{detail}: make room before people use it")
    return Part("Data folder", "ready", "Writable", detail)


def _mail() -> Part:
    if settings.SENDS_MAIL:
        return Part("Outgoing mail", "ready", "Set up", "Forgotten passwords are reset by mail")
    return Part("Outgoing mail", "none", "None", "Set EMMA18_SMTP_URL to have forgotten passwords reset by mail")


def _providers() -> Part:
    return Part("Providers", "none", "None yet", "Connect one on the next page, or later")
