"""The api's whole surface, as its router has it: whatever is added to it is found here."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from hookward.adapters.catalog import load_catalog
from hookward.application.access.authenticator import ApiKeyCache
from hookward.domain.access.callers import Scope
from hookward.domain.resource_types.model import CompiledType
from hookward.entrypoints.api.app import make_app
from hookward.entrypoints.api.resources.mirrored import refuse_unchanging
from hookward.entrypoints.api.route import Route
from tests.fakes.access import FakeApiKeys
from tests.fakes.api_parts import access_parts, api_parts, resource_type_parts
from tests.fakes.virtual_time import VirtualClock

PUBLIC = frozenset({"/livez", "/readyz", "/openapi.json", "/docs", "/.well-known/jwks.json", "/oauth2/callback"})
"""What answers without a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A method and path that the router takes; ``scope`` is what a key needs there, ``None`` where nothing asks."""

    method: str
    path: str
    scope: Scope | None
    handler: Callable[[web.Request], Awaitable[Any]]

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def surface() -> list[Entry]:
    """Every entry, each once."""
    store = FakeApiKeys()
    app = make_app(
        api_parts(
            access=access_parts(
                known_keys=ApiKeyCache(store, store, clock=VirtualClock()), bootstrap_key="hw_bootstrap"
            ),
            resource_types=resource_type_parts({each.name: CompiledType(each, None) for each in load_catalog()}),
            path_prefixes=("/api/2.3",),
        )
    )
    return [
        Entry(
            method=route.method,
            path=route.resource.canonical,
            scope=_scope(route.handler),
            handler=route.handler,
        )
        for route in app.router.routes()
        if route.method != "HEAD" and route.resource is not None and route.handler is not refuse_unchanging
    ]


def _scope(handler: Any) -> Scope | None:
    route = handler.args[0] if isinstance(handler, partial) and handler.args else None
    return route.scope if isinstance(route, Route) else None
