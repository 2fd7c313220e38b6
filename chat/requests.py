"""What a caller may ask of the chat endpoint: reading the body and refusing what cannot be meant.

Checks only what the API documents define, and passes everything else on as it came: a provider's new parameter must
work on the day it appears. Knows no model, no provider, no caller.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from accounts.refusals import BadRequest

MAX_NESTING = 200  # far above any tool schema, far below what Python's own parser and encoder can take

# Names by which other gateways and SDKs let a request choose where it goes or with whose credential. We never act on
# them; forwarded, some provider might. Compared without case, "-" and "_".
_DESTINATIONS = """
apibase apitype apiurl apiversion azureendpoint baseurl customllmprovider endpoint endpointurl httpclient httpproxy
litellmparams modellist proxies proxy proxyurl awsbedrockruntimeendpoint awsregionname awsstsendpoint vertexlocation
"""
_CREDENTIALS = """
apikey authorization authtoken azureadtoken azureadtokenprovider credentials defaultheaders extraheaders extraquery
headers litellmcredentialname openaiapikey organization organizationid project projectid awsaccesskeyid awsprofilename
awsrolename awssecretaccesskey awssessiontoken awswebidentitytoken vertexcredentials vertexproject
"""
_NOT_FOR_CALLERS = frozenset((_DESTINATIONS + _CREDENTIALS).split())


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request that may be sent. `body` is as the caller sent it; only `model`, `stream` and `stream_options` change
    on the way. `include_usage` says whether a stream's caller asked for the usage chunk."""

    model: str
    body: dict[str, Any]
    stream: bool
    include_usage: bool


def parse(raw: bytes) -> ChatRequest:
    """Raises BadRequest, with `param` where one field is at fault."""
    body = _read_object(raw)
    for name in body:
        if name.lower().replace("_", "").replace("-", "") in _NOT_FOR_CALLERS:
            raise BadRequest(
                f"{name[:64]!r} cannot be chosen in a request: providers and their keys are connected by the team's "
                "admins. Remove it.",
                param=name[:64],
            )
    _check_messages(body.get("messages"))
    _check_numbers(body)
    stream = _flag(body, "stream", "stream")
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise BadRequest("'stream_options' must be an object.", param="stream_options")
    return ChatRequest(
        model=_model(body.get("model")),
        body=body,
        stream=stream,
        include_usage=_flag(options, "include_usage", "stream_options.include_usage"),
    )


def _read_object(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest("The request body is not UTF-8. Send JSON in UTF-8.") from None
    try:
        _check_nesting(text)
        body = json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"The request body is not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None
    except ValueError:  # a whole number of thousands of digits
        raise BadRequest("The request body holds a number that is too long to read.") from None
    if not isinstance(body, dict):
        raise BadRequest("The request body must be a JSON object with 'model' and 'messages'.")
    return body


def _check_nesting(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_NESTING:
        return  # nearly always: too few brackets to be nested deeper
    depth = 0
    for bracket in re.finditer(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', text, re.DOTALL):
        match bracket[0][0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
        if depth > MAX_NESTING:
            raise BadRequest(f"The request body is nested more than {MAX_NESTING} levels deep.")


def _refuse_number(text: str) -> NoReturn:
    raise BadRequest(f"The request body holds a number that is not finite ({text[:40]}), which JSON does not allow.")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        _refuse_number(text)
    return value


def _model(model: object) -> str:
    if not isinstance(model, str) or not model.strip():
        raise BadRequest("'model' must be a model's id, such as one that GET /api/v1/models lists.", param="model")
    return model


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not messages:
        raise BadRequest("'messages' must be a list with at least one message.", param="messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise BadRequest(
                f"'messages[{index}]' must be an object with 'role' and 'content'.", param=f"messages[{index}]"
            )


def _check_numbers(body: dict[str, Any]) -> None:
    temperature, max_tokens = body.get("temperature"), body.get("max_tokens")
    if temperature is not None and (type(temperature) not in (int, float) or not 0 <= temperature <= 2):
        raise BadRequest("'temperature' must be a number from 0 to 2.", param="temperature")
    if max_tokens is not None and (type(max_tokens) is not int or max_tokens < 1):
        raise BadRequest("'max_tokens' must be a whole number of at least 1.", param="max_tokens")


def _flag(values: dict[str, Any], name: str, param: str) -> bool:
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRequest(f"'{param}' must be true or false.", param=param)
    return bool(value)
