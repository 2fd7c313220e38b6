"""Sends a message to an address that a caller gave, through the egress guard. Knows not what the message says."""

from collections.abc import Mapping

from upstream.answers import refusal
from upstream.client import USER_AGENT
from upstream.connection import Limits, address
from upstream.errors import Unreachable
from upstream.pool import Pool

LIMITS = Limits(connect_s=5, first_byte_s=10, idle_s=5, total_s=15)


async def post(url: str, content: bytes, headers: Mapping[str, str], *, pool: Pool) -> None:
    """Raises UpstreamError unless it is answered with 2xx. What else the answer says is not read."""
    try:
        where = address(url)
    except Unreachable:
        raise Unreachable("The address is not a URL.") from None
    sent = {"accept": "*/*", "content-type": "application/json", "user-agent": USER_AGENT, **headers}
    answer = await pool.ask("POST", where, headers=sent, content=content, limits=LIMITS)
    answer.close()
    if not 200 <= answer.status < 300:
        raise refusal(answer.status, answer.headers, b"", secret="")
