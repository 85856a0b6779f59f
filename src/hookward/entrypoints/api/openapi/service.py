"""The description of this very service: its tables of routes and its resource types, as document and as page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hookward import __version__
from hookward.domain.resource_types.model import ResourceType
from hookward.entrypoints.api.openapi.document import build_openapi, encode_openapi
from hookward.entrypoints.api.openapi.page import make_page, policy_of
from hookward.entrypoints.api.resources.docs import Text
from hookward.entrypoints.api.resources.mirrored import mirrored_routes
from hookward.entrypoints.api.resources.watches import watch_routes
from hookward.entrypoints.api.routes import ROUTES


def describe(types: Iterable[ResourceType]) -> dict[str, Any]:
    """The OpenAPI document of a service with these resource types."""
    known = sorted(types, key=lambda each: each.name)
    routes = (*ROUTES, *watch_routes(known), *mirrored_routes(known))
    return build_openapi(routes, known, version=__version__)


def as_json(document: dict[str, Any]) -> Text:
    """The response of ``/openapi.json``."""
    return Text(encode_openapi(document), "application/json")


def as_page(document: dict[str, Any]) -> Text:
    """The response of ``/docs``."""
    return Text(make_page(document).encode(), "text/html; charset=utf-8", policy_of())
