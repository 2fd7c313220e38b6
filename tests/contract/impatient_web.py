"""A web process that waits two seconds for a provider, not a minute: `python -m tests.contract.impatient_web`."""

from emma18_site import web

FIRST_BYTE_S = 2.0

_load = web.load


def load() -> web.Application:
    application = _load()
    from upstream import chat
    from upstream.client import Limits

    for ask in (chat.open_stream, chat.complete):
        ask.__kwdefaults__["limits"] = Limits(first_byte_s=FIRST_BYTE_S, total_s=FIRST_BYTE_S)
    return application


if __name__ == "__main__":
    web.load = load
    web.main()
