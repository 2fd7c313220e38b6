"""Reading the body of an API request as a JSON object, and refusing everything else. Knows no field."""

import json
import re
from typing import Any, NoReturn

from accounts.refusals import BadRequest
from upstream import fast_json

MAX_NESTING = 200  # far above any tool schema, far below what Python's own parser and encoder can take
MAX_PARTS = 1_000_000  # far above any conversation; a fifth of a second in which nobody else is served

# Strings are stepped over whole, without a way back: one may be a picture of megabytes.
_PART = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]}]', re.DOTALL)


def read_object(raw: bytes, *, with_fields: str) -> dict[str, Any]:
    """Raises BadRequest. `with_fields` says in words what the object should hold."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest("The request body is not UTF-8. Send JSON in UTF-8.") from None
    try:
        _check_parts(text)
        body = fast_json.decode(text, otherwise=_decode)
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"The request body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None
    except ValueError:  # a whole number of thousands of digits
        raise BadRequest("The request body holds a number that is too long to read.") from None
    if not isinstance(body, dict):
        raise BadRequest(f"The request body must be a JSON object with {with_fields}.")
    return body


def _check_parts(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_NESTING and text.count('"') <= MAX_PARTS:
        return  # nearly always: too few to be nested deeper
    depth = 0
    for count, part in enumerate(_PART.finditer(text), start=1):
        match text[part.start()]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
        if depth > MAX_NESTING:
            raise BadRequest(f"The request body is nested more than {MAX_NESTING} levels deep.")
        if count > MAX_PARTS:
            raise BadRequest(f"The request body holds more than {MAX_PARTS:,} strings and brackets.")


def _refuse_number(text: str) -> NoReturn:
    raise BadRequest(f"The request body holds a number that is not finite ({text[:40]}), which JSON does not allow.")


_decode = fast_json.strict(_refuse_number)
