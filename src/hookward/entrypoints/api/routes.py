"""The table of routes: those of every resource. The OpenAPI document is derived from it."""

from __future__ import annotations

from hookward.entrypoints.api.resources import (
    accounts,
    api_keys,
    authorizations,
    crypto_keys,
    deliveries,
    docs,
    erasures,
    events,
    health,
    jwks,
    replays,
    resource_types,
    watches,
)
from hookward.entrypoints.api.route import Route

ROUTES: tuple[Route, ...] = (
    *health.ROUTES,
    *docs.ROUTES,
    *jwks.ROUTES,
    *events.ROUTES,
    *watches.ROUTES,
    *authorizations.ROUTES,
    *crypto_keys.ROUTES,
    *deliveries.ROUTES,
    *replays.ROUTES,
    *erasures.ROUTES,
    *api_keys.ROUTES,
    *accounts.ROUTES,
    *resource_types.ROUTES,
)
