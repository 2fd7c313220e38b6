import asyncio
import datetime
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.upstream.conftest import ask
from upstream import chat, client
from upstream.client import Endpoint, Limits
from upstream.errors import TimedOut, Unreachable


async def test_a_request_says_who_asks_and_nothing_else(provider, endpoint):
    await chat.complete(endpoint, ask("plain"), request_id="req_7")

    headers = provider.requests[0].headers
    assert headers["authorization"] == f"Bearer {provider.key}"
    assert headers["x-request-id"] == "req_7"
    assert headers["user-agent"].startswith("emma18/")
    assert headers["accept-encoding"] == "identity"
    assert set(headers) == {
        "accept", "accept-encoding", "authorization", "content-length", "content-type", "host", "user-agent",
        "x-emma18-hops", "x-request-id",
    }  # fmt: skip


async def test_connections_are_kept(provider, endpoint):
    for _ in range(3):
        await chat.complete(endpoint, ask("plain"), request_id="req_1")

    assert len({received.peer for received in provider.requests}) == 1


async def test_connections_to_the_built_in_provider_are_not_kept(provider):
    local = Endpoint(provider.base_url, provider.key, is_local=True)

    for _ in range(2):
        await chat.complete(local, ask("plain"), request_id="req_1")

    assert len({received.peer for received in provider.requests}) == 2


async def test_after_closing_a_call_opens_new_connections(provider, endpoint):
    await chat.complete(endpoint, ask("plain"), request_id="req_1")
    await client.close()
    await chat.complete(endpoint, ask("plain"), request_id="req_2")

    assert len({received.peer for received in provider.requests}) == 2


async def test_proxy_settings_of_the_machine_are_not_read(provider, endpoint, monkeypatch, unused_tcp_port):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_tcp_port}")

    await chat.complete(endpoint, ask("plain"), request_id="req_1")

    assert len(provider.requests) == 1


@pytest.mark.parametrize(
    "base_url",
    [
        "", "host", "ftp://host/v1", "http://", "http://host:99999/v1", "http://[::1", "http://user:pw@host/v1",
        "http://host/v1?x=1", "http://host/v1#x", "http://a..b/v1", f"http://{'a' * 70}.com/v1", "http://h\n/v1",
        "http://xn--/v1", "http://xn--a.b-/v1", "http://\\host/v1", "http://a\\b/v1", "http://\ud800/v1",
    ],
)  # fmt: skip
async def test_an_unusable_base_url_is_said_to_be_one(base_url):
    with pytest.raises(Unreachable, match="base URL"):
        await chat.complete(Endpoint(base_url, "k"), ask("any"), request_id="req_1")


@pytest.mark.parametrize("key", ["two\nlines", "clé", "\ud800"])
async def test_a_key_that_fits_no_header_is_not_sent(provider, key):
    with pytest.raises(Unreachable, match="key holds characters"):
        await chat.complete(Endpoint(provider.base_url, key), ask("any"), request_id="req_1")

    assert provider.requests == []


async def test_an_unknown_host_is_named():
    nowhere = Endpoint("https://provider.invalid/v1", "k")
    patient = Limits(connect_s=60)  # a resolver without a network takes its time to give up

    with pytest.raises(Unreachable, match=r"The host provider\.invalid was not found"):
        await chat.complete(nowhere, ask("any"), request_id="req_1", limits=patient)


async def test_tls_to_a_server_without_it_is_said_plainly(provider):
    base_url = provider.base_url.replace("http:", "https:")

    with pytest.raises(Unreachable, match="No TLS connection"):
        await chat.complete(Endpoint(base_url, provider.key), ask("any"), request_id="req_1")


async def test_a_certificate_nobody_vouches_for_is_refused(self_signed):
    server = await asyncio.start_server(lambda *streams: None, "127.0.0.1", 0, ssl=self_signed)
    port = server.sockets[0].getsockname()[1]

    async with server:
        with pytest.raises(Unreachable, match="TLS certificate of 127.0.0.1 was not accepted: self-signed"):
            await chat.complete(Endpoint(f"https://127.0.0.1:{port}/v1", "k"), ask("any"), request_id="req_1")


async def test_a_server_that_does_not_shake_hands_is_given_up_and_did_not_bill():
    limits = client.Limits(connect_s=0.2)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = Endpoint(f"https://127.0.0.1:{silent.getsockname()[1]}/v1", "k")
        with pytest.raises(TimedOut, match=r"within 0\.2 s") as raised:
            await chat.complete(endpoint, ask("any"), request_id="req_1", limits=limits)

    assert not raised.value.may_have_billed


@pytest.fixture
def self_signed(tmp_path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + datetime.timedelta(days=1))
    ).sign(key, hashes.SHA256())
    no_password = serialization.NoEncryption()
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password
    )
    (tmp_path / "server.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    return context
