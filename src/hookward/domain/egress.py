"""Which addresses and ports a delivery may connect to, and the proxy that deliveries go through (``egress.proxy``).

Forbidden networks follow the IANA special-purpose registries (RFC 6890 and its updates), with those added that a
webhook never needs to reach. :attr:`ipaddress.IPv4Address.is_global` is not used: its value changes between Python
releases, and it calls some forms that embed an IPv4 address global.

Forbidden ports belong to protocols other than HTTP, where a request could be read as a command. The list is that of
the Fetch standard (https://fetch.spec.whatwg.org/#port-blocking), which browsers use.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import unquote

_FORBIDDEN_V4 = tuple(
    (IPv4Network(network), purpose)
    for network, purpose in (  # where networks nest, the narrower is first, so that it gives the reason
        ("255.255.255.255/32", "broadcast"),
        ("0.0.0.0/32", "unspecified"),
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by carriers' NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud platform's own services"),
        ("169.254.0.0/16", "link-local, where clouds serve instance metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112 name servers"),
        ("192.52.193.0/24", "multicast tunnels"),
        ("192.88.99.0/24", "6to4 relays"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "AS112 name servers"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)

_MAPPED = IPv6Network("::ffff:0:0/96")
_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")

_FORBIDDEN_V6 = tuple(
    (network if isinstance(network, IPv6Network) else IPv6Network(network), purpose)
    for network, purpose in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        (_MAPPED, "IPv4-mapped"),
        (_COMPATIBLE, "IPv4-compatible"),
        (_TRANSLATED, "IPv4-translated"),
        (_NAT64, "NAT64"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("100::/64", "discard-only"),
        ("100:0:0:1::/64", "dummy prefix"),
        ("2001::/32", "Teredo"),
        ("2001:2::/48", "benchmarking"),
        ("2001:10::/28", "ORCHID"),
        ("2001:20::/28", "ORCHIDv2"),
        ("2001:30::/28", "drone identifiers"),
        ("2001:db8::/32", "documentation"),
        ("2001::/23", "protocol assignments"),
        (_SIX_TO_FOUR, "6to4"),
        ("2620:4f:8000::/48", "AS112 name servers"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "segment routing"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
        ("::/3", "reserved, not global unicast"),  # these three are everything outside 2000::/3
        ("4000::/2", "reserved, not global unicast"),
        ("8000::/1", "reserved, not global unicast"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressPolicy:
    """Which networks and ports an operator allows and denies.

    The networks of the table are forbidden unless they are in ``allow``; those in ``deny`` are always forbidden.
    ``ports`` are the only ports allowed; if empty, every port is allowed except those of other protocols.
    """

    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    deny: tuple[IPv4Network | IPv6Network, ...] = ()
    ports: tuple[range, ...] = ()

    def refusal(self, address: str, port: int) -> str | None:
        """Return why a delivery may not connect to ``address`` and ``port``, for the integrator; ``None`` if it may.

        ``address`` is the IP address about to be connected to, never a name. An IPv6 address that embeds an IPv4 one
        (mapped, compatible, translated, NAT64, 6to4) is allowed if that IPv4 address is; allowing only the embedding
        network allows those of its addresses whose IPv4 address is public. A denied network is denied in every form,
        also where it is allowed.
        """
        try:
            ip = ip_address(address.partition("%")[0])  # a zone (RFC 4007) names an interface, not a network
        except ValueError:
            return f"{address!r} is no IP address in its standard form, and nothing else is connected to."
        return self._of_network(ip, _embedded(ip)) or port_refusal(port, self.ports)

    def _of_network(self, ip: IPv4Address | IPv6Address, inner: IPv4Address | None) -> str | None:
        for each in (ip, inner):
            closed = None if each is None else next((network for network in self.deny if each in network), None)
            if closed is not None:
                subject = f"{ip}" if each is ip else f"{ip}, which embeds {inner},"
                return f"{subject} is in {closed}, which the operator closed to deliveries with egress.deny."
        if inner is not None and self._allows(inner):
            return None
        if self._allows(ip):
            if inner is None or _forbidding(inner) is None:
                return None
            return _sentence(f"{ip}, which embeds {inner},", inner)
        return None if _forbidding(ip) is None else _sentence(f"{ip}", ip)

    def _allows(self, ip: IPv4Address | IPv6Address) -> bool:
        return any(ip in network for network in self.allow)  # False across IP versions


def _embedded(ip: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address inside an IPv6 form whose layout is fixed.

    RFC 4291 §2.5.5, RFC 2765 §2.1, RFC 6052 §2.2, RFC 3056 §2.
    """
    if isinstance(ip, IPv4Address):
        return None
    number = int(ip)
    if ip in _SIX_TO_FOUR:
        return IPv4Address(number >> 80 & 0xFFFF_FFFF)
    if ip in _COMPATIBLE and number <= 1:  # ::0 and ::1 embed nothing
        return None
    if any(ip in network for network in (_MAPPED, _TRANSLATED, _NAT64, _COMPATIBLE)):
        return IPv4Address(number & 0xFFFF_FFFF)
    return None


