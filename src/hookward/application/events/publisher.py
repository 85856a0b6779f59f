"""Publish: many requests, one commit; nobody waits for a timer, and one bad row never fails its neighbours.

Requests that arrive while a commit is in flight share the next one (group commit); an idle service commits each at
once. Answered only after the commit (G1).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from hookward.application.ports import Clock, Log
from hookward.domain.errors import HookwardError, Invalid, Problem, StoreUnavailable, TypeChanged
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import EventId
from hookward.domain.redaction import redacted_repr

MAX_GROUP_EVENTS = 256
MAX_GROUP_BYTES = 8 << 20
MAX_PENDING_BYTES = 64 << 20
_OVERHEAD_BYTES = 1 << 10  # what a small event takes to hold, whatever its body


class NewEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A validated event, on its way in. ``key`` is the idempotency key, ``digest`` of what it stands for.

    ``own_type`` says that its resource type is the account's own, which may have changed since.
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
        """Bytes that it takes to hold it, whichever part of it they are."""
        change = self.change
        return len(change.body) + len(change.previous or b"") + len(change.extra or b"")

    __repr__ = redacted_repr


class Accepted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The event that an idempotency key stands for."""

    id: EventId
    digest: bytes


class StaleType(msgspec.Struct, frozen=True, gc=False):
    """The event was not taken: the version of its type by which it was judged is not the current one."""


class EventStore(Protocol):
    """Where accepted events become durable."""

    async def accept(self, events: Sequence[NewEvent]) -> dict[EventId, Accepted | StaleType]:
        """Commit all but the outdated; answers these and those whose key was known.

        No two of ``events`` share an account and key.
        """
        ...


class Waker(Protocol):
    """Tells the workers that there is work; never awaited, never fails."""

    def wake(self) -> None: ...


class _Waiting:
    """An event and who waits for it; ``followers`` came with the same key and share its fate."""

    __slots__ = ("answer", "event", "followers")

    def __init__(self, event: NewEvent, answer: asyncio.Future[EventId]) -> None:
        self.event = event
        self.answer = answer
        self.followers: list[_Waiting] = []


class Publisher:
    """The group commit. ``patience`` is how long, in seconds, a group is tried while PostgreSQL is away."""

    def __init__(self, inbox: EventStore, waker: Waker, *, clock: Clock, log: Log, patience: float = 4.0) -> None:
        self._inbox = inbox
        self._waker = waker
        self._clock = clock
        self._log = log
        self._patience = patience
        self._pending: deque[_Waiting] = deque()
        self._pending_bytes = 0
        self._flusher: asyncio.Task[None] | None = None

    async def publish(self, event: NewEvent) -> EventId:
        """Make an event durable; answers its id, or that of the event which its key stands for.

        Raises Invalid when the key stands for another body, TypeChanged when the event was judged by an old version of
        its type, StoreUnavailable when PostgreSQL is away.
        """
        return await self._enqueue(event)

    async def publish_all(self, events: Sequence[NewEvent]) -> list[EventId | HookwardError]:
        """Make several events durable, each on its own; answers an id or an error for each, in order."""
        answers = [self._enqueue(event) for event in events]
        if answers:
            await asyncio.wait(answers)
        outcomes: list[EventId | HookwardError] = []
        for each in answers:
            try:
                outcomes.append(each.result())
            except HookwardError as error:
                outcomes.append(error)
        return outcomes

    def _enqueue(self, event: NewEvent) -> asyncio.Future[EventId]:
        answer: asyncio.Future[EventId] = asyncio.get_running_loop().create_future()
        if self._pending_bytes > MAX_PENDING_BYTES:
            answer.set_exception(StoreUnavailable("PostgreSQL does not keep up"))
            return answer
        self._pending.append(_Waiting(event, answer))
        self._pending_bytes += event.size + _OVERHEAD_BYTES
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush(), name="publish.flush")
        return answer

    async def close(self) -> None:
        """Wait until everything taken is answered."""
        while self._flusher is not None:
            await asyncio.wait([self._flusher])

    async def _flush(self) -> None:
        try:
            while self._pending:
                group = self._next_group()
                await self._commit(group, self._clock.monotonic() + self._patience)
                self._waker.wake()
        finally:
            self._flusher = None

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        first: dict[tuple[int, bytes], _Waiting] = {}
        size = 0
        while self._pending and len(group) < MAX_GROUP_EVENTS and size < MAX_GROUP_BYTES:
            waiting = self._pending.popleft()
            event = waiting.event
            size += event.size + _OVERHEAD_BYTES
            leader = None if event.key is None else first.setdefault((event.account, event.key), waiting)
            if leader is None or leader is waiting:
                group.append(waiting)
            else:  # two of one key cannot be told apart inside one statement
                leader.followers.append(waiting)
        self._pending_bytes -= size
        return group

    async def _commit(self, group: list[_Waiting], deadline: float) -> None:
        try:
            known = await self._accept(group, deadline)
        except StoreUnavailable as error:
            for waiting in group:
                _fail(waiting, error)
        except Exception as error:  # noqa: BLE001  a row that PostgreSQL refuses: find it, spare its neighbours
            await self._bisect(group, error, deadline)
        else:
            for waiting in group:
                _answer(waiting, known.get(waiting.event.id))

    async def _accept(self, group: list[_Waiting], deadline: float) -> dict[EventId, Accepted | StaleType]:
        """Send a group, again with the same ids while PostgreSQL is away: the answer to a commit may be lost."""
        events = [waiting.event for waiting in group]
        while True:
            try:
                return await self._inbox.accept(events)
            except StoreUnavailable:
                if self._clock.monotonic() >= deadline:
                    raise
                await asyncio.sleep(0.1)

    async def _bisect(self, group: list[_Waiting], error: Exception, deadline: float) -> None:
        if len(group) == 1:
            self._log.error("publish.refused_by_store", event_id=group[0].event.id.hex(), error=type(error).__name__)
            _fail(group[0], HookwardError("this event cannot be stored"))
            return
        middle = len(group) // 2
        await self._commit(group[:middle], deadline)
        await self._commit(group[middle:], deadline)


def _fail(waiting: _Waiting, error: HookwardError) -> None:
    for each in (waiting, *waiting.followers):
        if not each.answer.done():
            each.answer.set_exception(error)


def _answer(waiting: _Waiting, known: Accepted | StaleType | None) -> None:
    event = waiting.event
    if isinstance(known, StaleType):
        _fail(waiting, TypeChanged(event.change.resource_type))
        return
    took = known or Accepted(id=event.id, digest=event.digest or b"")
    for each in (waiting, *waiting.followers):
        mine = each.event
        if each.answer.done():
            continue
        if mine.key is not None and took.id != mine.id and took.digest != mine.digest:
            each.answer.set_exception(Invalid(_REUSED, (Problem(message=_REUSED, pointer="/id"),)))
        else:
            each.answer.set_result(took.id)


_REUSED = "this id or Idempotency-Key was used for another body within 24 hours; choose a new one"
