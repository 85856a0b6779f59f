"""Erase the data of one resource, durably and in bounded steps, also while deliveries of it are in flight."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Protocol

import msgspec

from hookward.application.ids import make_id
from hookward.application.ports import Clock, Log, Random
from hookward.domain.errors import Invalid, NotFound, Problem, StoreUnavailable
from hookward.domain.events.rules import MAX_RESOURCE_ID
from hookward.domain.ids import AccountId
from hookward.domain.problems import is_string, problem_at, unknown_fields

IDLE_SECONDS = 1.0
_FIELDS = ("resourceType", "resourceId")


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure and its progress: the numbers of events and deliveries whose data it has removed."""

    id: bytes
    events: int
    deliveries: int
    created: datetime
    finished: datetime | None


class ErasureStore(Protocol):
    """Where erasures are stored and carried out."""

    async def add(self, account: AccountId, id_: bytes, resource_type: str, resource_id: str) -> Erasure: ...

    async def get(self, account: AccountId, id_: bytes) -> Erasure | None: ...

    async def step(self) -> bool:
        """Do a bounded piece of the oldest erasure that can proceed; returns False when there is nothing to do now."""
        ...


class Erasures:
    """The use cases: request an erasure, and read its progress."""

    def __init__(self, store: ErasureStore, *, clock: Clock, random: Random) -> None:
        self._store = store
        self._clock = clock
        self._random = random

    async def create(self, account: AccountId, given: Any) -> Erasure:
        """Store an erasure, which is durable when this returns. Raises Invalid."""
        resource_type, resource_id = _read(given)
        id_ = make_id(self._clock, self._random)
        return await self._store.add(account, id_, resource_type, resource_id)

    async def get(self, account: AccountId, id_: bytes | None) -> Erasure:
        """Return an erasure of this account. Raises NotFound."""
        found = None if id_ is None else await self._store.get(account, id_)
        if found is None:
            raise NotFound("there is no such erasure")
        return found


def _read(given: Any) -> tuple[str, str]:
    if not isinstance(given, dict):
        raise Invalid(_NO_OBJECT, (problem_at(_NO_OBJECT),))
    problems: list[Problem] = list(unknown_fields(given, _FIELDS, "an erasure"))
    for name, limit in zip(_FIELDS, (255, MAX_RESOURCE_ID), strict=True):
        if not is_string(given.get(name), limit):
            problems.append(problem_at(f"{name} must be a text of 1 to {limit} characters", name))
    if problems:
        raise Invalid("the erasure has problems", tuple(problems))
    return given["resourceType"], given["resourceId"]


_NO_OBJECT = "an erasure must be a JSON object with resourceType and resourceId"


class Eraser:
    """Carries out the erasures, one step at a time, in every worker."""

    def __init__(self, store: ErasureStore, *, log: Log) -> None:
        self._store = store
        self._log = log

    async def run(self) -> None:
        """Erase until cancelled."""
        while True:
            try:
                more = await self._store.step()
            except StoreUnavailable as error:
                self._log.warning("erasure.store_unavailable", error=str(error))
                more = False
            await asyncio.sleep(0 if more else IDLE_SECONDS)
