"""What a provider's answer says: its JSON, and its refusals in all their shapes. Knows no sockets."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NoReturn

from upstream import fast_json
from upstream.errors import Garbled, Refused, UpstreamError, provider_words, without_secret

REQUEST_ID_CAP = 128
WORDS_LOOKED_AT = 20_000
_CODE = re.compile(r"[\w.:-]{1,64}", re.ASCII)


def _not_json(number: str) -> NoReturn:
    raise ValueError(f"{number} is not JSON")


# They would be passed on to a caller whose parser refuses them.
_decode = fast_json.strict(_not_json)


def read_json(payload: bytes, *, secret: str) -> Any:
    """The JSON in `payload`, `secret` struck out wherever it is echoed.

    Bytes that are not UTF-8 become replacement characters: a reply outlives one of them.
    """
    try:
        text = without_secret(payload, secret).decode(errors="replace")
        return fast_json.decode(text, otherwise=_decode)
    except (ValueError, RecursionError):
        raise Garbled("The provider sent something that is not JSON.") from None


def refusal(status: int, headers: Mapping[str, str], body: bytes, *, secret: str) -> Refused:
    """The provider's no, with its own words if it gave any."""
    try:
        said: object = read_json(body, secret=secret)
    except Garbled:
        said = _plain_words(body)
    words, code = _words_and_code(said, prefer="type")
    return Refused(
        status,
        provider_words(words, secret=secret) or _status_words(status),
        code=_safe_code(code, secret=secret),
        retry_after_s=retry_after_s(headers.get("retry-after", "")),
    )


def error_object(error: object, *, secret: str) -> UpstreamError:
    """The error that came where an answer was due, under a status of 200: `error` is the value of that key."""
    words, code = _words_and_code({"error": error})
    reason = provider_words(words, secret=secret)
    # OpenRouter's way: the status that could no longer be sent is the error's code.
    if isinstance(code, int) and 400 <= code <= 599:
        return Refused(code, reason or _status_words(code), code=str(code))
    return Garbled(f"The provider reported an error: {reason}" if reason else "The provider reported an error.")


def retry_after_s(value: str) -> float | None:
    """Seconds to wait, from either form of Retry-After; None where there is none that makes sense."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value).astimezone(UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def request_id(headers: Mapping[str, str], *, secret: str) -> str | None:
    """The provider's own id of the request, for its support desk."""
    sent = headers.get("x-request-id") or headers.get("request-id")
    if not sent:
        return None
    value = provider_words(sent, secret=secret)
    return value if 0 < len(value) <= REQUEST_ID_CAP and value.isascii() and value.isprintable() else None


def _words_and_code(said: object, *, prefer: str = "code", depth: int = 4) -> tuple[str, object]:
    """The sentence and the code, from any of
    {"error": {"message", "code"}}, {"error": "…"}, {"detail": "…"}, {"detail": [{"msg"}]}, {"message": "…"}.
    A code that is a number repeats the status: `prefer` says whether the type is taken instead, where there is one.
    """
    if isinstance(said, list) and said:
        said = said[0]
    if isinstance(said, str):
        return said[:WORDS_LOOKED_AT], None
    if not isinstance(said, dict) or not depth:
        return "", None
    code = said.get("code") or said.get("type")
    if prefer == "type" and isinstance(code, int):
        code = said.get("type") or code
    for key in ("message", "msg", "error", "detail"):
        words, inner_code = _words_and_code(said.get(key), prefer=prefer, depth=depth - 1)
        if words:
            return words, inner_code or code
    return "", code


def _plain_words(body: bytes) -> str:
    """What a text body says; nothing for a web page."""
    text = body.decode(errors="replace").strip()
    return "" if text.startswith("<") else text


def _safe_code(code: object, *, secret: str) -> str | None:
    """A code stands in our log, which a prompt that is quoted in its place must not get into."""
    if isinstance(code, bool) or not isinstance(code, str | int):
        return None
    word = provider_words(str(code), secret=secret)
    return word if _CODE.fullmatch(word) else None


def _status_words(status: int) -> str:
    try:
        return f"{HTTPStatus(status).phrase}."
    except ValueError:
        return "It gave no reason."
