from collections.abc import AsyncIterator, Iterator

import pytest

from tests.provider import Provider, running_provider
from upstream import client, egress
from upstream.client import Endpoint, Limits

HURRIED = Limits(connect_s=0.3, first_byte_s=0.3, idle_s=0.3, total_s=5.0)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def endpoint(provider: Provider) -> Endpoint:
    return Endpoint(provider.base_url, provider.key)


@pytest.fixture(autouse=True)
def loopback_allowed() -> Iterator[None]:
    before = egress.allowed
    egress.allow([], loopback=True)
    yield
    egress.allowed = before


@pytest.fixture(autouse=True)
async def connections_closed() -> AsyncIterator[None]:
    yield
    await client.close()


def ask(model: str, **parameters: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "Hello!"}], **parameters}
