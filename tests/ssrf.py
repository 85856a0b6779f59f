"""Addresses by which a service that sends requests was ever made to send them where it must not: a corpus, and a trap.

Whatever goes out through ``HttpSender`` can be driven with it: ``CORPUS`` holds
addresses with ``{port}`` for the trap's port, ``NAMES`` what the hostile name server answers, and a ``Trap``
counts who comes. With nothing opened (``EgressPolicy()``) it must stay empty.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address
from types import TracebackType
from typing import Final, Self

from aiohttp.abc import AbstractResolver, ResolveResult

LOOPBACK: Final = "127.0.0.1"
METADATA: Final = "169.254.169.254"

_TARGETS = (LOOPBACK, METADATA, "10.0.0.1", "192.168.0.1", "172.16.0.1", "100.100.100.200")


def notations(address: str) -> Iterator[str]:
    """Everything that ``inet_aton`` and its kin read as this address: decimal, octal, hexadecimal, short, mixed."""
    number = int(IPv4Address(address))
    a, b, c, d = IPv4Address(address).packed
    yield address
    yield f"{a}.{b}.{c * 256 + d}"
    yield f"{a}.{number & 0xFFFFFF}"
    yield f"{number}"
    yield f"{number:#x}"
    yield f"{number:#X}"
    yield f"0{number:o}"
    yield f"{a:#x}.{b:#x}.{c:#x}.{d:#x}"
    yield f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield f"000{a:o}.{b}.{c}.{d}"
    yield f"{a:#x}.{b}.0{c:o}.{d}"
    yield f"{a:#x}.{number & 0xFFFFFF}"


def embeddings(address: str) -> Iterator[str]:
    """The IPv6 addresses that mean this IPv4 address to one mechanism or another."""
    number = int(IPv4Address(address))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    yield f"[::ffff:{address}]"
    yield f"[::ffff:{high}:{low}]"
    yield f"[0:0:0:0:0:FFFF:{high}:{low}]"
    yield f"[0000:0000:0000:0000:0000:ffff:{address}]"
    yield f"[::{address}]"
    yield f"[::{high}:{low}]"
    yield f"[::ffff:0:{address}]"
    yield f"[64:ff9b::{address}]"
    yield f"[64:ff9b:1::{address}]"
    yield f"[2002:{high}:{low}::1]"
    yield f"[2001:0:4136:e378:8000:63bf:{number >> 16 ^ 0xFFFF:x}:{number & 0xFFFF ^ 0xFFFF:x}]"  # Teredo


_SPECIAL_V4 = """
    0.0.0.0 0.0.0.1 0 127.0.0.2 127.0.1.1 127.255.255.254 10.255.255.255 100.64.0.1 168.63.129.16 169.254.0.1
    169.254.170.2 169.254.169.253 172.31.255.254 192.0.0.1 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1
    192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.254 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250
    240.0.0.1 255.255.255.255
""".split()  # noqa: SIM905

_SPECIAL_V6 = """
    :: ::1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001 ::0001 0::1 ::0:1 100::1 2001:2::1 2001:10::1
    2001:20::1 2001:db8::1 3fff::1 4000::1 5f00::1 fc00::1 fd00::1 fd00:ec2::254 fd00:42::42 fd20:ce::254 fe80::1
    fe80::a9fe:a9fe fe80::5efe:127.0.0.1 fec0::1 ff01::1 ff02::1 ff05::1:3 ff0e::1
""".split()  # noqa: SIM905

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "localhost": (LOOPBACK, "::1"),
    "localhost.localdomain": (LOOPBACK,),
    "ip6-localhost": ("::1",),
    "localtest.me": (LOOPBACK,),
    "127.0.0.1.nip.io": (LOOPBACK,),
    "7f000001.nip.io": (LOOPBACK,),
    "spoofed.attacker.example": (LOOPBACK,),
    "mapped.attacker.example": ("::ffff:127.0.0.1",),
    "nat64.attacker.example": ("64:ff9b::7f00:1",),
    "any.attacker.example": ("0.0.0.0", "::"),
    "zone.attacker.example": ("fe80::1%lo",),
    "many.attacker.example": tuple(f"127.0.0.{number}" for number in range(10, 200)),
    "xn--lclhst-5ua6l.attacker.example": (LOOPBACK,),
    "metadata.google.internal": (METADATA,),
    "metadata": (METADATA,),
    "instance-data": (METADATA,),
    "instance-data.ec2.internal": ("fd00:ec2::254",),
    "metadata.tencentyun.com": ("169.254.0.23",),
    "rancher-metadata": ("169.254.169.250",),
    "100-100-100-200.attacker.example": ("100.100.100.200",),
    "kubernetes.default.svc": ("10.96.0.1",),
    "host.docker.internal": ("172.17.0.1",),
    "intranet": ("192.168.1.1",),
}
"""Names, and what the name server of these tests answers for them; it knows no other."""

_AS_WRITTEN = ("localhost.", "LOCALHOST", "LocalHost", "localhost..", "127.0.0.1.", "127.0.0.1..")

_BEYOND = ("256.256.256.256", "6425673729", "0x100000000", "127.0.0.256", "127.0.0.0.1", "0x7f.0x0.0x0.0x100", "1e3")
"""Numbers that some readers wrap round."""

_UNICODE = """
    ①②⑦.⓪.⓪.① １２７.０.０.１ 127。0。0。1 127．0．0．1 127｡0｡0｡1 ⓛⓞⓒⓐⓛⓗⓞⓢⓣ ｌｏｃａｌｈｏｓｔ loc\u00adalhost
    ١٢٧.٠.٠.١ [::①] ⑯⑨。②⑤④。⑯⑨｡②⑤④ 127.0.0.1\u200b \u202e1.0.0.721
