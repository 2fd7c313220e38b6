"""Speaks to a provider of video tasks: create, look up, list, cancel. Used by workers, so it blocks.

Three kinds speak it: `emma18` (the documented wire), `ark` (Volcengine and BytePlus) and `embedded` (the storyboard
renderer, which speaks the first). Knows HTTP and JSON; knows no Django, no team, no money.
"""

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

import certifi
import httpcore
import httpx

from upstream import answers, egress
from upstream.client import HOPS_HEADER, USER_AGENT, Endpoint, hops
from upstream.errors import AddressBlocked, Garbled, TimedOut, Unreachable, UpstreamError, provider_words

type Kind = Literal["emma18", "ark", "embedded"]

PATHS: Mapping[Kind, str] = {
    "emma18": "/video/seedance/tasks",
    "embedded": "/video/seedance/tasks",
    "ark": "/contents/generations/tasks",
}
CONNECT_S, ANSWER_S = 5.0, 30.0
ANSWER_BYTES = 4 << 20
NEWEST_A_PAGE = 500  # as many as Ark lists
MOST_LISTED = 100  # ids in one call: they go into the address
ID_CHARACTERS = 200
STATUSES = frozenset(("queued", "running", "succeeded", "failed", "expired", "cancelled"))
ENDED = STATUSES - {"queued", "running"}
# Said by providers that wrap the contract in words of their own.
OTHER_WORDS = {"pending": "queued", "processing": "running", "in_progress": "running", "completed": "succeeded"}


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the provider tells it. A status it has no word for is kept as it came: ask again later."""

    id: str
    status: str
    video_url: str | None = field(default=None, repr=False)
    last_frame_url: str | None = field(default=None, repr=False)
    error_code: str | None = None
    error_words: str | None = None
    tokens: int | None = None
    progress: int | None = None
    model: str = ""
    created_at: float | None = None
    expires_after_s: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # seed, resolution, ratio, duration … as told

    @property
    def is_known_status(self) -> bool:
        return self.status in STATUSES

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


class VideoClient:
    """One provider and the connections kept to it. Every method raises `UpstreamError`.

    `models` says what a model is called there, where it is not called the same.
    """

    def __init__(self, endpoint: Endpoint, kind: Kind, *, models: Mapping[str, str] | None = None) -> None:
        self._endpoint, self._kind, self._models = endpoint, kind, models or {}
        self._base = endpoint.base_url + PATHS[kind]
        transport = sync_transport(egress.loopback_socket if endpoint.is_local else egress.guarded_socket)
        self._client = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            follow_redirects=False,
            trust_env=False,
        )

    def close(self) -> None:
        self._client.close()

    def check(self) -> None:
        """Whether it answers and takes the key; makes nothing."""
        self._listed([("page_num", "1"), ("page_size", "1")])

    def create(self, body: Mapping[str, Any], *, idempotency_key: str) -> str:
        """The id of the new task. `TimedOut.may_have_billed` and `Garbled` leave open whether it exists."""
        sent = dict(body)
        if model := self._models.get(str(sent.get("model"))):
            sent["model"] = model
        if self._kind == "ark":
            sent = in_ark_words(sent)
        headers = {"idempotency-key": idempotency_key} if self._kind != "ark" else {}
        return _id(self._call("POST", "", body=sent, headers=headers))

    def get(self, id: str) -> Task:
        return self._task(self._call("GET", f"/{_safe(id)}"))

    def list(self, ids: Sequence[str]) -> dict[str, Task]:
        """Those of at most MOST_LISTED tasks that the provider tells of; one that is missing may exist all the same."""
        query = [("filter.task_ids", id) for id in ids] + [("page_size", str(len(ids)))]
        return {task.id: task for task in self._listed(query) if task.id in set(ids)}

    def newest(self, page: int) -> Sequence[Task]:
        """NEWEST_A_PAGE tasks of the account, the newest first, whoever asked for them."""
        return self._listed([("page_num", str(page)), ("page_size", str(NEWEST_A_PAGE))])

    def _listed(self, query: Sequence[tuple[str, str]]) -> Sequence[Task]:
        items = self._call("GET", "", query=query).get("items")
        if not isinstance(items, list):
            raise Garbled("The provider answered with something that is not a list of tasks.")
        return [self._task(item) for item in items if isinstance(item, dict)]

    def cancel(self, id: str) -> None:
        """Asks for it. Whether it was cancelled, only looking the task up afterwards tells."""
        self._call("DELETE", f"/{_safe(id)}", is_answer_needed=False)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        is_answer_needed: bool = True,
    ) -> dict[str, Any]:
        own = {
            "accept-encoding": "identity",
            "authorization": f"Bearer {self._endpoint.api_key}",
            "user-agent": USER_AGENT,
            HOPS_HEADER: str(hops.get() + 1),
            **(headers or {}),
        }
        content = json.dumps(body).encode() if body is not None else None
        if content is not None:
            own["content-type"] = "application/json"
        with told_apart("answer"):
            request = self._client.build_request(
                method, self._base + path, params=list(query), headers=own, content=content
            )
            answer = self._client.send(request, stream=True)
            try:
                payload = _read(answer)
            finally:
                answer.close()
        if 300 <= answer.status_code < 400:
            raise Garbled("The provider redirected; not followed.")
        if not answer.is_success:
            raise answers.refusal(answer.status_code, answer.headers, payload, secret=self._endpoint.api_key)
        if not is_answer_needed:
            return {}
        said = answers.read_json(payload, secret=self._endpoint.api_key)
        if not isinstance(said, dict):
            raise Garbled("The provider answered with JSON that is not a task.")
        return said

    def _task(self, said: dict[str, Any]) -> Task:
        status = str(said.get("status"))
        content = said["content"] if isinstance(said.get("content"), dict) else {}
        usage = said["usage"] if isinstance(said.get("usage"), dict) else {}
        error = said["error"] if isinstance(said.get("error"), dict) else {}
        tokens, progress = usage.get("completion_tokens"), said.get("progress")
        names = (
            "seed",
            "resolution",
            "ratio",
            "duration",
            "frames",
            "framespersecond",
            "generate_audio",
            "is_storyboard",
        )
        secret = self._endpoint.api_key
        return Task(
            id=_id(said),
            status=OTHER_WORDS.get(status, provider_words(status, secret=secret, cap=40)),
            video_url=_text(content.get("video_url")),
            last_frame_url=_text(content.get("last_frame_url")),
            error_code=provider_words(str(error.get("code")), secret=secret, cap=80) if error else None,
            error_words=provider_words(str(error.get("message")), secret=secret) if error else None,
            tokens=tokens if type(tokens) is int and tokens >= 0 else None,
            progress=progress if type(progress) is int and 0 <= progress <= 100 else None,
            model=provider_words(str(said.get("model", "")), secret=secret, cap=200),
            created_at=float(created) if type(created := said.get("created_at")) is int else None,
            expires_after_s=expires if type(expires := said.get("execution_expires_after")) is int else None,
            facts={name: said[name] for name in names if name in said},
        )


class _GuardedBackend(httpcore.SyncBackend):
    """Connects to numeric addresses only, each of which the egress guard has let through a moment before."""

    def __init__(self, make_socket: Callable[[egress.AddressInfo], socket.socket]) -> None:
        self._make_socket = make_socket

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            for info in found:
                self._make_socket(info).close()
        except egress.Blocked as blocked:
            raise AddressBlocked(blocked.address) from None
        except (OSError, UnicodeError):
            raise Unreachable(f"The host {host} was not found.") from None
        for info in found[:-1]:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return super().connect_tcp(str(info[4][0]), port, timeout, local_address, socket_options)
        return super().connect_tcp(str(found[-1][4][0]), port, timeout, local_address, socket_options)


def sync_transport(make_socket: Callable[[egress.AddressInfo], socket.socket]) -> httpx.BaseTransport:
    transport = httpx.HTTPTransport()
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()  # the machine's own authorities too
    # httpx has no argument for the way a socket is made; the pool it wraps has.
    transport._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=_GuardedBackend(make_socket))
    return transport


def in_ark_words(body: Mapping[str, Any]) -> dict[str, Any]:
    """A flat request as Ark wants it: everything to see and hear in `content`, with roles."""
    sent = dict(body)
    content: list[dict[str, Any]] = list(sent.pop("content", ()))
    if prompt := sent.pop("prompt", ""):
        content.append({"type": "text", "text": prompt})
    images = _urls(sent, "image")
    videos, audio, last = _urls(sent, "video"), _urls(sent, "audio"), sent.pop("last_image_url", None)
    stands_alone = len(images) == 1 and not videos and not audio
    role = sent.pop("image_role", None) or ("first_frame" if stands_alone else "reference_image")
    found = [("image_url", url, role) for url in images]
    found += [("image_url", last, "last_frame")] if last else []
    found += [("video_url", url, "reference_video") for url in videos]
    found += [("audio_url", url, "reference_audio") for url in audio]
    content += [{"type": kind, kind: {"url": url}, "role": role} for kind, url, role in found]
    for ours in ("mode", "metadata"):
        sent.pop(ours, None)
    return {**sent, "content": content}


def _urls(body: dict[str, Any], kind: str) -> list[str]:
    single, several = body.pop(f"{kind}_url", None), body.pop(f"{kind}_urls", None) or []
    return ([single] if single else []) + several


def _read(answer: httpx.Response) -> bytes:
    payload, deadline = bytearray(), time.monotonic() + ANSWER_S
    for data in answer.iter_raw():
        payload += data
        if len(payload) > ANSWER_BYTES:
            raise Garbled(f"The provider's answer was too large: over {ANSWER_BYTES >> 20} MB.")
        if time.monotonic() > deadline:
            raise TimedOut(f"The provider took longer than {ANSWER_S:g} s.", may_have_billed=True)
    return bytes(payload)


@contextmanager
def told_apart(what: str) -> Iterator[None]:
    """httpx's errors as ours, by whether the request can have arrived. Without the cause: it may hold our headers."""
    try:
        yield
    except UpstreamError:
        raise
    except (httpx.ConnectTimeout, httpx.PoolTimeout):
        raise TimedOut(f"No connection came about within {CONNECT_S:g} s.", may_have_billed=False) from None
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise Unreachable("The provider cannot be reached: nothing answers at its address.") from None
    except httpx.TimeoutException:
        raise TimedOut(f"The provider's {what} did not come within {ANSWER_S:g} s.", may_have_billed=True) from None
    except httpx.HTTPError:
        raise Garbled(f"The provider's connection broke before its {what} was complete.") from None


def _id(said: dict[str, Any]) -> str:
    id = said.get("id") or said.get("task_id")
    if not isinstance(id, str) or not 0 < len(id) <= ID_CHARACTERS or not id.isprintable():
        raise Garbled("The provider's answer names no task.")
    return id


def _safe(id: str) -> str:
    """As one step of a path, whatever the provider calls its tasks."""
    return quote(id, safe="")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
