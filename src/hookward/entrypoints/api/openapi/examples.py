"""What the document shows. Examples of wire types that come in are accepted by the service as they stand.

A wire type without an entry here is shown without example; tests demand one of every type that a route takes or
answers with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hookward.domain.resource_types.model import ResourceType
from hookward.domain.watches.properties import PROPERTIES
from hookward.entrypoints.api.openapi import example_log, example_types
from hookward.entrypoints.api.openapi.example_log import ADDRESS, EVENT, MADE
from hookward.entrypoints.api.openapi.resources import event_example
from hookward.entrypoints.api.openapi.schemas import Schema
from hookward.entrypoints.api.resources import accounts, api_keys, events, health, jwks
from hookward.entrypoints.api.resources import authorizations as wire_authorizations
from hookward.entrypoints.api.resources import crypto_keys as wire_keys
from hookward.entrypoints.api.resources import watch_schemas as wire_watches

_KEY = "key_01935c1f4b1e7f0d93a2b4c6d8e0f112"

_WATCH_INPUT = {
    "address": ADDRESS,
    "name": "calendar sync",
    "events": ["created", "updated"],
    "httpRequestHeader": {"X-Team": "calendar"},
}
_OAUTH_INPUT = {
    "address": ADDRESS,
    "oauth2Auth": {
        "grantType": "client_credentials",
        "clientId": "hookward",
        "clientSecret": "never shown again",
        "accessTokenUrl": "https://login.example.com/oauth2/token",
        "scope": "appointments:write",
    },
}
_TEMPLATE_INPUT = {"address": ADDRESS, "method": "PUT", "schema": {"id": "${$.id}"}, "signature": {"enabled": True}}
_WATCH_OUT = {each.name: each.example for each in PROPERTIES if each.shown is not None}
_API_KEY = {
    "id": "apk_01935c1f3a0e7b519c22d4e6f8a0b113",
    "name": "calendar",
    "scopes": ["publish", "deliveries"],
    "owner": None,
    "created": MADE,
    "lastUsed": None,
}
_ACCOUNT = {
    "id": "acc_01935c1f2c9a7e0f8a11b3c5d7e9f024",
    "name": "example shops",
    "timeZone": "Europe/Paris",
    "retentionDays": 10,
    "created": MADE,
}
_KEY_ANSWER = {
    "id": _KEY,
    "name": "calendar sync",
    "algorithm": "hmac-sha256",
    "format": "standard-webhooks",
    "created": MADE,
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
    wire_watches.WatchRouteCreate: {"plain": _WATCH_INPUT, "template": _TEMPLATE_INPUT, "oauth2": _OAUTH_INPUT},
    wire_watches.WatchCreate: {
        "plain": {"resourceType": "appointment", "scope": {"companyId": "42"}, **_WATCH_INPUT},
        "any queue": {"resourceType": "queue.registration", **_TEMPLATE_INPUT},
    },
    wire_keys.CryptoKeyCreate: {
        "made": {"name": "calendar sync"},
        "message signatures": {"name": "calendar sync", "algorithm": "ed25519", "format": "rfc9421"},
    },
    events.EventAcceptedOut: {"accepted": {"id": EVENT}},
    events.EventBatchOut: {"mixed": {"results": [{"id": EVENT}, {"error": _REFUSED}]}},
    wire_watches.WatchOut: {"watch": _WATCH_OUT},
    wire_watches.WatchListOut: {"page": {"data": [_WATCH_OUT], "nextCursor": None}},
    wire_keys.CryptoKeyOut: {
        "made": {
            "id": _KEY,
            "name": "calendar sync",
            "algorithm": "hmac-sha256",
            "format": "standard-webhooks",
            "created": MADE,
            "secret": "whsec_" + "bXkgc2VjcmV0IGlzIG5vdCB0aGlzIG9uZSwgZnJpZW5k",
        },
        "asymmetric": {**_KEY_ANSWER, "algorithm": "ed25519", "kid": _KEY, "publicKey": f"whpk_{'A' * 43}="},
    },
    jwks.KeySetOut: {
        "set": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": _KEY, "use": "sig", "alg": "EdDSA"}]}
    },
    api_keys.ApiKeyCreate: {
        "plain": {"name": "calendar", "scopes": ["publish", "deliveries"]},
        "integrator": {"name": "integrator 7", "scopes": ["watches"], "owner": "integrator-7"},
    },
    api_keys.ApiKeyCreatedOut: {"made": {**_API_KEY, "key": _SHOWN_ONCE}},
    api_keys.ApiKeyOut: {"key": _API_KEY},
    api_keys.ApiKeyListOut: {"page": {"data": [_API_KEY], "nextCursor": None}},
    accounts.AccountCreate: {"made": {"name": "example shops", "timeZone": "Europe/Paris"}},
    accounts.AccountPatch: {"zone": {"timeZone": "Europe/Paris"}},
    accounts.AccountCreatedOut: {"made": {**_ACCOUNT, "keyId": _API_KEY["id"], "key": _SHOWN_ONCE}},
    accounts.AccountOut: {"account": _ACCOUNT},
    accounts.AccountListOut: {"page": {"data": [_ACCOUNT], "nextCursor": None}},
    wire_watches.WatchUpdate: {"plain": _WATCH_INPUT, "template": _TEMPLATE_INPUT},
    wire_watches.WatchPatch: {"pause": {"status": "paused"}, "patience": {"retry": {"schedule": ["5s", "2h"]}}},
    wire_watches.WatchTest: {"created": {"event": "created"}},
    wire_watches.WatchPreview: {"sample": {"resourceType": "appointment", "schema": {"id": "${$.id}"}}},
    wire_watches.WatchPreviewOut: {"rendered": {"body": {"id": "a-1001"}}},
    wire_authorizations.AuthorizationOut: {
        "begun": {
            "url": "https://login.example.com/oauth2/authorize?response_type=code&client_id=hookward&state=…",
            "expires": MADE,
        }
    },
    wire_authorizations.AuthorizationFinish: {
        "back": {"code": "SplxlOBeZQQYbYS6WxSbIA", "state": "0qk4WcxVvR7mBqvD2pQm3m4oQyq2Xn8y5kJj0d5q1bE"}
    },
    wire_keys.CryptoKeyRotate: {"slowly": {"overlap": "48h"}},
    wire_keys.CryptoKeyListOut: {"page": {"data": [_KEY_ANSWER], "nextCursor": None}},
    health.HealthOut: {"ok": {"status": "ok", "checks": {"database": "ok", "queue": "ok"}}},
    **example_log.LOG_EXAMPLES,
    **example_types.TYPE_EXAMPLES,
}


def _events(types: list[ResourceType]) -> dict[str, Any]:
    return {each.name: event_example(each) for each in types}


def _batches(types: list[ResourceType]) -> dict[str, Any]:
    return {"one of each type": {"events": [event_example(each, "created") for each in types]}}


_MADE_OF_TYPES: Mapping[Any, Callable[[list[ResourceType]], dict[str, Any]]] = {
    events.EventCreate: _events,
    events.EventBatchCreate: _batches,
}


class Examples:
    """The examples of each wire type; those of events are the samples of the resource types."""

    def __init__(self, types: Iterable[ResourceType]) -> None:
        self._types = list(types)

    def of(self, kind: Any) -> Schema:
        """Return named examples, as media types hold them; an empty object if the type has none."""
        if isinstance(kind, ResourceType):
            return _named({"sample": kind.sample})
        if not isinstance(kind, type):
            return {}
        make = _MADE_OF_TYPES.get(kind)
        return _named(_FIXED.get(kind, {}) if make is None else make(self._types))


def _named(values: Mapping[str, Any]) -> Schema:
    return {name.replace(" ", "-"): {"value": value} for name, value in values.items()}
