"""The table of routes: path, scope, wire types. The OpenAPI document comes from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from hookward.domain.resource_type import ResourceType
from hookward.entrypoints.api import publishing, reviewing, watching, wire
from hookward.entrypoints.api.service import Caller, Scope, Service

Handler = Callable[[web.Request, Caller, Service], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route.

    ``status`` and ``answers`` (a wire type) are those of success. ``takes`` is the wire type of the body, ``query`` a
    wire type whose fields are the query parameters: both describe, handlers check by hand.
    """

    method: str
    path: str
    scope: Scope
    handler: Handler
    status: int
    answers: Any
    summary: str
    takes: Any = None
    query: Any = None


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST", path="/v1/events", scope=Scope.PUBLISH, handler=publishing.publish_event,
        status=202, answers=wire.AcceptedEvent, summary="Publish a change event",
    ),
    Route(
        method="POST", path="/v1/events/batch", scope=Scope.PUBLISH, handler=publishing.publish_batch,
        status=202, answers=wire.BatchResults, summary="Publish up to 1000 change events",
    ),
    Route(
        method="POST", path="/v1/watches", scope=Scope.WATCHES, handler=watching.create_watch,
        status=201, answers=wire.WatchAnswer, summary="Register a watch",
    ),
    Route(
        method="GET", path="/v1/watches", scope=Scope.WATCHES, handler=watching.list_watches,
        status=200, answers=wire.WatchList, summary="List watches",
    ),
    Route(
        method="GET", path="/v1/watches/{watchId}", scope=Scope.WATCHES, handler=watching.get_watch,
        status=200, answers=wire.WatchAnswer, summary="Read a watch",
    ),
    Route(
        method="DELETE", path="/v1/watches/{watchId}", scope=Scope.WATCHES, handler=watching.delete_watch,
        status=204, answers=None, summary="Delete a watch and cancel what waits for it",
    ),
    Route(
        method="POST", path="/v1/crypto-keys", scope=Scope.WATCHES, handler=watching.create_key,
        status=201, answers=wire.KeyAnswer, summary="Make a crypto key",
    ),
    Route(
        method="GET", path="/v1/deliveries", scope=Scope.DELIVERIES, handler=reviewing.list_deliveries,
        status=200, answers=wire.DeliveryList, summary="List deliveries",
    ),
    Route(
        method="GET", path="/v1/deliveries/{deliveryId}", scope=Scope.DELIVERIES, handler=reviewing.get_delivery,
        status=200, answers=wire.DeliveryAnswer, summary="Read a delivery with its attempts",
    ),
)  # fmt: skip


def watch_routes(types: Iterable[ResourceType]) -> list[Route]:
    """The routes that register a watch in the path of a resource type's own API."""
    return [
        Route(
            method="POST",
            path=path,
            scope=Scope.WATCHES,
            handler=partial(watching.create_watch_on_route, resource_type=each),
            status=201,
            answers=wire.WatchAnswer,
            summary=f"Register a watch on {each.name}",
        )
        for each in types
        for path in each.watch_routes
    ]
