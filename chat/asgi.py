"""The routes that stream, plain ASGI coroutines chosen before Django: each with its policy, as views declare theirs."""

import re

from accounts.asgi import StreamingRoute
from chat import api, follow

ROUTES = [
    StreamingRoute(re.compile(r"/api/v1/chat/completions/?"), "access key: at least member", api.chat_completions),
    StreamingRoute(re.compile(r"/chat/turns/(?P<public_id>\w+)/follow"), "signed in: viewer", follow.follow),
]
