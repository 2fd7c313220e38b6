"""Base URLs by which servers were talked into calling machines they should not, and a sink that none may reach.

Each form leads, or is meant to lead, to the machine itself, to a private network or to a cloud's metadata.
PORT in a form is the sink's. The names under `.example` are what a stranger's name server would answer.
"""

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# What leads to this machine, and reaches the sink where nothing stops it.
TO_OURSELVES = [
    # plain
    "http://127.0.0.1:PORT/v1", "http://127.0.0.2:PORT/v1", "http://127.255.255.254:PORT/v1", "http://0.0.0.0:PORT/v1",
    "http://[::1]:PORT/v1", "http://[0:0:0:0:0:0:0:1]:PORT/v1", "http://[::]:PORT/v1",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:PORT/v1",
    # IPv4 in IPv6
    "http://[::ffff:127.0.0.1]:PORT/v1", "http://[::ffff:7f00:1]:PORT/v1", "http://[::FFFF:127.0.0.2]:PORT/v1",
    "http://[0:0:0:0:0:ffff:7f00:1]:PORT/v1", "http://[::ffff:0.0.0.0]:PORT/v1",
    # names
    "http://localhost:PORT/v1", "http://LOCALHOST:PORT/v1", "http://localhost.:PORT/v1", "http://LocalHost.:PORT/v1",
    "http://loopback.example:PORT/v1", "http://loopback-v6.example:PORT/v1", "http://loopback-mapped.example:PORT/v1",
    "http://loopback.example.:PORT/v1", "http://zero.example:PORT/v1", "http://all-blocked.example:PORT/v1",
    # other alphabets' dots, which turn into ASCII on the way
    "http://127。0。0。1:PORT/v1", "http://127．0．0．1:PORT/v1", "http://127｡0｡0｡1:PORT/v1",
    # numbers that the resolver counts out
    "http://0x7f000001:PORT/v1", "http://0x7f.1:PORT/v1", "http://0x7f.0x0.0x0.0x1:PORT/v1", "http://0x0:PORT/v1",
    # TLS changes nothing
    "https://127.0.0.1:PORT/v1", "https://[::1]:PORT/v1", "https://loopback.example:PORT/v1",
    # odd but whole
    "HTTP://127.0.0.1:PORT/v1", "http://127.0.0.1:PORT", "http://127.0.0.1:PORT//v1", "http://127.0.0.1:PORT/v1/../..",
    "http://127.0.0.1:PORT/%2e%2e/v1", "http://127.0.0.1:PORT/v1;x",
    "http://127.0.0.1:PORT /v1",
]  # fmt: skip
# What other programs read as this machine; ours, not even as an address.
MISREAD = [
    "http://127.1:PORT/v1", "http://127.0.1:PORT/v1", "http://2130706433:PORT/v1", "http://017700000001:PORT/v1",
    "http://0177.0.0.1:PORT/v1", "http://0177.0000.0000.0001:PORT/v1", "http://00000177.0.0.1:PORT/v1",
    "http://127.0.0.01:PORT/v1", "http://0:PORT/v1", "http://127.0.0.1.:PORT/v1",
    "http://127.0.0.1..:PORT/v1", "http://4294967297:PORT/v1", "http://127.0.0.257:PORT/v1", "http://%31%32%37.0.0.1:PORT/v1",
    "http://127.0.0.1%00.example.org:PORT/v1", "http://[::1%25lo]:PORT/v1", "http://[::1%lo]:PORT/v1",
    "http://[::ffff:127.1]:PORT/v1", "http://[v1.::1]:PORT/v1",
    "http://user@127.0.0.1:PORT/v1", "http://api.example.org@127.0.0.1:PORT/v1", "http://api.example.org:x@[::1]:PORT/v1",
    "http://127.0.0.1:PORT@api.example.org/v1", "http://api.example.org\\@127.0.0.1:PORT/v1",
    "http://127.0.0.1:PORT\\@api.example.org/v1", "http://api.example.org#@127.0.0.1:PORT/v1",
    "http://127.0.0.1:PORT/v1?x=", "http://127.0.0.1:PORT/v1#", "http:127.0.0.1:PORT/v1", "http:/127.0.0.1:PORT/v1",
    "http:///127.0.0.1:PORT/v1", "//127.0.0.1:PORT/v1", "127.0.0.1:PORT/v1", "http://127.0.0.1:PORT:80/v1",
    "http://１２７.0.0.1:PORT/v1", "http://①②⑦.⓪.⓪.①:PORT/v1", "http://ｌｏｃａｌｈｏｓｔ:PORT/v1", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/v1",
    "http://127.0.0.1\r\nHost: x:PORT/v1", "http://127.0.0.1:PORT/v1\r\nx: y",
    "\thttp://127.0.0.1:PORT/v1", "ftp://127.0.0.1:PORT/v1", "gopher://127.0.0.1:PORT/_x", "file:///etc/passwd",
    "dict://127.0.0.1:PORT/x", "ws://127.0.0.1:PORT/v1", "unix:///run/docker.sock", "http+unix://%2frun%2fx/v1",
    "data:application/json,[]", "jar:http://127.0.0.1:PORT!/", "javascript:alert(1)",
]  # fmt: skip
# Where clouds keep credentials, and networks that are nobody else's business. There is no sink at these.
ELSEWHERE = [
    "http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]/", "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::1]/", "http://169.254.170.2/v2", "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/", "http://168.63.129.16/", "http://100.100.100.200/latest", "http://192.0.0.192/opc",
    "http://metadata.google.internal/v1", "http://metadata.example/", "http://azure.example/", "http://169。254。169。254/",
    "http://10.0.0.1/v1", "http://172.16.0.1/v1", "http://172.31.255.255/v1", "http://192.168.1.1/v1",
    "http://100.64.0.1/v1", "http://198.18.0.1/v1", "http://192.0.2.1/v1", "http://240.0.0.1/v1",
    "http://255.255.255.255/v1", "http://224.0.0.1/v1", "http://0.1.2.3/v1", "http://[fc00::1]/v1", "http://[fe80::1]/v1",
    "http://[fec0::1]/v1", "http://[ff02::1]/v1", "http://[ff0e::1]/v1", "http://[::127.0.0.1]/v1",
    "http://[64:ff9b::7f00:1]/v1", "http://[64:ff9b:1::7f00:1]/v1", "http://[2002:7f00:1::]/v1",
    "http://[2001:0:7f00:1::]/v1", "http://[2001:db8::1]/v1", "http://[::ffff:0:7f00:1]/v1", "http://[100::1]/v1",
    "http://intranet.example/v1", "http://link-local.example/v1", "http://translated.example/v1",
]  # fmt: skip
ANSWERS = {
    "localhost": ["127.0.0.1"],
    "loopback.example": ["127.0.0.1"],
    "loopback-v6.example": ["::1"],
    "loopback-mapped.example": ["::ffff:127.0.0.1"],
    "zero.example": ["0.0.0.0"],
    "all-blocked.example": ["255.255.255.255", "127.0.0.1", "::1"],  # the first fails at once
    "metadata.google.internal": ["169.254.169.254"],
    "metadata.example": ["169.254.169.254"],
    "azure.example": ["168.63.129.16"],
    "intranet.example": ["10.1.2.3", "fd12::1"],
    "link-local.example": ["fe80::1"],
    "translated.example": ["64:ff9b::a9fe:a9fe"],
}


