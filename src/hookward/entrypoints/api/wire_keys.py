"""The shapes of ``/v1/crypto-keys``."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookward.entrypoints.api.wire import Wire
from hookward.entrypoints.api.wire_requests import Duration, Input, KeyIdText, Limit


class NewKey(Wire, frozen=True):
    """A crypto key to make, or with ``secret`` (``whsec_`` and 24 to 64 bytes in base64) to import."""

    name: str
    algorithm: str = "hmac-sha256"
    format: str = "standard-webhooks"
    secret: str | None = None


class KeyRotation(Input, frozen=True):
    """How to rotate: the new secret, where it is not to be made, and how long the former signs beside it."""

    secret: str | None = None
    overlap: Annotated[
        Duration | None, Meta(description="At most 30d; 24 h by default, unless configured otherwise.")
    ] = None


class KeyQueryParameters(Input, frozen=True):
    """Query parameters of the list of crypto keys."""

    name: Annotated[str | UnsetType, Meta(description="A name, whole.")] = UNSET
    owner: Annotated[str | UnsetType, Meta(description="Whose.")] = UNSET
    limit: Limit = 50
    cursor: Annotated[KeyIdText | UnsetType, Meta(description="The nextCursor of the page before.")] = UNSET


class KeyAnswer(Wire, frozen=True, omit_defaults=True):
    """A crypto key; ``secret`` only in the answer that made it. ``overlapUntil``: when its last former secret ends."""

    id: str
    name: str
    algorithm: str
    format: str
    created: str | None = None
    owner: str | None = None
    rotated: str | None = None
    overlap_until: str | None = None
    secret: str | msgspec.UnsetType = msgspec.UNSET


class KeyList(Wire, frozen=True):
    """A page of crypto keys; ``nextCursor`` leads to the next, ``null`` ends."""

    data: list[KeyAnswer]
    next_cursor: str | None
