"""Parsers of settings, from a TOML value or a string of the environment.

Each raises ValueError with a description of the expected value.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path

from hookward.domain.durations import parse_duration
from hookward.domain.egress import EgressProxy, parse_proxy
from hookward.domain.templates.addresses import address_complaints

EMBEDDED = "embedded"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(r"(\[[^\]]*\]|[^:\[\]@]*)(:[0-9]{0,5})?")


def duration_between(low: float, high: float) -> Callable[[object], float]:
    def parse(value: object) -> float:
        seconds = parse_duration(value)
        if not low <= seconds <= high:
            raise ValueError(f"a duration from {low:g}s to {high:g}s")
        return seconds

    return parse


def parse_durations(value: object) -> tuple[float, ...]:
    return tuple(duration_between(0, 30 * 86400)(each) for each in parse_strings(value))


def parse_strings(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("a list of texts (comma-separated in the environment)")
    return tuple(value)


def parse_networks(value: object) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(each) for each in parse_strings(value))
    except ValueError:
        raise ValueError('a list of networks such as ["127.0.0.1/32"]') from None


def parse_ports(value: object) -> tuple[range, ...]:
    """Parse ports and ranges of ports: ``443`` or ``8000-8999``."""
    listed = [value] if isinstance(value, int) else value
    texts = parse_strings([str(each) for each in listed] if isinstance(listed, list) else listed)
    spans = [re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", each) for each in texts]
    ranges = [range(int(span[1]), int(span[2] or span[1]) + 1) for span in spans if span is not None]
    if len(ranges) < len(spans) or not all(each and each[0] >= 1 and each[-1] <= 65535 for each in ranges):
        raise ValueError('a list of ports and spans of ports from 1 to 65535, such as [443, "8000-8999"]')
    return tuple(ranges)


def parse_proxy_setting(value: object) -> EgressProxy:
    return parse_proxy(parse_string(value))


def integer_between(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,9}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return parse


def parse_string(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def parse_path(value: object) -> Path:
    return Path(parse_string(value)).expanduser()


def url_with_scheme(*schemes: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value == EMBEDDED:
            return EMBEDDED
        if not isinstance(value, str) or value.split("://")[0] not in schemes or "://" not in value:
            raise ValueError(f'"{EMBEDDED}" or a URL that starts with {" or ".join(s + "://" for s in schemes)}')
        hosts = re.split("[/?#]", value.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]
        if not all(_HOST.fullmatch(host) for host in hosts.split(",")):
            raise ValueError("a URL with a host and a port that is a number; user and password percent-encoded")
        return value

    return parse


def choice_of(*allowed: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in allowed:
            raise ValueError("one of " + ", ".join(allowed))
        return str(value)

    return parse


def parse_bootstrap_key(value: object) -> str:
    key = parse_string(value)
    if not 16 <= len(key) <= 255 or not all("!" <= char <= "~" for char in key):
        raise ValueError("16 to 255 visible ASCII characters")
    return key


def parse_master_key(value: object) -> bytes:
    """Parse a master key: 32 bytes in base64."""
    try:
        key = base64.b64decode(parse_string(value), validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ValueError("32 bytes in base64")
    return key


def parse_master_keys(value: object) -> tuple[bytes, ...]:
    try:
        return tuple([parse_master_key(each) for each in parse_strings(value)])
    except ValueError:
        raise ValueError("a list of keys, each 32 bytes in base64") from None


def parse_path_prefixes(value: object) -> tuple[str, ...]:
    paths = parse_strings(value)
    if not all(re.fullmatch(r"(/[\w.~-]+)+", each) for each in paths):
        raise ValueError('a list of paths such as ["/api/2.3"]')
    return paths


def parse_public_url(value: object) -> str:
    given = parse_string(value).rstrip("/")
    if "?" in given or any(address_complaints(given)):
        raise ValueError('an http(s) URL without query and fragment, such as "https://hooks.example.com"')
    return given