@dataclass
class Sink:
    """Takes every connection to its port, by whatever address of this machine, and closes it."""

    port: int
    reached: list[str] = field(default_factory=list)  # the address of ours that was connected to, for each connection


@contextlib.contextmanager
def running_sink() -> Iterator[Sink]:
    with _listener() as listener:
        sink = Sink(listener.getsockname()[1])

        def take() -> None:
            with contextlib.suppress(OSError):  # closed: it is over
                while True:
                    connection, _ = listener.accept()
                    sink.reached.append(connection.getsockname()[0])
                    connection.close()

        thread = threading.Thread(target=take, name="sink", daemon=True)
        thread.start()
        yield sink
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        thread.join(10)


def _listener() -> socket.socket:
    """Below the ports that systems give away by themselves: one of those may have been another test's a moment ago, and
    whoever still asks for that would seem to have reached this one."""
    for port in random.sample(range(10_000, 32_000), 100):
        with contextlib.suppress(OSError):  # taken
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
    raise RuntimeError("No port is free.")


class NameServer:
    """What the machine's resolver answers, for names of ours. It asks no other and takes numbers as they are."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self._numeric = socket.getaddrinfo

    def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        name = str(host).rstrip(".").lower()
        self.asked.append(name)
        addresses = self.answers.get(name, [host])
        flags |= socket.AI_NUMERICHOST
        return [found for address in addresses for found in self._numeric(address, port, family, type, proto, flags)]
