"""The routes that stream, plain ASGI coroutines chosen before Django: each with its policy, as views declare theirs."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from accounts.asgi import Receive, Scope, Send
from chat import api, follow

type Route = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StreamingRoute:
    """`handle` is called with the pattern's named groups as further arguments, whatever the method."""

    pattern: re.Pattern[str]
    policy: str
    handle: Callable[..., Awaitable[Any]]


ROUTES = [
    StreamingRoute(re.compile(r"/api/v1/chat/completions/?"), "access key: at least member", api.chat_completions),
    StreamingRoute(re.compile(r"/chat/turns/(?P<public_id>\w+)/follow"), "signed in: viewer", follow.follow),
]


def match(scope: Scope) -> Route | None:
    """The route for a request, or None when it is Django's."""
    for route in ROUTES:
        if found := route.pattern.fullmatch(scope["path"]):
            return partial(route.handle, **found.groupdict())
    return None
