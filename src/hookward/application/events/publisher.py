"""Store accepted events with group commit: many requests, one commit; one bad row does not fail the others.

Requests that arrive while a commit is in flight share the next one; an idle service commits each at once, without a
timer. A request gets its response only after the commit (G1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

import msgspec

from hookward.application.aio.group_commit import GroupCommit
from hookward.application.ports import Clock, Log, WakeupSender
from hookward.domain.errors import HookwardError, Invalid, Problem, StoreUnavailable, TypeChanged
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import EventId
from hookward.domain.redaction import redacted_repr

MAX_GROUP_EVENTS = 256
MAX_GROUP_BYTES = 8 << 20
MAX_PENDING_BYTES = 64 << 20
_OVERHEAD_BYTES = 1 << 10  # memory for an event, apart from its body


class NewEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A validated event to store. ``key`` is its idempotency key, ``digest`` that of the event the key stands for.

    ``own_type`` says that its resource type is the account's own, which may have changed since the validation.
    """

    change: ChangeEvent
    occurred: datetime | None = None
    key: bytes | None = None
    digest: bytes | None = None
    own_type: bool = False

    @property
    def id(self) -> EventId:
        return self.change.id

    @property
    def account(self) -> int:
        return self.change.account

    @property
    def size(self) -> int:
        """The bytes of its body, previous state and fuller resource."""
        change = self.change
        return len(change.body) + len(change.previous or b"") + len(change.extra or b"")

    __repr__ = redacted_repr


class Accepted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The event that an idempotency key stands for."""

    id: EventId
    digest: bytes


class StaleType(msgspec.Struct, frozen=True, gc=False):
    """The event was not stored: it was validated by a version of its type that is not the current one."""


class EventStore(Protocol):
    """Makes events durable."""

    async def accept(self, events: Sequence[NewEvent]) -> dict[EventId, Accepted | StaleType]:
        """Commit all but the outdated; return these and those whose key was known.

        No two of ``events`` share an account and key.
        """
        ...


class _Waiting:
    """An event whose caller waits for ``result``; ``followers`` came with the same key and share its outcome."""

    __slots__ = ("event", "followers", "result")

    def __init__(self, event: NewEvent, result: asyncio.Future[EventId]) -> None:
        self.event = event
        self.result = result
        self.followers: list[_Waiting] = []


class Publisher:
    """Commits events in groups.

    ``patience`` is how long, in seconds, a group is tried while PostgreSQL is away. While more than
    ``max_pending_bytes`` wait, further events are refused.
    """

    def __init__(
        self, store: EventStore, waker: WakeupSender, *, clock: Clock, log: Log, patience: float = 4.0,
        max_pending_bytes: int = MAX_PENDING_BYTES,
    ) -> None:  # fmt: skip
        self._store = store
        self._waker = waker
        self._clock = clock
        self._log = log
        self._patience = patience
        self._max_pending_bytes = max_pending_bytes
        self._groups = GroupCommit(
            refuse=self._refuse, weight=_weight, max_items=MAX_GROUP_EVENTS, max_weight=MAX_GROUP_BYTES
        )
        self._flusher: asyncio.Task[None] | None = None

    async def publish(self, event: NewEvent) -> EventId:
        """Make an event durable, and return its id, or that of the event that its key was first used for.

        Raises Invalid when the key was used for another body, TypeChanged when the event was validated by an old
        version of its type, StoreUnavailable when PostgreSQL is away.
        """
        return await self._enqueue(event)

    async def publish_all(self, events: Sequence[NewEvent]) -> list[EventId | HookwardError]:
        """Make several events durable, each on its own; returns an id or an error for each, in order."""
        results = [self._enqueue(event) for event in events]
        if results:
            await asyncio.wait(results)
        outcomes: list[EventId | HookwardError] = []
        for each in results:
            try:
                outcomes.append(each.result())
            except HookwardError as error:
                outcomes.append(error)
        return outcomes

    def _enqueue(self, event: NewEvent) -> asyncio.Future[EventId]:
        result: asyncio.Future[EventId] = asyncio.get_running_loop().create_future()
        if self._groups.weight > self._max_pending_bytes:
            result.set_exception(StoreUnavailable("PostgreSQL does not keep up"))
            return result
        self._groups.add(_Waiting(event, result))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name="publish.flush")
        return result

    async def close(self) -> None:
        """Wait until all events that were taken are committed or refused."""
        while self._flusher is not None:
            await asyncio.wait([self._flusher])

    async def _flush(self) -> None:
        try:
            while self._groups:
                group = _one_per_key(self._groups.take())
                deadline = self._clock.monotonic() + self._patience
                await self._groups.commit(group, partial(self._write, deadline))
                self._waker.wake()
        finally:
            self._flusher = None

    async def _write(self, deadline: float, group: Sequence[_Waiting], *, last: bool) -> None:  # noqa: ARG002
        """Commit a group, again with the same ids while PostgreSQL is away: the response to a commit may be lost."""
        events = [waiting.event for waiting in group]
        while True:
            try:
                known = await self._store.accept(events)
            except StoreUnavailable as error:
                if self._clock.monotonic() >= deadline:
                    for waiting in group:
                        _fail(waiting, error)
                    return
                await asyncio.sleep(0.1)
            else:
                for waiting in group:
                    _resolve(waiting, known.get(waiting.event.id))
                return

    def _refuse(self, waiting: _Waiting, error: Exception) -> None:
        self._log.error("publish.refused_by_store", event_id=waiting.event.id.hex(), error=type(error).__name__)
        _fail(waiting, HookwardError("this event cannot be stored"))


def _weight(waiting: _Waiting) -> int:
    return waiting.event.size + _OVERHEAD_BYTES


def _one_per_key(taken: Sequence[_Waiting]) -> Sequence[_Waiting]:
    """Return the first event of each key, with the others as its followers: one statement cannot tell them apart."""
    group: list[_Waiting] = []
    first: dict[tuple[int, bytes], _Waiting] = {}
    for waiting in taken:
        event = waiting.event
        leader = None if event.key is None else first.setdefault((event.account, event.key), waiting)
        if leader is None or leader is waiting:
            group.append(waiting)
        else:
            leader.followers.append(waiting)
    return group


def _fail(waiting: _Waiting, error: HookwardError) -> None:
    for each in (waiting, *waiting.followers):
        if not each.result.done():
            each.result.set_exception(error)


def _resolve(waiting: _Waiting, known: Accepted | StaleType | None) -> None:
    event = waiting.event
    if isinstance(known, StaleType):
        _fail(waiting, TypeChanged(event.change.resource_type))
        return
    first = known or Accepted(id=event.id, digest=event.digest or b"")
    for each in (waiting, *waiting.followers):
        mine = each.event
        if each.result.done():
            continue
        if mine.key is not None and first.id != mine.id and first.digest != mine.digest:
            each.result.set_exception(Invalid(_REUSED, (Problem(message=_REUSED, pointer="/id"),)))
        else:
            each.result.set_result(first.id)


_REUSED = "this id or Idempotency-Key was used for another body within 24 hours; choose a new one"
