"""The model of a watch: its definition, its secrets, its status, and the bounds that are configured."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any

import msgspec

from hookward.domain.delivery.model import StoreBodies
from hookward.domain.oauth.model import OAuthDefinition
from hookward.domain.resource_types.operations import ChangeKind


class WatchStatus(IntEnum):
    """Whether a watch delivers. The store holds the number."""

    ENABLED = 1
    PAUSED = 2
    DISABLED = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class WatchMethod:
    """The HTTP methods that a watch may have."""

    ALL = ("POST", "PUT", "PATCH", "DELETE", "GET")
    WITHOUT_BODY = frozenset({"DELETE", "GET"})


class LevelDetails(StrEnum):
    """Which resource of an event a document holds: ``extraFull`` only where the publisher sent one."""

    FULL = "full"
    EXTRA_FULL = "extraFull"


class WatchDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a watch that may be read back, as it was given.

    ``schema`` is the template, ``UNSET`` without one. ``retry`` holds the waits between attempts and ``timeout`` a
    duration, as texts; these two and ``concurrency`` are ``None`` where the configured default applies.
    """

    address: str
    scope: dict[str, str] = {}
    name: str | None = None
    events: tuple[str, ...] = ()
    method: str = "POST"
    schema: Any = msgspec.UNSET
    username: str | None = None
    header_names: tuple[str, ...] = ()
    signed: bool = False
    key_ids: tuple[str, ...] = ()
    filter: str | None = None
    level_details: LevelDetails = LevelDetails.FULL
    add_previous_data: bool = False
    time_zone: str | None = None
    retry: tuple[str, ...] | None = None
    timeout: str | None = None
    concurrency: int | None = None
    store_bodies: StoreBodies = StoreBodies.ALL
    oauth: OAuthDefinition | None = None

    @property
    def kinds(self) -> int:
        """The bit set of change kinds. An empty ``events`` means all."""
        words = self.events or tuple(kind.word for kind in ChangeKind)
        return sum(1 << kind for kind in ChangeKind if kind.word in words)


class WatchSecrets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The secrets of a watch: sealed in the store and never read back."""

    password: str | None = None
    client_secret: str | None = None
    headers: dict[str, str] = {}

    def __repr__(self) -> str:
        return "<WatchSecrets>"


MIN_TIMEOUT = 0.05


class WatchBounds(msgspec.Struct, frozen=True, kw_only=True):
    """The most that a watch may ask for.

    ``timeout`` is seconds per attempt, ``concurrency`` requests in flight, ``retries`` waits in a retry schedule, and
    ``wait`` seconds per wait.
    """

    timeout: float = 30.0
    concurrency: int = 100
    retries: int = 30
    wait: float = 7 * 86400.0
