"""Public ids: `req_`, `conv_`, … and 26 characters that sort by time; and the id of the request at hand."""

import secrets
import time
from contextvars import ContextVar

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no letters that read as digits

_current: ContextVar[str] = ContextVar("request_id", default="")


def new_id(prefix: str) -> str:
    """`prefix_` and 26 characters: 48 bits of milliseconds, then 80 random bits (a ULID), so ids sort by time."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return f"{prefix}_" + "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def bind_request_id() -> str:
    """Start a request: make its id and bind it to the current context, where log lines find it."""
    request_id = new_id("req")
    _current.set(request_id)
    return request_id


def current_request_id() -> str:
    return _current.get()
