"""The bytes of a request; what all attempts of a watch have in common is encoded once and cached."""

from __future__ import annotations

import asyncio
import re
from functools import cached_property

from aiohttp import ClientRequest
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from hookward.domain.delivery.request import OutgoingRequest

Fields = tuple[tuple[str, str], ...]

_DEFAULTS = (("Accept", "*/*"), ("Accept-Encoding", "identity"), ("User-Agent", "Hookward"))
_LENGTHLESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §8.6: no content is anticipated
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_UNSENDABLE = re.compile(r"[^!-~]")
_CONTROL = re.compile(r"[\0-\x08\x0a-\x1f\x7f]")  # RFC 9110 §5.5

_LONG = 4096
"""Bytes; a longer prepared request is not cached."""


class Origin(ClientRequest):
    """What aiohttp's connector needs to know of a request: scheme, host, port and connection owner."""

    def __init__(self, url: URL, loop: asyncio.AbstractEventLoop, party: str = "") -> None:
        super().__init__("GET", url, loop=loop)
        self._party = party

    @cached_property
    def connection_key(self) -> ConnectionKey:  # read for every request
        # aiohttp only compares the field, and does not know of the proxy that would need it.
        return super().connection_key._replace(proxy_headers_hash=self._party)  # type: ignore[arg-type]


class Prepared:
    """The origin of a request and the first lines of its head, the same for every attempt."""

    __slots__ = ("_start", "origin")

    def __init__(self, origin: Origin, start: bytes) -> None:
        self.origin = origin
        self._start = start

    def __len__(self) -> int:
        return len(self._start)

    def head(self, request: OutgoingRequest) -> bytes:
        """Return the head of ``request``. Raises ValueError for control characters in a header."""
        text = "".join([f"{name}: {value}\r\n" for name, value in request.changing])
        lines = len(request.changing)
        if text.count("\n") != lines or text.count("\r") != lines or "\0" in text:
            raise ValueError("a control character in a header")
        body = request.body
        if body is not None or request.method not in _LENGTHLESS:
            text = f"{text}Content-Length: {0 if body is None else len(body)}\r\n"
        return b"%b%b\r\n" % (self._start, text.encode())


class Preparations:
    """Up to ``limit`` prepared requests by method, address, headers and connection owner; no long ones (G12)."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._kept: dict[tuple[str, str, Fields, str], Prepared] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, request: OutgoingRequest) -> Prepared:
        """Return the prepared request, from the cache if possible. Raises ValueError for what HTTP/1.1 cannot carry."""
        key = (request.method, request.address, request.headers, request.connection_owner)
        prepared = self._kept.get(key)
        if prepared is None:
            prepared = _prepare(*key, self._loop)
            if len(prepared) <= _LONG:
                if len(self._kept) >= self._limit:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = prepared
        return prepared


def _prepare(method: str, address: str, headers: Fields, party: str, loop: asyncio.AbstractEventLoop) -> Prepared:
    if not _TOKEN.fullmatch(method):
        raise ValueError("a method that is no token")
    url = _parse(address)
    origin = Origin(url, loop, party)
    given = {name.lower() for name, _ in headers}
    lines = [f"{method} {url.raw_path_qs} HTTP/1.1", f"Host: {origin.headers['Host']}"]
    lines += [f"{name}: {value}" for name, value in _DEFAULTS if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers]
    if any(_CONTROL.search(line) for line in lines):
        raise ValueError("a control character in a header")
    return Prepared(origin, "".join([line + "\r\n" for line in lines]).encode())


def _parse(address: str) -> URL:
    """Return the URL without rewriting its percent-encodings, as aiohttp's own parsing would."""
    if _UNSENDABLE.search(address):
        raise ValueError("a space, a control character or a character outside ASCII")
    url = URL(address, encoded=True)
    if url.scheme not in {"http", "https"} or not url.raw_host or url.raw_user is not None:
        raise ValueError("not an absolute http(s) URL without user information")
    return url
