"""The table of routes that need no key: health, the description of the rest, and where browsers come back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from hookward.entrypoints.api.http import schemas as wire
from hookward.entrypoints.api.resources import authorizations as authorizing
from hookward.entrypoints.api.resources import authorizations as wire_authorizations
from hookward.entrypoints.api.resources import crypto_keys as wire_keys
from hookward.entrypoints.api.resources import docs as describing
from hookward.entrypoints.api.resources import health
from hookward.entrypoints.api.resources import jwks as publishing_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRoute:
    """One route without a key. ``also`` are statuses that it answers besides ``status``, each with its wire type.

    ``media`` is the content type of what it answers; ``reads`` and ``gives`` are headers, named in
    :mod:`.openapi.headers`; ``query`` is the wire type of the query, ``refuses`` are statuses that a problem explains.
    """

    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    summary: str
    answers: Any
    method: str = "GET"
    status: int = 200
    media: str = "application/json"
    also: tuple[tuple[int, Any], ...] = ()
    reads: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    query: Any = None
    refuses: tuple[int, ...] = ()


OPEN_ROUTES: tuple[OpenRoute, ...] = (
    OpenRoute(path="/livez", handler=health.live, answers=wire.Health, summary="Whether the process runs"),
    OpenRoute(
        path="/readyz", handler=health.ready, answers=wire.Health, also=((503, wire.Health),),
        summary="Whether the service can take events",
    ),
    OpenRoute(
        path="/openapi.json", handler=describing.get_document, answers={"type": "object"}, also=((304, None),),
        reads=("If-None-Match",), gives=("ETag", "Cache-Control"), summary="This document",
    ),
    OpenRoute(
        path="/docs", handler=describing.get_page, answers={"type": "string"}, also=((304, None),), media="text/html",
        reads=("If-None-Match",), gives=("ETag", "Cache-Control"), summary="This document, as a page for people",
    ),
    OpenRoute(
        path="/.well-known/jwks.json", handler=publishing_keys.get_key_set, answers=wire_keys.KeySet,
        query=wire_keys.KeySetQuery, also=((304, None),), refuses=(503,), media="application/jwk-set+json",
        reads=("If-None-Match",), gives=("ETag", "Cache-Control"), summary="The public keys of those that sign",
    ),
    OpenRoute(
        path="/oauth2/callback", handler=authorizing.return_from_authorization, answers={"type": "string"},
        also=tuple((status, {"type": "string"}) for status in (400, 409, 429, 502, 503)), media="text/html",
        query=wire_authorizations.AuthorizationQuery, gives=("Cache-Control",),
        summary="Come back from authorizing a watch",
    ),
)  # fmt: skip
