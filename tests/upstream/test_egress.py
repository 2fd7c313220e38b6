"""Which addresses get a socket. That nothing gets round it is in `test_ssrf.py`."""

import socket

import pytest

from tests.upstream.conftest import ask
from upstream import chat, egress
from upstream.client import Endpoint

SPECIAL = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.9.1", "169.254.169.254", "172.16.0.1",
    "192.0.0.9", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "168.63.129.16", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::1",
    "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "104.18.6.192", "2606:4700::6810:84e5", "2a00:1450:4001::1", "64:ff9b::808:808"]


def address_info(address: str, port: int = 443) -> egress.AddressInfo:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, 0, "", (address, port)


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses_get_no_socket(address):
    egress.allow([], loopback=False)

    with pytest.raises(egress.Blocked):
        egress.guarded_socket(address_info(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_get_a_socket(address):
    egress.allow([], loopback=False)

    egress.guarded_socket(address_info(address)).close()


@pytest.mark.parametrize("address", SPECIAL)
def test_what_a_refusal_names_is_what_allows_it(address):
    egress.allow([], loopback=False)
    with pytest.raises(egress.Blocked) as blocked:
        egress.guarded_socket(address_info(address))

    egress.allow([blocked.value.address], loopback=False)

    egress.guarded_socket(address_info(address)).close()
    with pytest.raises(egress.Blocked):
        egress.guarded_socket(address_info(address, port=22))


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1"])
def test_listed_networks_get_a_socket(address):
    egress.allow(["10.0.0.0/8", "fd12::/16"], loopback=False)

    egress.guarded_socket(address_info(address)).close()
    with pytest.raises(egress.Blocked):
        egress.guarded_socket(address_info("192.168.0.1"))


@pytest.mark.parametrize(
    ("permit", "address"),
    [
        ("10.0.0.5", "10.0.0.5"), ("10.0.0.5:443", "10.0.0.5"), ("10.0.0.0/8:443", "10.9.9.9"),
        (" 10.0.0.5 ", "10.0.0.5"), ("fd12::1", "fd12::1"), ("[fd12::1]", "fd12::1"), ("[fd12::1]:443", "fd12::1"),
        ("[fd12::/16]:443", "fd12:3::4"), ("::ffff:10.0.0.5", "10.0.0.5"), ("::ffff:10.0.0.0/104", "10.9.9.9"),
        ("fe80::/10", "fe80::1%eth0"),
    ],
)  # fmt: skip
def test_permits_name_addresses_or_networks_at_all_ports_or_one(permit, address):
    egress.allow([permit], loopback=False)

    egress.guarded_socket(address_info(address)).close()


@pytest.mark.parametrize("address", ["10.0.0.1", "1.1.1.1", "::"])
def test_the_built_in_provider_is_looked_for_on_loopback_only(address):
    with pytest.raises(egress.Blocked):
        egress.loopback_socket(address_info(address))


@pytest.mark.parametrize(
    "permit", ["10.0.0", "ollama.lan", "ollama.lan:11434", "10.0.0.5:99999", "10.0.0.5:x", "[10.0.0.5", "", "*"]
)
def test_a_wrong_permit_is_refused_by_name(permit):
    with pytest.raises(ValueError, match="is not an IP address or network, such as 10") as refused:
        egress.allow([permit], loopback=False)

    assert repr(permit) in str(refused.value)


async def test_the_built_in_provider_needs_no_permission(provider):
    egress.allow([], loopback=False)
    local = Endpoint(provider.base_url, provider.key, is_local=True)

    reply, _ = await chat.complete(local, ask("any"), request_id="req_1")

    assert reply["choices"]
