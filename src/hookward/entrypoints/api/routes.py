"""The table of routes: path, scope, wire types. The OpenAPI document comes from it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from hookward.domain.resource_types.model import ResourceType
from hookward.domain.resource_types.operations import Operation
from hookward.domain.resource_types.routing import OperationIndex
from hookward.entrypoints.api.dependencies import Scope
from hookward.entrypoints.api.http import formats
from hookward.entrypoints.api.http import schemas as wire
from hookward.entrypoints.api.resources import accounts as access_wire
from hookward.entrypoints.api.resources import accounts as keeping
from hookward.entrypoints.api.resources import authorizations as authorizing
from hookward.entrypoints.api.resources import authorizations as wire_authorizations
from hookward.entrypoints.api.resources import crypto_keys as keys
from hookward.entrypoints.api.resources import crypto_keys as wire_keys
from hookward.entrypoints.api.resources import deliveries as reviewing
from hookward.entrypoints.api.resources import delivery_schemas as wire_log
from hookward.entrypoints.api.resources import events as publishing
from hookward.entrypoints.api.resources import events as tracing
from hookward.entrypoints.api.resources import mirrored as mirroring
from hookward.entrypoints.api.resources import replays_erasures as mending
from hookward.entrypoints.api.resources import resource_types, watches
from hookward.entrypoints.api.resources import resource_types as wire_types
from hookward.entrypoints.api.resources import watch_schemas as wire_requests
from hookward.entrypoints.api.resources import watch_schemas as wire_watches
from hookward.entrypoints.api.route import Route

TYPES = "/v1/resource-types"

ROUTES: tuple[Route, ...] = (
    Route(
        method="POST", path="/v1/events", scope=Scope.PUBLISH, handler=publishing.publish_event,
        status=202, answers=wire.AcceptedEvent, summary="Publish a change event",
        takes=wire_requests.PublishEvent, reads=("Idempotency-Key",), refuses=(429,),
    ),
    Route(
        method="POST", path="/v1/events/batch", scope=Scope.PUBLISH, handler=publishing.publish_batch,
        status=202, answers=wire.BatchResults, summary="Publish up to 1000 change events",
        takes=wire_requests.PublishBatch, refuses=(429,),
    ),
    *watches.ROUTES,
    Route(
        method="POST", path="/v1/watches/{watchId}/oauth2/authorize", scope=Scope.WATCHES,
        handler=authorizing.authorize_watch, status=200, answers=wire_authorizations.AuthorizationAnswer,
        summary="Begin to authorize a watch in a browser", refuses=(409,), gives=("Cache-Control",),
    ),
    Route(
        method="POST", path="/v1/watches/{watchId}/oauth2/callback", scope=Scope.WATCHES,
        handler=authorizing.end_authorization, status=200, answers=wire_watches.WatchOut,
        summary="Hand over what came back from authorizing a watch",
        takes=wire_authorizations.AuthorizationReturn, refuses=(409, 429, 502), gives=("ETag",),
    ),
    Route(
        method="POST", path="/v1/crypto-keys", scope=Scope.WATCHES, handler=keys.create_key,
        status=201, answers=wire_keys.KeyAnswer, takes=wire_keys.NewKey,
        summary="Make or import a crypto key", refuses=(409,), gives=("Location", "Cache-Control"),
    ),
    Route(
        method="GET", path="/v1/crypto-keys", scope=Scope.WATCHES, handler=keys.list_keys,
        status=200, answers=wire_keys.KeyList, query=wire_keys.KeyQueryParameters, summary="List crypto keys",
    ),
    Route(
        method="GET", path="/v1/crypto-keys/{keyId}", scope=Scope.WATCHES, handler=keys.get_key,
        status=200, answers=wire_keys.KeyAnswer, summary="Read a crypto key",
    ),
    Route(
        method="POST", path="/v1/crypto-keys/{keyId}/rotate", scope=Scope.WATCHES, handler=keys.rotate_key,
        status=200, answers=wire_keys.KeyAnswer, takes=wire_keys.KeyRotation | None,
        summary="Give a crypto key a new secret, beside which the former signs for a while", refuses=(409,),
        gives=("Cache-Control",),
    ),
    Route(
        method="DELETE", path="/v1/crypto-keys/{keyId}", scope=Scope.WATCHES, handler=keys.retire_key,
        status=204, answers=None, summary="Retire a crypto key",
    ),
    Route(
        method="GET", path="/v1/deliveries", scope=Scope.DELIVERIES, handler=reviewing.list_deliveries,
        status=200, answers=wire_log.DeliveryPage, summary="List deliveries", query=wire_log.DeliveryFilters,
    ),
    Route(
        method="GET", path="/v1/deliveries/{deliveryId}", scope=Scope.DELIVERIES, handler=reviewing.get_delivery,
        status=200, answers=wire.DeliveryAnswer, summary="Read a delivery with its attempts",
    ),
    Route(
        method="POST", path="/v1/deliveries/{deliveryId}/replay", scope=Scope.DELIVERIES, handler=mending.replay,
        status=202, answers=wire_log.ReplayAnswer, summary="Send a delivery again, or at once where it waits",
        takes=wire_log.ReplayRequest | None, refuses=(409,), gives=("Location",),
    ),
    Route(
        method="GET", path="/v1/events", scope=Scope.DELIVERIES, handler=tracing.list_events,
        status=200, answers=wire_log.EventPage, summary="List events", query=wire_log.EventFilters,
    ),
    Route(
        method="GET", path="/v1/events/{eventId}", scope=Scope.DELIVERIES, handler=tracing.get_event,
        status=200, answers=wire_log.EventAnswer, summary="Read an event and what came of it",
    ),
    Route(
        method="POST", path="/v1/erasures", scope=Scope.ADMIN, handler=mending.erase,
        status=202, answers=wire_log.ErasureAnswer, summary="Remove what is stored of one resource",
        takes=wire_log.ErasureRequest, gives=("Location",),
    ),
    Route(
        method="GET", path="/v1/erasures/{erasureId}", scope=Scope.ADMIN, handler=mending.get_erasure,
        status=200, answers=wire_log.ErasureAnswer, summary="Read how far an erasure has come",
    ),
    Route(
        method="POST", path="/v1/api-keys", scope=Scope.ADMIN, handler=keeping.create_api_key,
        status=201, answers=access_wire.NewApiKeyAnswer, summary="Make an API key", takes=access_wire.NewApiKey,
        gives=("Location", "Cache-Control"),
    ),
    Route(
        method="GET", path="/v1/api-keys", scope=Scope.ADMIN, handler=keeping.list_api_keys,
        status=200, answers=access_wire.ApiKeyList, summary="List API keys", query=access_wire.ApiKeyFilters,
    ),
    Route(
        method="GET", path="/v1/api-keys/{apiKeyId}", scope=Scope.ADMIN, handler=keeping.get_api_key,
        status=200, answers=access_wire.ApiKeyAnswer, summary="Read an API key",
    ),
    Route(
        method="DELETE", path="/v1/api-keys/{apiKeyId}", scope=Scope.ADMIN, handler=keeping.revoke_api_key,
        status=204, answers=None, summary="Revoke an API key",
    ),
    Route(
        method="POST", path="/v1/accounts", scope=Scope.OPERATOR, handler=keeping.create_account,
        status=201, answers=access_wire.NewAccountAnswer, summary="Make an account", takes=access_wire.NewAccount,
        refuses=(409,), gives=("Location", "Cache-Control"),
    ),
    Route(
        method="GET", path="/v1/accounts", scope=Scope.OPERATOR, handler=keeping.list_accounts,
        status=200, answers=access_wire.AccountList, summary="List accounts", query=access_wire.Page,
    ),
    Route(
        method="GET", path="/v1/accounts/{accountId}", scope=Scope.OPERATOR, handler=keeping.get_account,
        status=200, answers=access_wire.AccountAnswer, summary="Read an account",
    ),
    Route(
        method="PATCH", path="/v1/accounts/{accountId}", scope=Scope.OPERATOR, handler=keeping.change_account,
        status=200, answers=access_wire.AccountAnswer, summary="Change an account", takes=access_wire.AccountChanges,
    ),
    Route(
        method="POST", path=TYPES, scope=Scope.WATCHES, handler=resource_types.create_type, status=201,
        answers=wire_types.TypeAnswer, takes=wire_types.TypeGiven, summary="Add a resource type",
        refuses=(409,), gives=("Location",),
    ),
    Route(
        method="GET", path=TYPES, scope=Scope.WATCHES, handler=resource_types.list_types, status=200,
        answers=wire_types.TypeList, query=wire_types.TypePage, summary="List resource types, built-in ones too",
    ),
    Route(
        method="GET", path=TYPES + "/{name}", scope=Scope.WATCHES, handler=resource_types.get_type, status=200,
        answers=wire_types.TypeAnswer, summary="Read a resource type",
    ),
    Route(
        method="PUT", path=TYPES + "/{name}", scope=Scope.WATCHES, handler=resource_types.replace_type, status=200,
        answers=wire_types.TypeAnswer, takes=wire_types.TypeReplacement,
        summary="Make a new version of a resource type",
    ),
    Route(
        method="DELETE", path=TYPES + "/{name}", scope=Scope.WATCHES, handler=resource_types.delete_type, status=204,
        answers=None, summary="Delete a resource type that nobody watches",
    ),
)  # fmt: skip


def mirrored_routes(types: Iterable[ResourceType]) -> list[Route]:
    """The routes at which resources are published by repeating an operation of their own API."""
    known = tuple(types)
    handler = partial(mirroring.publish_mirrored, index=OperationIndex(known))
    return [
        Route(
            method=operation.method,
            path=path,
            scope=Scope.PUBLISH,
            handler=handler,
            status=202,
            answers=wire.AcceptedEvent if operation.batch is None else wire.BatchResults,
            summary=_summary(each, operation),
            takes=_takes(each, operation),
            media=tuple(formats.CONTENT_TYPES[each] for each in operation.formats),
            reads=() if operation.batch else ("Idempotency-Key",),
            refuses=(429,),
            errors=formats.as_response_status if len(operation.formats) > 1 else None,
        )
        for each in known
        for operation in each.operations
        for path in operation.paths
        if operation.publishes
    ]


def _takes(resource_type: ResourceType, operation: Operation) -> Any:
    """What an operation's body is; a type stands for its resources."""
    if not operation.body:
        return wire.Resource | None
    if operation.method == "PATCH":
        return wire.PatchDocument
    return wire.Resource if operation.batch or operation.renames else resource_type


def _summary(resource_type: ResourceType, operation: Operation) -> str:
    if operation.event is None:
        return f"Publish several changes of {resource_type.name}"
    return f"Publish {resource_type.name} as {operation.event.word}"


def unchanging_routes(types: Iterable[ResourceType]) -> list[tuple[str, str]]:
    """Method and path of the operations that change nothing: they are not found, whatever other paths match."""
    return [
        (operation.method, path)
        for each in types
        for operation in each.operations
        for path in operation.paths
        if not operation.publishes
    ]
