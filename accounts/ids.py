"""Public ids: `req_`, `conv_`, … and 26 characters that sort by time; and the id of the request at hand."""

import secrets
import time
from contextvars import ContextVar
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no letters that read as digits
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]  # of ten bits: half as many steps

SLOT = (5, 6)  # where the time stands in a request's id, in steps of 2**20 ms, about 17.5 minutes: `substr` of it

_current: ContextVar[str] = ContextVar("request_id", default="")


def new_id(prefix: str) -> str:
    """`prefix_` and 26 characters: 48 bits of milliseconds, then 80 random bits (a ULID), so ids sort by time."""
    return _id(prefix, time.time_ns() // 1_000_000, secrets.randbits(80))


def first_id(prefix: str, *, since: datetime) -> str:
    """The least id that can be made from then on: rows are found by time through the index on their ids."""
    return _id(prefix, int(since.timestamp() * 1000), 0)


def slot_number(text: str) -> int:
    """The number of the step in which an id was made, from the id or from its slot alone."""
    start, length = SLOT
    slot = text[start - 1 : start - 1 + length] if len(text) > length else text
    return sum(_ALPHABET.index(letter) << 5 * place for place, letter in enumerate(reversed(slot)))


def _id(prefix: str, milliseconds: int, bits: int) -> str:
    value = milliseconds << 80 | bits
    return f"{prefix}_" + "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def bind_request_id() -> str:
    """Start a request: make its id and bind it to the current context, where log lines find it."""
    request_id = new_id("req")
    _current.set(request_id)
    return request_id


def current_request_id() -> str:
    return _current.get()
