"""A web server in haste and in need: it waits for the head of a request for a second only, takes few connections, and
was started with so few open files that a hundred would take them all. What is asked with `?slowly` it answers after two
seconds. `python -m tests.site.hasty_web --port N`."""

import asyncio
import resource

from emma18_site import web

MOST_CONNECTIONS = 400


def _slow_where_asked() -> web.Application:
    application = load()

    async def answer(scope, receive, send) -> None:
        if scope.get("query_string") == b"slowly":
            await asyncio.sleep(2)
        await application(scope, receive, send)

    return answer


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    web.HEAD_WITHIN_S = 1
    web.MOST_CONNECTIONS = MOST_CONNECTIONS
    load, web.load = web.load, _slow_where_asked
    web.main()