""".split()  # noqa: SIM905

_ENCODED = (
    "%31%32%37%2e%30%2e%30%2e%31", "127.0.0.1%00.attacker.example", "127.0.0.1%2f.attacker.example", "127.0.0.1%20",
    "127.0.0.1%0d%0a", "localhost%00", "%6c%6f%63%61%6c%68%6f%73%74", "127%2e0%2e0%2e1", "[::1%25lo]", "[::1%lo]",
    "[fe80::1%25lo]",
)  # fmt: skip

_HOSTS = (
    *(each for target in _TARGETS for each in (*notations(target), *embeddings(target))),
    *_SPECIAL_V4, *(f"[{each}]" for each in _SPECIAL_V6), *NAMES, *_AS_WRITTEN, *_BEYOND, *_UNICODE, *_ENCODED,
)  # fmt: skip

_WHOLE = (
    "https://127.0.0.1:{port}/", "https://[::1]:{port}/", "HTTP://127.0.0.1:{port}/", "http://127.0.0.1:0{port}/",
    "http://127.0.0.1:{port}", "http://127.0.0.1:{port}?a", "http://127.0.0.1:{port}#a",
    # One reader's user is another reader's host.
    "http://attacker.example@127.0.0.1:{port}/", "http://attacker.example:80@127.0.0.1:{port}/",
    "http://a:b@127.0.0.1:{port}/", "http://@127.0.0.1:{port}/", "http://127.0.0.1:{port}@attacker.example/",
    "http://attacker.example#@127.0.0.1:{port}/", "http://attacker.example?@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@attacker.example/", "http://127.0.0.1:{port}?@attacker.example/",
    "http://127.0.0.1:{port}/@attacker.example/", "http://127.0.0.1:{port};@attacker.example/",
    "http://attacker.example\\@127.0.0.1:{port}/", "http://127.0.0.1:{port}\\@attacker.example/",
    "http://127.0.0.1:{port}\\.attacker.example/", "http:\\\\127.0.0.1:{port}\\", "http:/\\127.0.0.1:{port}/",
    "http://a@b@127.0.0.1:{port}/", "http://attacker.example&@127.0.0.1:{port}#@attacker.example/",
    # Neither absolute nor of our schemes.
    "http:127.0.0.1:{port}/", "http:/127.0.0.1:{port}/", "http:///127.0.0.1:{port}/", "//127.0.0.1:{port}/",
    "127.0.0.1:{port}/", "/127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_x", "ftp://127.0.0.1:{port}/",
    "dict://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/", "file:///etc/passwd", "file://127.0.0.1:{port}/",
    "jar:http://127.0.0.1:{port}/!/", "http+unix://%2frun%2fdocker.sock/", "url:http://127.0.0.1:{port}/",
    # Blanks, breaks, two ports.
    " http://127.0.0.1:{port}/", "http://127.0.0.1:{port}/\r\nHost: x", "http://\t127.0.0.1:{port}/",
    "http://127.0.0.1\n:{port}/", "http://127.0.0.1:{port}:80/", "http://127.0.0.1:80:{port}/",
    "http://127.0.0.1 attacker.example:{port}/", "http://attacker.example 127.0.0.1:{port}/",
    "http://[127.0.0.1]:{port}/", "http://[::1:{port}/", "http://::1:{port}/", "http://[::1].attacker.example:{port}/",
    "http://[::1]@127.0.0.1:{port}/", "http://[v1.127.0.0.1]:{port}/",
)  # fmt: skip

_PORTS = tuple(f"http://127.0.0.1:{port}/" for port in (0, 22, 25, 6379, 65536, -1, 4294967376))

CORPUS: Final = (*(f"http://{host}:{{port}}/" for host in _HOSTS), *_WHOLE, *_PORTS)

ESCAPES: Final = (
    "/../..", "//127.0.0.2:{port}/", "@127.0.0.2:{port}/", ":{port}@127.0.0.2:{port}/", "?x=1#@127.0.0.2:{port}",
    "\\@127.0.0.2:{port}/", "\r\nHost: 127.0.0.2:{port}\r\n\r\nGET / HTTP/1.1", "http://127.0.0.2:{port}/",
    ".attacker.example", "%2f%2f127.0.0.2", "。127.0.0.2", "\u2028\u0085 127.0.0.2", "\0", "127.0.0.2:{port}#",
)  # fmt: skip
"""Values of a placeholder that would lead to 127.0.0.2 if they could leave their place."""


def at(port: int) -> list[str]:
    """The corpus for a trap on ``port``."""
    return [address.replace("{port}", str(port)) for address in CORPUS]


class Trap:
    """Listens on every address of the machine, in IPv4 and IPv6, and counts connections."""

    async def __aenter__(self) -> Self:
        self.connections = 0
        listening = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
        self._server = await asyncio.start_server(self._accept, sock=listening)
        self.port: int = listening.getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError):
            await reader.read(65536)
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        writer.close()


class HostileNames(AbstractResolver):
    """Answers ``NAMES``, what libc makes of a number, and nothing else: no name server is asked."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        answers = NAMES.get(host.rstrip(".").lower())
        if answers is None:
            try:
                found = socket.getaddrinfo(host.rstrip("."), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            except UnicodeError as error:
                raise socket.gaierror(socket.EAI_NONAME, "no name") from error
            answers = tuple(str(address[0]) for *_, address in found)
        return [
            ResolveResult(
                hostname=host, host=each, port=port, proto=0, flags=0,
                family=socket.AF_INET6 if ":" in each else socket.AF_INET,
            )
            for each in answers
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is open."""
