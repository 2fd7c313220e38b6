"""Which addresses this process may connect to. Knows IP addresses; knows no host names, no HTTP, no settings.

The question is asked of the numeric address at the moment a socket is made for it, so that no spelling of a
host, no redirect and no name that changes its address between two look-ups can get round it.
"""

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network
# What the event loop hands a socket factory: family, type, protocol, canonical name, socket address.
type AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]

LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1"))
GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
# Python counts these as global, or did in one of the versions we run on.
SPECIAL: tuple[Network, ...] = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments; a cloud's metadata lives in it
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("168.63.129.16/32"),  # Azure's host agent
    IPv6Network("2001::/23"),  # Teredo, ORCHID and other protocol assignments
    IPv6Network("2002::/16"),  # 6to4: carries any IPv4 address inside
    IPv6Network("3fff::/20"),  # documentation
)

# The special networks that may be called after all. Nothing, until `allow` is called.
allowed: tuple[Network, ...] = ()


class Blocked(OSError):
    """A socket was asked for to an address we must not connect to."""

    # All say the same: asyncio-style connectors merge errors of several addresses unless their text is equal.
    def __init__(self, address: str) -> None:
        super().__init__("address not allowed")
        self.address = address


def allow(networks: Iterable[str], *, loopback: bool) -> None:
    """Set once at start: the special networks that may be called after all, and whether loopback may."""
    global allowed
    allowed = tuple(map(_network, networks)) + (LOOPBACK if loopback else ())


def guarded_socket(info: AddressInfo) -> socket.socket:
    """A socket for this address, unless it is one we must not connect to: then `Blocked`."""
    address = str(info[4][0])
    if not _may_connect(address, allowed):
        raise Blocked(address)
    return _socket(info)


def loopback_socket(info: AddressInfo) -> socket.socket:
    """A socket for a process of our own on this machine, whatever the settings allow, and for nothing else."""
    address = str(info[4][0])
    if not any(_unwrapped(ip_address(address)) in network for network in LOOPBACK):
        raise Blocked(address)
    return _socket(info)


def _socket(info: AddressInfo) -> socket.socket:
    return socket.socket(info[0], info[1], info[2])


def _network(text: str) -> Network:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address or network such as 10.0.0.0/8.") from None


def _may_connect(text: str, networks: tuple[Network, ...]) -> bool:
    address = _unwrapped(ip_address(text))
    return any(address in network for network in networks) or _is_public(address)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address a mapped or translated IPv6 address leads to."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or any(address in network for network in SPECIAL):
        return False
    return isinstance(address, IPv4Address) or address in GLOBAL_UNICAST
