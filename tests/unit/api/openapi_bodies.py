"""Every body whose description and reader are compared: what of it is taken, and what is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, cast

import jsonschema_rs
import msgspec

from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.adapters.json_schema import JsonSchemas
from hookward.application.history.erasures import Erasures
from hookward.bootstrap.factories import built_in_types
from hookward.domain.access.accounts import read_account
from hookward.domain.access.api_keys import read_api_key
from hookward.domain.access.callers import Scope
from hookward.domain.crypto_keys.model import Algorithm
from hookward.domain.crypto_keys.rules import MAX_OVERLAP, read_rotation
from hookward.domain.errors import Invalid
from hookward.domain.ids import AccountId
from hookward.domain.oauth.authorization_code import read_return
from hookward.domain.resource_types.model import CompiledType
from hookward.domain.resource_types.rules import READ_ONLY_MEMBERS as OF_TYPE
from hookward.domain.resource_types.rules import read_type
from hookward.domain.watches import blocks
from hookward.domain.watches.changes import patched, read_changed_watch
from hookward.domain.watches.model import WatchDefinition, WatchSecrets
from hookward.domain.watches.properties import READ_ONLY as OF_WATCH
from hookward.domain.watches.rules import read_watch
from hookward.domain.watches.test_send import preview, read_trial
from hookward.entrypoints.api.openapi.service import describe
from hookward.entrypoints.api.resources import accounts, api_keys, erasures, replays
from hookward.entrypoints.api.resources import authorizations as wire_authorizations
from hookward.entrypoints.api.resources import crypto_keys as wire_keys
from hookward.entrypoints.api.resources import resource_types as wire_types
from hookward.entrypoints.api.resources import watch_schemas as wire_watches
from hookward.entrypoints.api.resources.replays import wants_new_id
from tests.unit.watches.watch_input import KEY_IDS, SECOND

TYPES = built_in_types()
DOCUMENT = describe(TYPES.values())
SCHEMAS = JsonSchemas()
APPOINTMENT = TYPES["appointment"]
KNOWN = CompiledType(APPOINTMENT, SCHEMAS.compiled(APPOINTMENT.schema))
ADDRESS = "https://example.com/hooks"
OAUTH = {"clientId": "c", "clientSecret": "s", "refreshToken": "t", "accessTokenUrl": "https://login.example.com/t"}
SHOWN = {"address": ADDRESS, "httpRequestHeader": {"X-A": None}, "events": ["created"]}
BEFORE = WatchDefinition(address=ADDRESS, username="ann", header_names=("X-A",))
SECRETS = WatchSecrets(password="p", headers={"X-A": "1"})


def replaced(given: Any) -> Any:
    return read_changed_watch(given, BEFORE, SECRETS, APPOINTMENT, second=SECOND)


def erased(given: Any) -> Awaitable[Any]:
    class Nothing:
        async def add(self, *_given: object) -> None: ...

    class Zero:
        def now_us(self) -> int:
            return 0

        def bytes(self, count: int) -> bytes:
            return bytes(count)

    return Erasures(cast("Any", Nothing()), clock=cast("Any", Zero()), random=cast("Any", Zero())).create(
        AccountId(1), given
    )


DefinitionDelta = tuple[tuple[str, Any], ...]
"""Properties, each with a value to give it."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """A body of requests: how it is read and described; ``right`` is one, ``takes`` and ``refuses`` single changes."""

    reads: Callable[[Any], Any]
    struct: type[msgspec.Struct]
    right: Mapping[str, Any]
    read_only: frozenset[str] = frozenset()
    inner: Mapping[str, type[msgspec.Struct]] = field(default_factory=dict)
    takes: DefinitionDelta = ()
    refuses: DefinitionDelta = ()

    def valid(self, given: Any) -> bool:
        schema = {"$ref": f"#/components/schemas/{self.struct.__name__}", "components": DOCUMENT["components"]}
        return jsonschema_rs.Draft202012Validator(schema).is_valid(given)

    async def problems(self, given: Any) -> dict[str | None, str]:
        try:
            read = self.reads(given)
            if isawaitable(read):
                await read
        except Invalid as refused:
            return {each.pointer: each.message for each in refused.problems}
        return {}


WATCH_TAKES: DefinitionDelta = (
    ("name", None), ("name", "n" * 255), ("events", None), ("events", ["merged"]), ("method", "GET"),
    ("method", None), ("status", "paused"), ("status", None), ("schema", {"a": "${$.id}"}), ("schema", '{"a":${$.id}}'),
    ("signature", {"enabled": None, "cryptoKeyIds": KEY_IDS[:8], "secret": "x"}), ("signature", {}), ("filter", "$.id"),
    ("levelDetails", "extraFull"), ("levelDetails", None), ("addPreviousData", "true"), ("addPreviousData", True),
    ("addPreviousData", None), ("timeZone", "Europe/Paris"), ("retry", {"schedule": []}), ("retry", None),
    ("retry", {"schedule": ["0.5s", "500ms", "5m", "2h", "1d"]}), ("timeout", "10s"), ("timeout", None),
    ("concurrency", 1), ("concurrency", None), ("storeBodies", "none"), ("storeBodies", None), ("changed", []),
    ("ordered", False), ("ordered", None), ("oauth2Auth", None), ("rateLimit", None), ("basicAuth", None),
    ("basicAuth", {"username": "", "password": ""}), ("httpRequestHeader", {"X-B": "2"}), ("httpRequestHeader", None),
    ("id", "whatever"), ("owner", 7), ("created", None), ("updated", {}), ("statusReason", "x"), ("oauth2Auth", OAUTH),
    ("oauth2Auth", {**OAUTH, "scope": "a b", "authUrl": "https://a.example", "redirectUri": "http://b.example/c?d"}),
    ("oauth2Auth", {**OAUTH, "clientAuthMethod": "client_secret_post", "extraParameters": {"audience": "x"}}),
    ("oauth2Auth", {**OAUTH, "grantType": "client_credentials", "refreshToken": None, "extraParameters": None}),
)  # fmt: skip
WATCH_REFUSES: DefinitionDelta = (
    ("name", "n" * 256), ("name", 1), ("events", []), ("events", ["made"]), ("method", "HEAD"), ("status", "on"),
    ("schema", 7), ("signature", {"cryptoKeyIds": ["x"]}), ("signature", {"cryptoKeyIds": KEY_IDS}), ("filter", 7),
    ("levelDetails", "some"), ("addPreviousData", "yes"), ("timeZone", 7), ("retry", {}), ("retry", {"schedule": None}),
    ("retry", {"schedule": ["soon"]}), ("timeout", 10), ("concurrency", 0), ("concurrency", "8"), ("storeBodies", "x"),
    ("basicAuth", {"password": "p"}), ("basicAuth", {"username": 7, "password": "p"}), ("address", 7),
    ("address", "https://example.com/" + "a" * 4077), ("httpRequestHeader", {"X-B": 2}),
    ("oauth2Auth", "x"), ("oauth2Auth", {**OAUTH, "clientId": ""}), ("oauth2Auth", {**OAUTH, "grantType": "password"}),
    ("oauth2Auth", {**OAUTH, "clientAuthMethod": "tls"}), ("oauth2Auth", {**OAUTH, "scope": 7}),
    ("oauth2Auth", {**OAUTH, "extraParameters": {"a": 1}}), ("oauth2Auth", {**OAUTH, "refreshToken": "t" * 16385}),
    ("oauth2Auth", {**OAUTH, "accessTokenUrl": "https://a.example/" + "a" * 2048}),
)  # fmt: skip
TYPE = {"name": "shop.order", "scope": ["shopId"], "identity": ["id"], "schema": {}, "sample": {"id": "1"}}
TYPE_TAKES: DefinitionDelta = (
    ("scope", None), ("scope", []), ("scope", ["_a-1", "b", "c", "d"]), ("identity", ["id"]), ("body", "merged"),
    ("body", None), ("keepState", None), ("keepState", False), ("title", None), ("title", "t" * 255), ("paths", None),
    ("paths", {"collection": "/shops/{shopId}/orders", "item": None}), ("version", 3), ("builtIn", "x"),
    ("watchRoutes", []), ("created", None), ("updated", None),
)  # fmt: skip
TYPE_REFUSES: DefinitionDelta = (
    ("scope", ["a b"]), ("scope", ["a", "b", "c", "d", "e"]), ("scope", "shopId"), ("identity", []), ("identity", [""]),
    ("identity", None), ("schema", True), ("schema", None), ("sample", []), ("body", "other"), ("keepState", 1),
    ("title", "t" * 256), ("paths", {}), ("paths", {"collection": "shops"}), ("name", "a b"), ("name", "a" * 65),
)  # fmt: skip
BODIES = {
    "watch": Body(
        reads=lambda given: read_watch(given, APPOINTMENT, {}, second=SECOND),
        struct=wire_watches.WatchCreate,
        right={"address": ADDRESS, "resourceType": "appointment"},
        read_only=OF_WATCH,
        inner={
            "basicAuth": blocks.BasicAuthIn,
            "signature": blocks.SignatureIn,
            "retry": blocks.RetryIn,
            "oauth2Auth": blocks.OAuth2AuthIn,
        },
        takes=WATCH_TAKES,
        refuses=(
            *WATCH_REFUSES, ("basicAuth", {"username": "ann"}), ("httpRequestHeader", {"X-B": None}),
            ("oauth2Auth", {"clientId": "c", "clientSecret": "s"}), ("oauth2Auth", {**OAUTH, "clientId": None}),
        ),
    ),
    "watch on a route": Body(
        reads=lambda given: read_watch(given, APPOINTMENT, {}, second=SECOND),
        struct=wire_watches.WatchRouteCreate,
        right={"address": ADDRESS},
        read_only=OF_WATCH - {"resourceType", "scope"},  # its other properties are derived as those of "watch" are
    ),
    "replaced watch": Body(
        reads=replaced,
        struct=wire_watches.WatchUpdate,
        right={"address": ADDRESS},
        read_only=OF_WATCH,
        inner={"basicAuth": blocks.BasicAuthUpdate},
        takes=(
            *WATCH_TAKES, ("resourceType", "appointment"), ("scope", {}), ("httpRequestHeader", {"x-a": None}),
            ("basicAuth", {"username": "ann"}), ("basicAuth", {"username": "ann", "password": None}),
        ),
        refuses=WATCH_REFUSES,
    ),
    "patched watch": Body(
        reads=lambda given: replaced(patched(SHOWN, given)),
        struct=wire_watches.WatchPatch,
        right={},
        read_only=OF_WATCH,
        inner={"basicAuth": blocks.BasicAuthUpdate},
        takes=(
            *WATCH_TAKES, ("address", "https://example.com/${$.id}"), ("httpRequestHeader", {"x-a": None}),
            ("resourceType", None), ("scope", None), ("basicAuth", {"username": "ann"}),
        ),
        refuses=(*WATCH_REFUSES, ("address", None)),
    ),
    "type": Body(
        reads=lambda given: read_type(given, reserved=(), taken={}, schemas=SCHEMAS),
        struct=wire_types.ResourceTypeCreate,
        right=TYPE,
        read_only=OF_TYPE,
        inner={"paths": wire_types.ResourceTypePathsCreate},
        takes=TYPE_TAKES,
        refuses=(*TYPE_REFUSES, ("name", None)),
    ),
    "replaced type": Body(
        reads=lambda given: read_type(given, reserved=(), taken={}, schemas=SCHEMAS, name="shop.order"),
        struct=wire_types.ResourceTypeUpdate,
        right={**TYPE, "name": None},
        read_only=OF_TYPE,
        takes=(*TYPE_TAKES, ("name", "shop.order")),
        refuses=TYPE_REFUSES,
    ),
    "replay": Body(
        reads=wants_new_id,
        struct=replays.ReplayCreate,
        right={},
        takes=(("newId", True), ("newId", False)),
        refuses=(("newId", None), ("newId", "true"), ("newId", 1)),
    ),
    "erasure": Body(
        reads=erased,
        struct=erasures.ErasureCreate,
        right={"resourceType": "appointment", "resourceId": "1"},
        takes=(("resourceType", "t" * 255), ("resourceId", "r" * 1024)),
        refuses=(
            ("resourceType", ""), ("resourceType", "t" * 256), ("resourceId", None), ("resourceId", 7),
            ("resourceId", "r" * 1025), ("resourceId", ""),
        ),
    ),
    "test": Body(
        reads=lambda given: read_trial(given, KNOWN, {}),
        struct=wire_watches.WatchTest,
        right={},
        takes=(("event", None), ("event", "merged"), ("resource", None), ("resource", {"id": "1"})),
        refuses=(("event", "made"), ("event", 7), ("resource", [])),
    ),
    "preview": Body(
        reads=lambda given: preview(given, {APPOINTMENT.name: KNOWN}, second=SECOND),
        struct=wire_watches.WatchPreview,
        right={"resourceType": "appointment"},
        takes=(
            ("schema", None), ("schema", {"a": 1}), ("schema", '{"a":1}'), ("scope", None), ("scope", {"companyId": 7}),
            ("event", None), ("event", "deleted"), ("resource", {"id": "1"}), ("levelDetails", None),
            ("levelDetails", "extraFull"), ("extraFull", {}), ("addPreviousData", "false"), ("addPreviousData", None),
            ("previousData", {}), ("timeZone", "Europe/Paris"), ("timeZone", None), ("document", None),
        ),
        refuses=(
            ("schema", 7), ("scope", []), ("scope", {"companyId": ""}), ("event", "x"), ("resource", 1),
            ("levelDetails", "x"), ("extraFull", 1), ("addPreviousData", "x"), ("previousData", 1), ("timeZone", 1),
        ),
    ),
    "authorization": Body(
        reads=read_return,
        struct=wire_authorizations.AuthorizationFinish,
        right={"code": "c", "state": "s"},
        takes=(("code", "c" * 4096), ("state", "s" * 255)),
        refuses=(
            ("code", ""), ("code", None), ("code", "c" * 4097), ("state", ""), ("state", 7), ("state", "s" * 256),
        ),
    ),
    "api key": Body(
        reads=lambda given: read_api_key(given, may_operate=True),
        struct=api_keys.ApiKeyCreate,
        right={"name": "n", "scopes": ["publish"]},
        takes=(("owner", None), ("owner", "o" * 255), ("scopes", [str(each) for each in Scope])),
        refuses=(("owner", ""), ("owner", 7), ("name", ""), ("name", "n" * 256), ("scopes", []), ("scopes", ["all"])),
    ),
    "account": Body(
        reads=lambda given: read_account(given, max_days=30, whole=True),
        struct=accounts.AccountCreate,
        right={"name": "n"},
        takes=(("timeZone", None), ("timeZone", "Europe/Paris"), ("retentionDays", None), ("retentionDays", 1)),
        refuses=(("timeZone", 7), ("retentionDays", 0), ("retentionDays", "1"), ("name", ""), ("name", None)),
    ),
    "changed account": Body(
        reads=lambda given: read_account(given, max_days=30, whole=False),
        struct=accounts.AccountPatch,
        right={},
        read_only=frozenset({"id", "created"}),
        takes=(("timeZone", None), ("retentionDays", None), ("name", "n"), ("id", "x"), ("created", None)),
        refuses=(("retentionDays", 0), ("name", ""), ("name", None), ("timeZone", 7)),
    ),
    "rotation": Body(
        reads=lambda given: read_rotation(
            given, algorithm=Algorithm.HMAC_SHA256, overlap=1.0, read=CipherSigningKeys().read
        ),
        struct=wire_keys.CryptoKeyRotate,
        right={},
        takes=(("secret", None), ("overlap", None), ("overlap", "0s"), ("overlap", f"{MAX_OVERLAP:.0f}s")),
        refuses=(("secret", 7), ("overlap", 7)),
    ),
}  # fmt: skip
