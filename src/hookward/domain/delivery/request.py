"""The HTTP request that one attempt sends, as a value."""

from __future__ import annotations

import re

import msgspec


class OutgoingRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What goes on the wire, exactly: nothing is rewritten on the way.

    ``address`` is an absolute http(s) URL whose path and query are already percent-encoded. ``headers`` are pairs in
    the order to send: those that the attempts at this address have in common, which are written once for all of them;
    ``changing`` follow them and are this attempt's own. ``body`` is ``None`` where the method sends none. ``party`` is
    on whose behalf it goes: a connection that carries one party's requests carries no other's. Headers and query hold
    secrets and the body is somebody's data, so the repr shows only where the request goes.
    """

    method: str
    address: str
    headers: tuple[tuple[str, str], ...]
    changing: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    connection_owner: str = ""

    def __repr__(self) -> str:
        size = 0 if self.body is None else len(self.body)
        origin = "/".join(re.split("[?#]", self.address, maxsplit=1)[0].split("/", 3)[:3]).rpartition("@")[2]
        return (
            f"<OutgoingRequest {self.method} {origin} {len(self.headers) + len(self.changing)} headers, {size} bytes>"
        )
