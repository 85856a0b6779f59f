"""Addresses with ``${jsonpath}`` in path and query. No value can change the host or leave the path that is written.

What is filled in is percent-encoded but for the unreserved characters (RFC 3986 §2.3), so it stays within the segment,
or the name or value of the query, in which its placeholder stands. Only dots need no encoding and yet mean something
when they are a whole segment (§5.2.4): an address to which a value adds such a segment is not used.

Which addresses a watch may name: absolute http(s) URLs (RFC 3986) that go on the wire as they are written.

Where a delivery may connect to is decided when it connects (``domain.egress``), not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any, Final
from urllib.parse import quote

from hookward.domain.errors import BudgetExceeded, Invalid, Problem, TemplateFailed
from hookward.domain.jsonpath.nodes import Steps
from hookward.domain.jsonpath.path import JsonPath, compile_path
from hookward.domain.problems import quoted
from hookward.domain.templates.placeholders import OPENING, Reference, Unclosed, split
from hookward.domain.templates.rendering import encode

MAX_PLACEHOLDERS: Final = 50
MAX_FILLED: Final = 8192

_PAST_AUTHORITY = re.compile(r"(?:[^/?#]*//)?+[^/?#]*[/?]")
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?=[/?]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AddressTemplate:
    """``head``, then each path with the constant text that follows it; ``dots`` counts its own dot segments."""

    head: str
    slots: tuple[tuple[JsonPath, str], ...]
    dots: int

    def fill(self, document: Any) -> str:
        """Return the address for a decoded document.

        Raises ``TemplateFailed`` when it would be too long or lead to another path, when
        the paths touch too many values, or when a value cannot be written.
        """
        try:
            filled = self._join(document)
        except BudgetExceeded as error:
            raise TemplateFailed(f"the address: {error}") from error
        except (TypeError, ValueError, RecursionError) as error:
            raise TemplateFailed("a value of the address is none that JSON can hold") from error
        if _dot_segments(filled) > self.dots:
            raise TemplateFailed("a value would make a segment of the address `.` or `..`, which means another path")
        return filled

    def _join(self, document: Any) -> str:
        steps = Steps()
        filled = self.head
        for path, constant in self.slots:
            text = _text(path.find(document, steps))
            if len(text) <= MAX_FILLED:  # else it is not worth encoding
                filled += quote(text, safe="") + constant
            if len(text) > MAX_FILLED or len(filled) > MAX_FILLED:
                raise TemplateFailed(f"the address would be longer than {MAX_FILLED} characters; select less for it")
        return filled


def has_placeholder(address: str) -> bool:
    """Whether an address holds a placeholder and must be compiled; any other is sent as written."""
    return OPENING in address


def compile_address(address: str) -> AddressTemplate:
    """Compile an address. Raises Invalid with every problem."""
    reading = _AddressReading()
    for part in split(address):
        match part:
            case Unclosed(text=text):
                reading.complain(f"the placeholder `${{{quoted(text)}` has no end; close it with }}")
            case Reference(text=text):
                reading.placeholder(text)
            case constant:
                reading.constant(constant)
        if len(reading.texts) > MAX_PLACEHOLDERS + 1:
            reading.complain(f"address has more than {MAX_PLACEHOLDERS} placeholders; use fewer")
            break
    return reading.result()


class _AddressReading:
    """Collects the parts of an address in order. ``skeleton`` is the address with harmless text in the placeholders."""

    def __init__(self) -> None:
        self.skeleton = ""
        self.texts = [""]
        self.paths: list[JsonPath] = []
        self.complaints: list[str] = []

    def complain(self, message: str) -> None:
        if message not in self.complaints:
            self.complaints.append(message)

    def constant(self, text: str) -> None:
        self.skeleton += text
        self.texts[-1] += text

    def placeholder(self, text: str) -> None:
        within = _PAST_AUTHORITY.match(self.skeleton) is not None
        if not within:
            self.complain(
                f"the placeholder `${{{quoted(text)}}}` stands in the scheme, user, host or port, which must be fixed; "
                "use placeholders in the path and the query only"
            )
        # A digit is right in host and port; x is not hexadecimal, and so cannot complete an escape.
        self.skeleton += "x" if within else "1"
        try:
            self.paths.append(compile_path(text))
        except Invalid as error:
            for each in error.problems:
                self.complain(f"the placeholder `${{{quoted(text)}}}`: {each.message}")
        self.texts.append("")

    def result(self) -> AddressTemplate:
        for complaint in address_complaints(self.skeleton):
            self.complain(complaint)
        if self.complaints:
            problems = tuple(Problem(message=complaint, pointer="") for complaint in self.complaints)
            raise Invalid("the address cannot be used", problems)
        head, *rest = self.texts
        return AddressTemplate(head, tuple(zip(self.paths, rest, strict=True)), _dot_segments(self.skeleton))


def _dot_segments(address: str) -> int:
    return len(_DOT_SEGMENT.findall(address.partition("?")[0]))


def _text(values: list[Any]) -> bytes:
    """Return the text of a placeholder (as in a template), before it is percent-encoded."""
    match values:
        case [] | [None]:
            return b""
        case [str() as text]:
            return text.encode()
        case [value]:
            return encode(value)
        case _:
            return encode(values)


_START = re.compile(r"https?://(?P<authority>[^/?#]*)", re.IGNORECASE)
_HOST = re.compile(r"(?:\[(?P<literal>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(?::(?P<port>[^:]*))?")
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")
_PORT = re.compile(r"0*[1-9][0-9]{0,4}|")
_FOREIGN = re.compile(r"[^A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def address_complaints(address: str, what: str = "address", *, instead: str = "use basicAuth") -> Iterator[str]:
    """Return all that is wrong with an address without placeholders, one sentence each.

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
