"""Outbox: the port through which a worker claims accepted events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import DeliveryId, EventId, WatchId


class Claim(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An outbox row held under our lease.

    ``claims`` counts its holders so far, ``crashes`` those that died with it, ``alone`` those that died with nothing
    else to blame: many rows share a crash that one of them caused. ``fanned`` is the last watch that a fan-out of its
    event has written.
    """

    seq: int
    events: tuple[EventId, ...]
    claims: int
    crashes: int
    alone: int = 0
    fanned: WatchId | None


class Outbox(Protocol):
    """Where accepted events wait to be matched."""

    async def claim(self, token: int, *, limit: int) -> list[Claim]: ...

    async def events(self, ids: Sequence[EventId]) -> Mapping[EventId, ChangeEvent]: ...

    async def recorded(self, events: Sequence[EventId]) -> set[DeliveryId]: ...

    async def split(self, token: int, claim: Claim) -> None: ...

    async def fan(self, token: int, claim: Claim, watch: WatchId) -> None: ...