def _forbidding(ip: IPv4Address | IPv6Address) -> tuple[IPv4Network | IPv6Network, str] | None:
    table = _FORBIDDEN_V4 if isinstance(ip, IPv4Address) else _FORBIDDEN_V6
    return next(((network, purpose) for network, purpose in table if ip in network), None)


def _sentence(subject: str, ip: IPv4Address | IPv6Address) -> str:
    found = _forbidding(ip)
    assert found is not None, "only called for forbidden addresses"
    network, purpose = found
    return (
        f"{subject} is in {network} ({purpose}), which deliveries may not reach "
        "unless the operator adds that address or network to egress.allow."
    )


FOREIGN_PORTS: Final[dict[int, str]] = {
    0: "reserved", 1: "tcpmux", 7: "echo", 9: "discard", 11: "systat", 13: "daytime", 15: "netstat", 17: "qotd",
    19: "chargen", 20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 37: "time", 42: "name",
    43: "nicname", 53: "domain", 69: "tftp", 77: "rje", 79: "finger", 87: "link", 95: "supdup", 101: "hostname",
    102: "iso-tsap", 103: "gppitnp", 104: "acr-nema", 109: "pop2", 110: "pop3", 111: "sunrpc", 113: "auth",
    115: "sftp", 117: "uucp-path", 119: "nntp", 123: "ntp", 135: "epmap", 137: "netbios-ns", 139: "netbios-ssn",
    143: "imap", 161: "snmp", 179: "bgp", 389: "ldap", 427: "svrloc", 465: "submissions", 512: "exec", 513: "login",
    514: "shell", 515: "printer", 526: "tempo", 530: "courier", 531: "chat", 532: "netnews", 540: "uucp", 548: "afp",
    554: "rtsp", 556: "remotefs", 563: "nntps", 587: "submission", 601: "syslog-conn", 636: "ldaps",
    989: "ftps-data", 990: "ftps", 993: "imaps", 995: "pop3s", 1719: "h323gatestat", 1720: "h323hostcall",
    1723: "pptp", 2049: "nfs", 3659: "apple-sasl", 4045: "npp", 4190: "sieve", 5060: "sip", 5061: "sips",
    6000: "x11", 6566: "sane-port", 6665: "irc", 6666: "irc", 6667: "irc", 6668: "irc", 6669: "irc", 6679: "osaut",
    6697: "ircs-u", 10080: "amanda",
}  # fmt: skip


def port_refusal(port: int, opened: tuple[range, ...]) -> str | None:
    """Return in one sentence why no delivery may connect to ``port``, or ``None``.

    ``opened`` are the only ports allowed, unless it is empty.
    """
    if opened:
        if any(port in each for each in opened):
            return None
        return f"Port {port} is none of the ports that the operator opened to deliveries with egress.ports."
    service = FOREIGN_PORTS.get(port)
    if service is None:
        return None
    return (
        f"Port {port} ({service}) belongs to another protocol than HTTP; deliveries may not connect to it "
        "unless the operator lists it in egress.ports."
    )


_PROXY = re.compile(
    r"http://(?:(?P<user>[!-~]*)@)?(?:\[(?P<literal>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})/?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressProxy:
    """An HTTP proxy. ``authorization`` is the value of the Proxy-Authorization header, a secret."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)


def parse_proxy(text: str) -> EgressProxy:
    """Parse ``http://[user:password@]host:port``, with user and password percent-encoded; raises ValueError."""
    found = _PROXY.fullmatch(text)
    if found is None or not 1 <= int(found["port"]) <= 65535:
        raise ValueError("http://host:port or http://user:password@host:port")
    authorization = None
    if found["user"] is not None:
        user, _, password = found["user"].partition(":")
        authorization = "Basic " + b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return EgressProxy(host=found["literal"] or found["name"], port=int(found["port"]), authorization=authorization)
