"""Which addresses this process may connect to. Knows IP addresses; knows no host names, no HTTP, no settings.

The question is asked of the numeric address at the moment a socket is made for it, so that no spelling of a
host, no redirect and no name that changes its address between two look-ups can get round it. A kept connection is
not asked about again: it leads where it was allowed to.
"""

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network
# What the event loop hands a socket factory: family, type, protocol, canonical name, socket address.
type AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]

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

HIGHEST_PORT = 65535
# 10.0.0.5, 10.0.0.0/8, 10.0.0.5:11434, fd12::1, [fd12::1]:11434 and the like.
_PERMIT = re.compile(
    r"(?P<v4>[^][:]+)(:(?P<v4_port>[0-9]+))?|\[(?P<v6>[^][]+)\](:(?P<v6_port>[0-9]+))?|(?P<bare_v6>[^][]+)"
)


@dataclass(frozen=True, slots=True)
class Permit:
    """A special network that may be called after all, at one port or at all of them."""

    network: Network
    port: int | None = None

    def covers(self, address: Address, port: int) -> bool:
        return address in self.network and self.port in (None, port)

    def __str__(self) -> str:
        return str(self.network) if self.port is None else f"{self.network} port {self.port}"


LOOPBACK = (Permit(IPv4Network("127.0.0.0/8")), Permit(IPv6Network("::1")))
# Nothing, until `allow` is called.
allowed: tuple[Permit, ...] = ()


class Blocked(OSError):
    """A socket was asked for to an address we must not connect to. `address` is what `allow` would have to be told."""

    # All say the same: asyncio-style connectors merge errors of several addresses unless their text is equal.
    def __init__(self, address: str, port: int) -> None:
        super().__init__("address not allowed")
        self.address = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def allow(permits: Iterable[str], *, loopback: bool) -> None:
    """Set at start: what may be called although it is special, and whether loopback may."""
    global allowed
    allowed = tuple(map(_permit, permits)) + (LOOPBACK if loopback else ())


def guarded_socket(info: AddressInfo) -> socket.socket:
    """A socket for this address, unless it is one we must not connect to: then `Blocked`."""
    address, port = _destination(info)
    if not (_is_public(address) or any(permit.covers(address, port) for permit in allowed)):
        raise Blocked(str(address), port)
    return socket.socket(info[0], info[1], info[2])


def may_connect(address: str, port: int) -> bool:
    """Whether a socket for this numeric address would be made."""
    numeric = _unwrapped(ip_address(address.partition("%")[0]))
    return _is_public(numeric) or any(permit.covers(numeric, port) for permit in allowed)


def loopback_socket(info: AddressInfo) -> socket.socket:
    """A socket for a process of our own on this machine, whatever the settings allow, and for nothing else."""
    address, port = _destination(info)
    if not any(permit.covers(address, port) for permit in LOOPBACK):
        raise Blocked(str(address), port)
    return socket.socket(info[0], info[1], info[2])


def _destination(info: AddressInfo) -> tuple[Address, int]:
    """Where a socket for it would lead, without the zone of a link-local address."""
    host, port = str(info[4][0]), int(info[4][1])
    try:
        return _unwrapped(ip_address(host.partition("%")[0])), port
    except ValueError:  # no resolver gives that; what cannot be judged is not called
        raise Blocked(host, port) from None


def _permit(text: str) -> Permit:
    found = _PERMIT.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        network = ip_network(found["v4"] or found["v6"] or found["bare_v6"], strict=False)
        port = int(found["v4_port"] or found["v6_port"] or 0) or None
        if port is not None and port > HIGHEST_PORT:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{text!r} is not an IP address or network, such as 10.0.0.5, 10.0.0.5:11434 or 10.0.0.0/8. Names are not "
            "taken, since whoever runs the name server decides where they lead."
        ) from None
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped:
        network = IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return Permit(network, port)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that the kernel connects to for an IPv4-mapped one."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address in NAT64:
        return _is_public(IPv4Address(int(address) & 0xFFFFFFFF))  # a translator on the way sends it there
    if not address.is_global or address.is_multicast or any(address in network for network in SPECIAL):
        return False
    return isinstance(address, IPv4Address) or address in GLOBAL_UNICAST
