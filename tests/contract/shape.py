"""The one shape of every error under /api/v1."""

from typing import Any, Protocol


class Answer(Protocol):
    """What httpx's and Django's responses have in common."""

    status_code: int
    headers: Any

    def json(self) -> Any: ...


def assert_refused(response: Answer, status: int, code: str = "") -> dict[str, Any]:
    """Returns the body for what else there is to say about it."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = response.json()
    assert_is_error(body)
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["error"]["code"] == code or not code
    return body


def assert_is_error(body: dict[str, Any]) -> None:
    """Also the shape of an error in the middle of a stream."""
    assert body.keys() == {"detail", "error", "request_id"}
    assert body["error"].keys() >= {"message", "type", "code", "param"}
    assert body["detail"] == body["error"]["message"]
    assert body["detail"] == body["detail"].strip() and len(body["detail"]) > 15 and "Traceback" not in body["detail"]
    assert isinstance(body["error"]["type"], str) and isinstance(body["error"]["code"], str)
    assert isinstance(body["error"]["param"], str | None)
    assert body["request_id"].startswith("req_")
