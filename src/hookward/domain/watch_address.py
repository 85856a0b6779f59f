"""Which addresses a watch may name: absolute http(s) URLs (RFC 3986) that go on the wire as they are written.

Where a delivery may connect to is decided when it connects (:mod:`hookward.domain.egress`), not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv6Address

_START = re.compile(r"https?://(?P<authority>[^/?#]*)", re.IGNORECASE)
_HOST = re.compile(r"(?:\[(?P<literal>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(?::(?P<port>[^:]*))?")
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")
_PORT = re.compile(r"0*[1-9][0-9]{0,4}|")
_FOREIGN = re.compile(r"[^A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def address_complaints(address: str, what: str = "address", *, instead: str = "use basicAuth") -> Iterator[str]:
    """All that is wrong with an address without placeholders, a sentence each.

    ``what`` is its name, ``instead`` the cure for a user name in it.
    """
    rest, fragment, _ = address.partition("#")
    if fragment:
        yield f"{what} must not have a fragment (#…); leave it out"
    start = _START.match(rest)
    if start is None:
        yield f"{what} must be an absolute http:// or https:// URL, such as https://example.com/hooks"
    else:
        yield from _authority_complaints(start["authority"], what, instead)
        rest = rest[start.end() :]
    if _FOREIGN.search(rest):
        yield f"{what} holds characters that no URL may; percent-encode them"
    if _BAD_ESCAPE.search(rest):
        yield f"{what} holds a % that is not followed by two hexadecimal digits; write %25 for a percent sign"


def _authority_complaints(authority: str, what: str, instead: str) -> Iterator[str]:
    _, user, place = authority.rpartition("@")
    if user:
        yield f"{what} must not hold a user name or password; {instead}"
    found = _HOST.fullmatch(place)
    if found is None:
        yield "the host must be a name, an IPv4 address, or an IPv6 address in brackets, with a port or none"
        return
    if found["literal"] is not None and not _is_ipv6(found["literal"]):
        yield "the host in brackets must be an IPv6 address without zone, such as [2001:db8::1]"
    if found["name"] is not None:
        yield from _name_complaints(found["name"], what)
    port = found["port"] or ""
    if not _PORT.fullmatch(port) or int(port or 1) > 65535:
        yield "the port must be a number from 1 to 65535; leave it out for that of the scheme"


def _name_complaints(name: str, what: str) -> Iterator[str]:
    if not name:
        yield f"{what} has no host; give one, such as https://example.com/hooks"
    elif not name.isascii():
        yield "the host must be in ASCII; give an international name as punycode, such as xn--bcher-kva.example"
    elif len(name) > 253 or not all(map(_LABEL.fullmatch, name.removesuffix(".").split("."))):
        yield "the host must be labels of 1 to 63 letters, digits, - and _, joined by dots, at most 253 characters"


def _is_ipv6(literal: str) -> bool:
    try:
        IPv6Address(literal)
    except ValueError:
        return False
    return "%" not in literal  # a zone (RFC 4007) names an interface of this machine
