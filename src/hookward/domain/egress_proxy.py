"""The HTTP proxy through which deliveries may have to leave (``egress.proxy``)."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote

_PROXY = re.compile(
    r"http://(?:(?P<user>[!-~]*)@)?(?:\[(?P<literal>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})/?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressProxy:
    """``host`` and ``port`` are the proxy's own; ``authorization`` is sent to it as Proxy-Authorization, a secret."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)


def parse_proxy(text: str) -> EgressProxy:
    """``http://[user:password@]host:port``; raises ValueError. User and password are percent-encoded."""
    found = _PROXY.fullmatch(text)
    if found is None or not 1 <= int(found["port"]) <= 65535:
        raise ValueError("http://host:port or http://user:password@host:port")
    authorization = None
    if found["user"] is not None:
        user, _, password = found["user"].partition(":")
        authorization = "Basic " + b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return EgressProxy(host=found["literal"] or found["name"], port=int(found["port"]), authorization=authorization)
