"""Which methods a path takes. Where several paths fit a request, the one with fewest parameters is meant (OpenAPI 3.1).

The router asks every path that fits, so that ``PUT /v1/watches/preview`` would look for a watch called preview, and
``Allow`` (RFC 9110 §10.2.1) would name methods that are another path's.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from aiohttp import web


class Allowed:
    """The methods of every path, given as pairs of method and path."""

    def __init__(self, routes: Iterable[tuple[str, str]]) -> None:
        methods: dict[str, set[str]] = {}
        for method, path in routes:
            methods.setdefault(path, set()).add(method)
        self._methods = sorted(methods.items(), key=lambda each: each[0].count("{"))

    def at(self, raw_path: str) -> frozenset[str]:
        """The methods at a path as it was requested; none where no path fits."""
        segments = [unquote(each) for each in raw_path[1:].split("/")]
        return next((frozenset(methods) for path, methods in self._methods if _fits(path, segments)), _NONE)


def _fits(path: str, segments: list[str]) -> bool:
    wanted = path[1:].split("/")
    return len(wanted) == len(segments) and all(
        name.startswith("{") or name == segment for name, segment in zip(wanted, segments, strict=True)
    )


_NONE: frozenset[str] = frozenset()
ALLOWED: web.AppKey[Allowed] = web.AppKey("allowed", Allowed)
