import socket

import pytest

from tests.upstream.conftest import ask
from upstream import chat, egress
from upstream.client import Endpoint
from upstream.errors import AddressBlocked, Unreachable

SPECIAL = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.9.1", "169.254.169.254", "172.16.0.1",
    "192.0.0.9", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "168.63.129.16", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "104.18.6.192", "2606:4700::6810:84e5", "2a00:1450:4001::1", "64:ff9b::808:808"]
SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "0x7f000001", "0x7f.1", "2130706433", "017700000001", "0177.0.0.1", "localhost",
    "localhost.", "LOCALHOST", "0", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]",
    "127。0。0。1", "１２７.0.0.1", "①②⑦.0.0.1",
]  # fmt: skip


def address_info(address: str) -> egress.AddressInfo:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, 0, "", (address, 443)


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses_get_no_socket(address):
    egress.allow([], loopback=False)

    with pytest.raises(egress.Blocked):
        egress.guarded_socket(address_info(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_get_a_socket(address):
    egress.allow([], loopback=False)

    egress.guarded_socket(address_info(address)).close()


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1"])
def test_listed_networks_get_a_socket(address):
    egress.allow(["10.0.0.0/8", "fd12::/16"], loopback=False)

    egress.guarded_socket(address_info(address)).close()
    with pytest.raises(egress.Blocked):
        egress.guarded_socket(address_info("192.168.0.1"))


@pytest.mark.parametrize("address", ["10.0.0.1", "1.1.1.1", "::"])
def test_the_built_in_provider_is_looked_for_on_loopback_only(address):
    with pytest.raises(egress.Blocked):
        egress.loopback_socket(address_info(address))


def test_a_wrong_network_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'10\.0\.0' is not an IP address or network"):
        egress.allow(["10.0.0"], loopback=False)


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_loopback_reaches_it(provider, host):
    egress.allow([], loopback=False)
    port = provider.base_url.split(":")[2]

    with pytest.raises(Unreachable):
        await chat.complete(Endpoint(f"http://{host}:{port}", provider.key), ask("any"), request_id="req_1")

    assert provider.requests == []


async def test_a_name_is_judged_by_the_address_it_leads_to(provider, monkeypatch):
    egress.allow([], loopback=False)
    port = int(provider.base_url.split(":")[2].removesuffix("/v1"))
    leads_to_loopback = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: leads_to_loopback)

    with pytest.raises(AddressBlocked, match=r"127\.0\.0\.1 is private .* EMMA18_EGRESS_ALLOW=127\.0\.0\.1"):
        await chat.complete(Endpoint(f"http://api.example.com:{port}/v1", "k"), ask("any"), request_id="req_1")

    assert provider.requests == []


async def test_the_built_in_provider_needs_no_permission(provider):
    egress.allow([], loopback=False)
    local = Endpoint(provider.base_url, provider.key, is_local=True)

    reply, _ = await chat.complete(local, ask("any"), request_id="req_1")

    assert reply["choices"]
