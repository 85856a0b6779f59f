"""What is sent to change, list and try watches; answers are in ``wire``."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hookward.entrypoints.api.wire import Wire
from hookward.entrypoints.api.wire_requests import Limit

Status = Literal["enabled", "paused", "disabled"]
Event = Literal["created", "updated", "deleted", "merged"]


class BasicAuthGiven(Wire, frozen=True):
    """Left out or null, the password of before is kept."""

    username: str
    password: str | None = None


class SignatureGiven(Wire, frozen=True):
    """Enabled without keys, on a watch that has none: one is made and its secret answered once."""

    enabled: bool = False
    crypto_key_ids: list[str] | None = None


class WatchGiven(Wire, frozen=True):
    """A watch, whole (PUT) or what is to change of it (PATCH); the properties of the contract, section 4."""

    address: str | None = None
    name: str | None = None
    events: list[Event] | None = None
    method: Literal["POST", "PUT", "PATCH", "DELETE", "GET"] | None = None
    status: Status | None = None
    basic_auth: BasicAuthGiven | None = None
    http_request_header: dict[str, str | None] | None = None
    schema: Any = None
    signature: SignatureGiven | None = None


class WatchListQuery(Wire, frozen=True):
    """Which watches to list. ``name`` is a whole name, ``q`` a part of a name or an address; ``owner`` is for keys of
    the whole account.
    """

    resource_type: str | None = None
    status: Status | None = None
    name: str | None = None
    q: str | None = None
    owner: str | None = None
    limit: Limit = 50
    cursor: str | None = None


class TrialGiven(Wire, frozen=True):
    """What a test sends: by default the type's sample, updated."""

    event: Event = "updated"
    resource: dict[str, Any] | None = None


class PreviewGiven(Wire, frozen=True):
    """What a preview renders: a template, with a resource type's sample or a document of the caller's own."""

    schema: Any = None
    resource_type: str | None = None
    document: dict[str, Any] | None = None
    scope: dict[str, str | int] | None = None
    event: Event = "updated"
    resource: dict[str, Any] | None = None
    level_details: Literal["full", "extraFull"] = "full"
    extra_full: dict[str, Any] | None = None
    add_previous_data: bool = False
    previous_data: dict[str, Any] | None = None
    time_zone: str | None = None


class PreviewAnswer(Wire, frozen=True):
    """The body that would be sent, as a JSON value."""

    body: msgspec.Raw
