"""What the document shows. Examples of wire types that come in are accepted by the service as they stand.

A wire type without an entry here is shown without example; tests demand one of every type that a route takes or
answers with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hookward.domain.resource_type import ResourceType
from hookward.entrypoints.api import access_wire, wire, wire_keys, wire_log, wire_requests, wire_watches
from hookward.entrypoints.api.openapi.resources import event_example
from hookward.entrypoints.api.openapi.schemas import Schema

_EVENT = "evt_01935c1f6a7d7c3e8b1f0c9d2e4a6b80"
_WATCH = "wat_01935c1f5d207a118c42be6f00d1e2a7"
_DELIVERY = "dlv_01935c1f6a7d74409f0aa51b3c6d7e88"
_KEY = "key_01935c1f4b1e7f0d93a2b4c6d8e0f112"
_MADE, _SENT = "2026-11-20T09:14:02.512Z", "2026-11-20T09:15:30.004Z"
_ADDRESS = "https://example.com/hooks/appointments"

_WATCH_INPUT = {
    "address": _ADDRESS,
    "name": "calendar sync",
    "events": ["created", "updated"],
    "httpRequestHeader": {"X-Team": "calendar"},
}
_TEMPLATE_INPUT = {"address": _ADDRESS, "method": "PUT", "schema": {"id": "${$.id}"}, "signature": {"enabled": True}}
_WATCH_ANSWER = {
    "id": _WATCH,
    "resourceType": "appointment",
    "scope": {"companyId": "42"},
    "address": _ADDRESS,
    "name": "calendar sync",
    "events": ["created", "updated"],
    "method": "POST",
    "status": "enabled",
    "statusReason": None,
    "basicAuth": None,
    "httpRequestHeader": {"X-Team": None},
    "schema": None,
    "signature": {"enabled": False, "cryptoKeyIds": []},
    "levelDetails": "full",
    "addPreviousData": False,
    "filter": None,
    "timeZone": "Europe/Paris",
    "retry": {"schedule": ["5s", "5m", "2h"]},
    "timeout": "10s",
    "concurrency": 8,
    "storeBodies": "all",
    "ordered": False,
    "owner": None,
    "created": _MADE,
    "updated": _MADE,
}
_ITEM = {
    "id": _DELIVERY,
    "status": "delivered",
    "statusReason": None,
    "event": {"id": _EVENT, "resourceType": "appointment", "event": "updated", "resourceId": "a-1001"},
    "watch": {"id": _WATCH, "name": "calendar sync", "address": _ADDRESS},
    "attemptCount": 1,
    "created": _SENT,
    "nextAttempt": None,
    "finished": "2026-11-20T09:15:30.061Z",
    "lastStatusCode": 200,
    "lastError": None,
}
_ATTEMPT = {
    "number": 1,
    "sent": _SENT,
    "durationMs": 48.2,
    "request": {
        "method": "POST",
        "address": _ADDRESS,
        "headers": {"Content-Type": "application/json", "webhook-id": _DELIVERY, "X-Team": "***"},
        "body": '{"id":"a-1001","event":"updated"}',
    },
    "response": {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": "ok", "truncated": False},
    "error": None,
    "remoteAddress": "203.0.113.7:443",
}
_API_KEY = {
    "id": "apk_01935c1f3a0e7b519c22d4e6f8a0b113",
    "name": "calendar",
    "scopes": ["publish", "deliveries"],
    "owner": None,
    "created": _MADE,
    "lastUsed": None,
}
_ACCOUNT = {
    "id": "acc_01935c1f2c9a7e0f8a11b3c5d7e9f024",
    "name": "example shops",
    "timeZone": "Europe/Paris",
    "retentionDays": 10,
    "created": _MADE,
}
_KEY_ANSWER = {
    "id": _KEY,
    "name": "calendar sync",
    "algorithm": "hmac-sha256",
    "format": "standard-webhooks",
    "created": _MADE,
}
_SHOWN_ONCE = "hw_example_shown_this_once"
_REFUSED = {
    "type": "urn:hookward:problem:unprocessable-entity",
    "title": "Unprocessable Entity",
    "status": 422,
    "detail": "the event has problems",
    "errors": [{"message": "event must be one of created, updated, deleted, merged", "pointer": "/event"}],
}

_FIXED: Mapping[Any, Mapping[str, Any]] = {
    wire_requests.WatchInput: {"plain": _WATCH_INPUT, "template": _TEMPLATE_INPUT},
    wire_requests.NewWatch: {
        "plain": {"resourceType": "appointment", "scope": {"companyId": "42"}, **_WATCH_INPUT},
        "any queue": {"resourceType": "queue.registration", **_TEMPLATE_INPUT},
    },
    wire_keys.NewKey: {"made": {"name": "calendar sync"}},
    wire.AcceptedEvent: {"accepted": {"id": _EVENT}},
    wire.BatchResults: {"mixed": {"results": [{"id": _EVENT}, {"error": _REFUSED}]}},
    wire.WatchAnswer: {"watch": _WATCH_ANSWER},
    wire.WatchList: {"page": {"data": [_WATCH_ANSWER], "nextCursor": None}},
    wire_keys.KeyAnswer: {
        "made": {
            "id": _KEY,
            "name": "calendar sync",
            "algorithm": "hmac-sha256",
            "format": "standard-webhooks",
            "created": _MADE,
            "secret": "whsec_" + "bXkgc2VjcmV0IGlzIG5vdCB0aGlzIG9uZSwgZnJpZW5k",
        }
    },
    wire_log.DeliveryPage: {"page": {"data": [_ITEM], "nextCursor": None, "prevCursor": None}},
    wire.DeliveryAnswer: {"delivered": {**_ITEM, "attempts": [_ATTEMPT]}},
    access_wire.NewApiKey: {
        "plain": {"name": "calendar", "scopes": ["publish", "deliveries"]},
        "integrator": {"name": "integrator 7", "scopes": ["watches"], "owner": "integrator-7"},
    },
    access_wire.NewApiKeyAnswer: {"made": {**_API_KEY, "key": _SHOWN_ONCE}},
    access_wire.ApiKeyAnswer: {"key": _API_KEY},
    access_wire.ApiKeyList: {"page": {"data": [_API_KEY], "nextCursor": None}},
    access_wire.NewAccount: {"made": {"name": "example shops", "timeZone": "Europe/Paris"}},
    access_wire.AccountChanges: {"zone": {"timeZone": "Europe/Paris"}},
    access_wire.NewAccountAnswer: {"made": {**_ACCOUNT, "keyId": _API_KEY["id"], "key": _SHOWN_ONCE}},
    access_wire.AccountAnswer: {"account": _ACCOUNT},
    access_wire.AccountList: {"page": {"data": [_ACCOUNT], "nextCursor": None}},
    wire_watches.WatchGiven: {"pause": {"status": "paused"}},
    wire_watches.TrialGiven: {"created": {"event": "created"}},
    wire_watches.PreviewGiven: {"sample": {"resourceType": "appointment", "schema": {"id": "${$.id}"}}},
    wire_watches.PreviewAnswer: {"rendered": {"body": {"id": "a-1001"}}},
    wire.AttemptAnswer: {"delivered": _ATTEMPT},
    wire_keys.KeyRotation: {"slowly": {"overlap": "48h"}},
    wire_keys.KeyList: {"page": {"data": [_KEY_ANSWER], "nextCursor": None}},
    wire.Health: {"ok": {"status": "ok", "checks": {"database": "ok", "queue": "ok"}}},
}


def _events(types: list[ResourceType]) -> dict[str, Any]:
    return {each.name: event_example(each) for each in types}


def _batches(types: list[ResourceType]) -> dict[str, Any]:
    return {"one of each type": {"events": [event_example(each, "created") for each in types]}}


_MADE_OF_TYPES: Mapping[Any, Callable[[list[ResourceType]], dict[str, Any]]] = {
    wire_requests.PublishEvent: _events,
    wire_requests.PublishBatch: _batches,
}


class Examples:
    """The examples of each wire type; those of events are the samples of the resource types."""

    def __init__(self, types: Iterable[ResourceType]) -> None:
        self._types = list(types)

    def of(self, kind: Any) -> Schema:
        """Named examples, as media types hold them; none where nobody wrote one."""
        if isinstance(kind, ResourceType):
            return _named({"sample": kind.sample})
        if not isinstance(kind, type):
            return {}
        make = _MADE_OF_TYPES.get(kind)
        return _named(_FIXED.get(kind, {}) if make is None else make(self._types))


def _named(values: Mapping[str, Any]) -> Schema:
    return {name.replace(" ", "-"): {"value": value} for name, value in values.items()}
