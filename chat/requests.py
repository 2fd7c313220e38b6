"""What a caller may ask of the chat endpoint: reading the body and refusing what cannot be meant.

Checks only what the API documents define, and passes everything else on as it came: a provider's new parameter must
work on the day it appears. Knows no model, no provider, no caller.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from accounts.bodies import read_object
from accounts.refusals import BadRequest

OUTPUT_CAPS = ("max_tokens", "max_completion_tokens")
MOST_TOKENS = 10_000_000
MOST_CHOICES = 128  # as OpenAI allows
MOST_MODELS = 8

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


# Parts of a message whose length shows only where their data is in the request.
_BY_REFERENCE = ("file", "file_url", "video_url", "audio_url", "document_url", "source")

# What nearly every request consists of needs no closer look.
_PLAIN = frozenset(("model", "messages", "stream", "stream_options", "temperature", "top_p", *OUTPUT_CAPS))


@dataclass(slots=True)
class ChatRequest:
    """A request that may be sent. `body` is as the caller sent it, without `models`; only `model`, `stream`,
    `stream_options` and a cap on the output change on the way. `include_usage` says whether a stream's caller asked for
    the usage chunk. `fallbacks` are the models to go on to, in order, where `model` cannot be had.

    What its price depends on: `text_bytes` of everything a model may read, images apart; `references` to files and
    videos that are elsewhere, which may be of any length; `output_cap` as the caller set it, in tokens a choice.
    """

    model: str
    body: dict[str, Any]
    stream: bool
    include_usage: bool
    text_bytes: int
    images: int
    choices: int
    output_cap: int | None
    references: int = 0
    fallbacks: tuple[str, ...] = ()

    @property
    def messages(self) -> int:
        return len(self.body["messages"])


def parse(raw: bytes) -> ChatRequest:
    """Raises BadRequest, with `param` where one field is at fault."""
    body = read_object(raw, with_fields="'model' and 'messages'")
    for name in body:
        if name not in _PLAIN and name.lower().replace("_", "").replace("-", "") in _NOT_FOR_CALLERS:
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
    images, image_bytes = _images(body["messages"])
    model, *fallbacks = _models(body)
    return ChatRequest(
        model=model,
        body=body,
        stream=stream,
        include_usage=_flag(options, "include_usage", "stream_options.include_usage"),
        text_bytes=len(raw) - image_bytes,  # JSON is never shorter than the text in it
        images=images,
        choices=max(body.get("n") or 1, body.get("best_of") or 1),
        output_cap=max(body.get("max_tokens") or 0, body.get("max_completion_tokens") or 0) or None,
        references=_references(body["messages"]),
        fallbacks=tuple(fallbacks),
    )


def conversation(model: str, messages: list[dict[str, str]]) -> ChatRequest:
    """What the playground asks: a streamed reply to a conversation, with its usage."""
    return ChatRequest(
        model=model,
        body={"model": model, "messages": messages},
        stream=True,
        include_usage=True,
        text_bytes=sum(len(message["content"].encode()) for message in messages),
        images=0,
        choices=1,
        output_cap=None,
    )


def _model(model: object) -> str:
    if not isinstance(model, str) or not model.strip():
        raise BadRequest("'model' must be a model's id, such as one that GET /api/v1/models lists.", param="model")
    return model


def _models(body: dict[str, Any]) -> list[str]:
    """The models in the order to try them, each once. `models` is taken out of the body: a provider might act on it."""
    listed = body.pop("models", None)
    if listed is None:
        return [_model(body.get("model"))]
    if not isinstance(listed, list) or not all(isinstance(model, str) and model.strip() for model in listed):
        raise BadRequest("'models' must be a list of models' ids, to be tried in that order.", param="models")
    first = [] if listed and body.get("model") is None else [_model(body.get("model"))]
    models = list(dict.fromkeys([*first, *listed]))
    if len(models) > MOST_MODELS:
        raise BadRequest(f"'models' names more than {MOST_MODELS} models, the most that are tried.", param="models")
    return models


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not messages:
        raise BadRequest("'messages' must be a list with at least one message.", param="messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            raise BadRequest(
                f"'messages[{index}]' must be an object with 'role' and 'content'.", param=f"messages[{index}]"
            )


def _parts(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            yield from (part for part in content if isinstance(part, dict))


def _references(messages: list[dict[str, Any]]) -> int:
    """How many parts name what they show, other than an image, by an address or an id in place of its data."""
    shown = (part[kind] for part in _parts(messages) for kind in _BY_REFERENCE if part.get(kind) is not None)
    return sum(not _is_data(each) for each in shown)


def _is_data(shown: object) -> bool:
    if isinstance(shown, dict):
        shown = None if shown.get("file_id") else shown.get("file_data") or shown.get("data") or shown.get("url")
    return isinstance(shown, str) and "://" not in shown[:16]


def _images(messages: list[dict[str, Any]]) -> tuple[int, int]:
    """How many images the messages hold, and how long their addresses or data are."""
    count = size = 0
    for part in _parts(messages):
        image = part.get("image_url")
        if image is not None:
            url = image.get("url") if isinstance(image, dict) else image
            count += 1
            size += len(url) if isinstance(url, str) else 0
    return count, size


def _check_numbers(body: dict[str, Any]) -> None:
    temperature = body.get("temperature")
    if temperature is not None and (type(temperature) not in (int, float) or not 0 <= temperature <= 2):
        raise BadRequest("'temperature' must be a number from 0 to 2.", param="temperature")
    for name in OUTPUT_CAPS:
        if (value := body.get(name)) is not None and (type(value) is not int or not 1 <= value <= MOST_TOKENS):
            raise BadRequest(f"'{name}' must be a whole number from 1 to {MOST_TOKENS:,}.", param=name)
    for name in ("n", "best_of"):
        if (value := body.get(name)) is not None and (type(value) is not int or not 1 <= value <= MOST_CHOICES):
            raise BadRequest(f"'{name}' must be a whole number from 1 to {MOST_CHOICES}.", param=name)


def _flag(values: dict[str, Any], name: str, param: str) -> bool:
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRequest(f"'{param}' must be true or false.", param=param)
    return bool(value)
