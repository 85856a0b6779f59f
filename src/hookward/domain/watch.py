"""Watches as they are kept: what an integrator asked for, with its secrets apart."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec

from hookward.domain.change import ChangeKind


class WatchStatus(IntEnum):
    """Whether a watch delivers; the number is what the store keeps."""

    ENABLED = 1
    PAUSED = 2
    DISABLED = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class WatchMethod:
    """The methods that a watch may name."""

    ALL = ("POST", "PUT", "PATCH", "DELETE", "GET")
    WITHOUT_BODY = frozenset({"DELETE", "GET"})


class WatchDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All of a watch that may be read back. ``schema`` is the template as it was given, ``UNSET`` without one."""

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

    @property
    def kinds(self) -> int:
        """The bit set of change kinds; no ``events`` means all."""
        words = self.events or tuple(kind.word for kind in ChangeKind)
        return sum(1 << kind for kind in ChangeKind if kind.word in words)


class WatchSecrets(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sealed at rest and never read back."""

    password: str | None = None
    headers: dict[str, str] = {}

    def __repr__(self) -> str:
        return "<WatchSecrets>"


class KeyDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """All of a crypto key that may be read back."""

    name: str
    algorithm: str = "hmac-sha256"
    format: str = "standard-webhooks"
