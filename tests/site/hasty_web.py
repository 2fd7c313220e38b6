"""A web server in haste and in need: it waits for the head of a request for a second only, takes few connections, and
was started with so few open files that a hundred would take them all. What is asked with `?slowly` it answers after two
seconds, and what is asked of `/echo` with what it was asked. `python -m tests.site.hasty_web --port N`."""

import asyncio
import json
import resource

from emma18_site import web

MOST_CONNECTIONS = 400


def _slow_where_asked() -> web.Application:
    application = load()

    async def answer(scope, receive, send) -> None:
        if scope.get("query_string") == b"slowly":
            await asyncio.sleep(2)
        if scope.get("path") == "/echo":
            await _echo(scope, receive, send)
            return
        await application(scope, receive, send)

    return answer


async def _echo(scope, receive, send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    said = json.dumps({"echo": f"{scope['method']} {scope['query_string'].decode()} {body.decode()}"}).encode() + b"\n"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    web.HEAD_WITHIN_S = 1
    web.MOST_CONNECTIONS = MOST_CONNECTIONS
    load, web.load = web.load, _slow_where_asked
    web.main()
