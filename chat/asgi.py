"""The streaming routes, plain ASGI coroutines chosen before Django."""

from collections.abc import Awaitable, Callable

from accounts.asgi import Receive, Scope, Send

type Route = Callable[[Scope, Receive, Send], Awaitable[None]]


def match(scope: Scope) -> Route | None:
    """The route for a request, or None when it is Django's."""
    return None
