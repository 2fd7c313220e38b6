"""The kept connections to providers. Knows HTTP and sockets; knows no Django, no team, no money, no chat."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to call and with which credential. `base_url` ends in /v1 or the like, without a slash."""

    base_url: str
    api_key: str = field(repr=False)
    is_local: bool = False  # the built-in provider: exempt from the egress guard, confined to loopback


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much one call may take."""

    connect_s: float = 5.0
    first_byte_s: float = 60.0
    idle_s: float = 60.0
    total_s: float = 600.0
    line_bytes: int = 1 << 20
    stream_bytes: int = 256 << 20
    answer_bytes: int = 32 << 20


DEFAULT = Limits()


async def close() -> None:
    """Close the running loop's kept connections. A later call opens new ones."""
    raise NotImplementedError
