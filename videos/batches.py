"""Several videos from one form: takes of a shot, by one model or each of several. Submits them through `lifecycle.py`.

What a form asks for is read as the API reads it, so that both refuse the same things with the same words.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accounts.callers import Caller
from accounts.ids import new_id
from accounts.refusals import Refusal
from upstream.frame_sizes import FRAMES_PER_SECOND
from videos import lifecycle, modes, requests
from videos.models import VideoTask
from videos.requests import Asked
from videos.specs import Spec

CLIENT = "browser"
MOST_TAKES = 8


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a video was not taken on, and the request whose receipt explains it."""

    refusal: Refusal
    request_id: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What was taken on, and what stopped the rest of it, if anything did."""

    tasks: list[VideoTask]
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """What the takes of one model may cost, at most. `reckoned` says of what the tokens are made."""

    model_id: str
    reckoned: str
    tokens: int
    price_picousd: int
    source: str
    amount_nanousd: int
    takes: int

    @property
    def all_nanousd(self) -> int:
        return self.amount_nanousd * self.takes

    @property
    def token_words(self) -> str:
        return f"{self.tokens:,}"

    @property
    def million_nanousd(self) -> int:
        """The price of a million tokens."""
        return self.price_picousd * 1000


def read(body: dict[str, Any], models: Sequence[str]) -> list[Asked]:
    """The same for each of the models. Raises a Refusal with `param`."""
    return [requests.read(body | {"model": model}) for model in models]


def quote(caller: Caller, asked: Sequence[Asked], *, takes: int) -> list[Line]:
    """Raises Forbidden where nobody offers one of the models to the team."""
    lines = []
    for each in asked:
        quoted = lifecycle.quote(caller, each.spec)
        lines.append(
            Line(
                model_id=each.spec.model,
                reckoned=_reckoned(each.spec),
                tokens=quoted.tokens,
                price_picousd=quoted.price.token_picousd,
                source=quoted.price.source,
                amount_nanousd=quoted.amount_nanousd,
                takes=takes,
            )
        )
    return lines


def _reckoned(spec: Spec) -> str:
    width, height = modes.largest_frame(spec)
    seconds = modes.most_seconds(spec) + modes.input_seconds(spec)
    return f"{seconds:g} s × {width} × {height} × {FRAMES_PER_SECOND} fps"


def submit(caller: Caller, asked: Sequence[Asked], *, takes: int, key: str, remix_of: VideoTask | None = None) -> Batch:
    """Take on as many as the team may have, as takes of one shot. Sent again with the same key, those that were taken
    on are given again, and only the rest is new: a form that was sent twice makes nothing twice."""
    tasks: list[VideoTask] = []
    for each in asked:
        for number in range(takes):
            request_id = new_id("req")
            try:
                done = lifecycle.submit(
                    caller,
                    each,
                    request_id=request_id,
                    client=CLIENT,
                    idempotency_key=_key(key, each, number),
                    shot=tasks[0].shot if tasks else "",
                    take=len(tasks) + 1,
                    remix_of=remix_of,
                )
            except Refusal as refusal:
                return Batch(tasks, Refused(refusal, request_id))
            tasks.append(done.task)
    return Batch(tasks)


def _key(key: str, asked: Asked, number: int) -> str:
    """Another one once the form was changed, which is another request."""
    return "form-" + hashlib.sha256(f"{key}/{asked.fingerprint}/{number}".encode()).hexdigest()
