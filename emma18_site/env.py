"""Reads EMMA18_* variables and the secrets kept in the data folder. Knows nothing of Django but its settings error.

Every reader takes the variable's name, returns a typed value or the default, and stops the boot with a sentence
that names the variable when the value is bad.
"""

import base64
import json
import os
import re
import secrets
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured


class Secrets(TypedDict):
    """What `secrets.json` holds: Django's key, and the master keys that seal provider keys (32 bytes, base64)."""

    secret_key: str
    master_keys: dict[str, str]
    master_key_id: str


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, *, default: bool = False) -> bool:
    value = text(name).lower()
    if value not in ("", "0", "1", "false", "true", "no", "yes"):
        raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no. Use 1 or 0.")
    return value in ("1", "true", "yes") if value else default


def number(name: str, default: int, *, least: int, most: int) -> int:
    value = text(name)
    if not value:
        return default
    if not (value.isascii() and value.isdigit()) or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name}={value!r} must be a whole number from {least} to {most}.")
    return int(value)


def choice(name: str, choices: tuple[str, ...]) -> str:
    """One of `choices`; the first is the default."""
    value = text(name, choices[0])
    if value not in choices:
        raise ImproperlyConfigured(f"{name}={value!r} must be one of: {', '.join(choices)}.")
    return value


def items(name: str) -> list[str]:
    """A comma-separated list."""
    return [item.strip() for item in text(name).split(",") if item.strip()]


def host_names(name: str) -> list[str]:
    """A comma-separated list of host names or addresses, as a browser would send them but without a port."""
    hosts = items(name)
    for host in hosts:
        if not re.fullmatch(r"\*|\.?[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]", host):
            raise ImproperlyConfigured(f"{name}: {host!r} is no host name. Leave out https://, port and path.")
    return hosts


def web_address(name: str) -> str:
    """An origin such as https://emma.example.org, without a trailing slash; empty when unset."""
    value = text(name).rstrip("/")
    if value and not _is_origin(value):
        raise ImproperlyConfigured(f"{name}={value!r} must look like https://emma.example.org, without a path.")
    return value


def _is_origin(value: str) -> bool:
    try:
        parts = urlsplit(value)
        is_origin = parts.port is None or parts.port > 0
    except ValueError:
        return False
    extras = parts.path or parts.query or parts.fragment or parts.username
    return is_origin and parts.scheme in ("http", "https") and bool(parts.hostname) and not extras


def secret(name: str) -> str:
    """A secret from NAME, or from the file that NAME_FILE points to; empty when neither is set."""
    path = text(f"{name}_FILE")
    if not path:
        return text(name)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE={path!r} cannot be read: {error.strerror}.") from None


def data_dir(default: Path) -> Path:
    """The folder everything is kept in; made if it is missing, readable by its owner only."""
    path = Path(text("EMMA18_DATA_DIR") or default).expanduser().resolve()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The data folder {path} cannot be made: {error.strerror}. Set EMMA18_DATA_DIR to a folder you may write."
        ) from None
    return path


def stored_secrets(folder: Path) -> Secrets:
    """The installation's secrets from `secrets.json`, made on first use.

    Two processes starting at once agree: the file appears whole under its name (hard link) or not at all.
    """
    path = folder / "secrets.json"
    if not path.exists():
        fresh: Secrets = {
            "secret_key": secrets.token_urlsafe(48),
            "master_keys": {"k1": base64.b64encode(secrets.token_bytes(32)).decode()},
            "master_key_id": "k1",
        }
        draft = folder / f".secrets-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(fresh, file)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass  # another process was first: its secrets hold
            finally:
                draft.unlink()
        except OSError as error:
            raise ImproperlyConfigured(
                f"The data folder {folder} cannot be written: {error.strerror}. "
                "Set EMMA18_DATA_DIR to a folder you may write."
            ) from None
    try:
        stored: Secrets = json.loads(path.read_text(encoding="utf-8"))
        stored["secret_key"], stored["master_keys"][stored["master_key_id"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise ImproperlyConfigured(
            f"{path} cannot be read. Restore it from your backup: sealed keys need it."
        ) from None
    return stored
