"""Every way we say no: one class per documented status, each with a sentence that says what happened and what to do.

Doors turn a refusal into a page or into the documented JSON; the domain raises it and knows neither. The JSON is a
superset of what the API documents and what every SDK reads: with `detail` alone most SDKs lose the sentence.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any


class Refusal(Exception):
    """Raised by domain functions; `str()` is the sentence for the caller, without secrets or upstream bodies.

    `code` is a stable word for programs. `param` names the request field at fault. `facts` are further keys of the
    JSON's `error`. `headers` go out with the answer.
    """

    status = 500
    type = "server_error"
    code = "internal_error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        param: str | None = None,
        facts: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.param = param
        self.facts = facts or {}
        self.headers = headers or {}


class BadRequest(Refusal):
    status, type, code = 400, "invalid_request_error", "invalid_request"


class Unauthorized(Refusal):
    status, type, code = 401, "authentication_error", "invalid_api_key"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit that was looked at before a request: its numbers then, when it starts anew and who can raise it.

    `unit` is what the numbers count: nano-dollars, requests, tokens or requests at once. `budget_id` names the row of
    a budget; a balance and a rate have none.
    """

    name: str
    limit: int
    spent: int
    held: int
    asked: int
    resets_at: datetime | None
    who_can_raise: tuple[str, ...]
    unit: str = "nanousd"
    budget_id: int | None = None

    @property
    def left(self) -> int:
        return self.limit - self.spent - self.held

    @property
    def allows(self) -> bool:
        return self.asked <= self.left

    def as_json(self) -> dict[str, Any]:
        resets_at = self.resets_at and self.resets_at.astimezone(UTC).isoformat()
        return asdict(self) | {"resets_at": resets_at, "left": self.left, "allows": self.allows}


class PaymentRequired(Refusal):
    """Not enough money. `limits` are all that were looked at, the tightest first."""

    status, type, code = 402, "insufficient_quota", "insufficient_credits"

    def __init__(self, detail: str, *, limits: Sequence[Limit]) -> None:
        super().__init__(detail, facts={"limits": [limit.as_json() for limit in limits]})
        self.limits = limits


class Forbidden(Refusal):
    status, type, code = 403, "permission_error", "forbidden"


class NotFound(Refusal):
    status, type, code = 404, "not_found_error", "not_found"


class MethodNotAllowed(Refusal):
    status, type, code = 405, "invalid_request_error", "method_not_allowed"


class RequestTimeout(Refusal):
    status, type, code = 408, "invalid_request_error", "request_timeout"


class Conflict(Refusal):
    status, type, code = 409, "invalid_request_error", "conflict"


class TooLarge(Refusal):
    status, type, code = 413, "invalid_request_error", "request_too_large"


class RateLimited(Refusal):
    status, type, code = 429, "rate_limit_error", "rate_limited"


class ServerError(Refusal):
    status, type, code = 500, "server_error", "internal_error"


class ProviderUnavailable(Refusal):
    status, type, code = 502, "provider_error", "provider_unavailable"


class Unavailable(Refusal):
    status, type, code = 503, "server_error", "unavailable"


class ProviderTimeout(Refusal):
    status, type, code = 504, "provider_error", "provider_timeout"


class ProviderInterrupted(ProviderUnavailable):
    """After the first byte: no status can be sent any more, so it ends the stream as an event."""

    code = "provider_interrupted"


_BY_STATUS = {kind.status: kind for kind in Refusal.__subclasses__()}


def for_status(status: int) -> Refusal:
    """The refusal for a bare status that a framework answered with, in general words."""
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = BadRequest if status < 500 else ServerError
    sentences = {
        400: "The request could not be read. Check its address, headers and body.",
        403: "This request is not allowed.",
        404: "There is nothing at this address. This API has POST /api/v1/chat/completions and GET /api/v1/models.",
        405: "This address does not take this method. See the documentation for the right one.",
        413: "The request is too large.",
    }
    default = "Something went wrong on our end. Try again; if it persists, give the request id to your admin."
    return kind(
        sentences.get(status, default if status >= 500 else f"The request was refused ({HTTPStatus(status).phrase}).")
    )


def database_away() -> Unavailable:
    """For a database that stays locked for longer than we wait, or cannot be reached."""
    return Unavailable(
        "The database is busy or cannot be reached. Try again in a moment.", headers={"Retry-After": "2"}
    )


def not_storable() -> BadRequest:
    """For what the database refuses although nothing checked it before: PostgreSQL takes no NUL, for one."""
    return BadRequest("The request holds something that cannot be stored, such as an invisible character. Remove it.")


def envelope(refusal: Refusal, *, request_id: str) -> dict[str, Any]:
    """The documented error body; also the shape of an error event in the middle of a stream."""
    return {
        "detail": refusal.detail,
        "error": {
            "message": refusal.detail,
            "type": refusal.type,
            "code": refusal.code,
            "param": refusal.param,
            **refusal.facts,
        },
        "request_id": request_id,
    }
