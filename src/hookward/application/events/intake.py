"""Accept events: check the backlog, validate, give an id, publish.

Events, batches of events and mirrored operations all come in here, for built-in types and for those of accounts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import msgspec

from hookward.application.events.backlog import Backlogs
from hookward.application.events.publisher import NewEvent, Publisher
from hookward.application.ports import Clock, Random
from hookward.application.resource_types.cache import MAX_TYPE_CHANGES, TYPE_KEEPS_CHANGING, ResourceTypeCache
from hookward.domain.errors import HookwardError, Invalid, StoreUnavailable, TooLarge, TypeChanged
from hookward.domain.events.idempotency import add_key, digest_of, with_header_problems
from hookward.domain.events.mirrored import MirroredEvent
from hookward.domain.events.model import ChangeEvent
from hookward.domain.events.rules import ValidEvent, as_change_event, type_named, validate_event
from hookward.domain.ids import AccountId, EventId
from hookward.domain.json import decode_exact

MAX_EVENT_BYTES = 1 << 20

T = TypeVar("T")
ReadRequest: TypeAlias = Callable[[], Awaitable[T]]
"""Reads the body of a request. It is called only after the account's backlog has been checked (G6)."""

RawItems: TypeAlias = Sequence[bytes | msgspec.Raw]
"""The items of a batch, each as JSON that is not decoded yet."""


class EventIntake:
    """Accepts events.

    Every method raises TooManyPending, before it reads anything, when too much of the account is undelivered (G6), and
    StoreUnavailable when PostgreSQL is unreachable or a resource type keeps changing. Errors of the ``read`` function
    pass through.
    """

    def __init__(
        self, publisher: Publisher, backlogs: Backlogs, types: ResourceTypeCache, *, clock: Clock, random: Random
    ) -> None:
        self._publisher = publisher
        self._backlogs = backlogs
        self._types = types
        self._clock = clock
        self._random = random

    async def publish(self, account: AccountId, read: ReadRequest[bytes], *, key: str | None = None) -> EventId:
        """Publish one event and return its id once it is durable (G1).

        ``read`` returns the event as JSON. ``key`` is the idempotency key of a header. Returns the id of the first
        event when the key was used for the same event before. Raises Malformed or Invalid with every problem.
        """
        self._backlogs.check(account)
        value, from_header = decode_exact(await read()), False
        if key is not None:
            value, from_header = add_key(value, key)
        name = type_named(value)
        try:
            if name is None or name not in self._types.built_in:
                return await self._publish_own(account, value)
            valid = validate_event(value, self._types.built_in[name])
            now_ms, random = self._clock.now_us() // 1000, self._random.bytes(10)
            change = as_change_event(valid, account, now_ms=now_ms, random=random)
            return await self._publisher.publish(_new_event(change, valid, value, own_type=False))
        except Invalid as refused:
            if from_header:
                raise with_header_problems(refused) from None
            raise

    async def publish_many(self, account: AccountId, read: ReadRequest[RawItems]) -> list[EventId | HookwardError]:
        """Publish each event of a batch on its own; return an id or an error for each, in order."""
        self._backlogs.check(account)
        raws = await read()
        outcomes: list[EventId | HookwardError] = [TypeChanged()] * len(raws)
        for _ in range(MAX_TYPE_CHANGES):
            left = [index for index, each in enumerate(outcomes) if isinstance(each, TypeChanged)]
            events = await self._validate_each(account, [raws[index] for index in left])
            for index, event, outcome in zip(left, events, await self._publish_valid(events), strict=True):
                outcomes[index] = outcome
                if isinstance(outcome, TypeChanged) and isinstance(event, NewEvent):
                    self._forget_type(event.change)
        return [StoreUnavailable(TYPE_KEEPS_CHANGING) if isinstance(each, TypeChanged) else each for each in outcomes]

    async def publish_mirrored(self, account: AccountId, read: ReadRequest[MirroredEvent]) -> EventId:
        """Publish the event of a mirrored operation and return its id once it is durable (G1).

        Raises Invalid when its idempotency key was used for another event, and TypeChanged when the type of the
        account's own by which it was validated has changed.
        """
        self._backlogs.check(account)
        mirrored = await read()
        try:
            return await self._publisher.publish(self._with_id(account, mirrored.event, mirrored.read))
        except Invalid as refused:
            raise with_header_problems(refused) from None

    async def publish_mirrored_batch(
        self, account: AccountId, read: ReadRequest[RawItems], read_item: Callable[[Any], MirroredEvent]
    ) -> list[EventId | HookwardError]:
        """Publish each operation of a mirrored batch on its own; return an id or an error for each, in order.

        ``read_item`` validates one decoded operation.
        """
        self._backlogs.check(account)
        events: list[NewEvent | HookwardError] = []
        for raw in await read():
            await asyncio.sleep(0)  # validating all of them may take seconds: let others run after each (G6)
            try:
                mirrored = read_item(_decode_item(raw, "operation"))
                events.append(self._with_id(account, mirrored.event, mirrored.read))
            except HookwardError as error:
                events.append(error)
        return await self._publish_valid(events)

    async def _publish_own(self, account: AccountId, value: Any) -> EventId:
        """Publish an event of a type of the account's own, again when the type changes in between (G5)."""
        for _ in range(MAX_TYPE_CHANGES):
            event = self._with_id(account, value, await _Validator(self._types, account).validate(value))
            try:
                return await self._publisher.publish(event)
            except TypeChanged:
                self._forget_type(event.change)
        raise StoreUnavailable(TYPE_KEEPS_CHANGING)

    async def _validate_each(self, account: AccountId, raws: RawItems) -> list[NewEvent | HookwardError]:
        validator = _Validator(self._types, account)
        events: list[NewEvent | HookwardError] = []
        for raw in raws:
            await asyncio.sleep(0)  # validating a thousand may take seconds: let others run after each (G6)
            try:
                value = _decode_item(raw, "event")
                events.append(self._with_id(account, value, await validator.validate(value)))
            except HookwardError as error:
                events.append(error)
        return events

    async def _publish_valid(self, events: Sequence[NewEvent | HookwardError]) -> list[EventId | HookwardError]:
        stored = iter(await self._publisher.publish_all([each for each in events if isinstance(each, NewEvent)]))
        return [next(stored) if isinstance(each, NewEvent) else each for each in events]

    def _with_id(self, account: AccountId, value: Any, valid: ValidEvent) -> NewEvent:
        now_ms, random = self._clock.now_us() // 1000, self._random.bytes(10)
        change = as_change_event(valid, account, now_ms=now_ms, random=random)
        return _new_event(change, valid, value, own_type=self._types.is_own(valid.type.name))

    def _forget_type(self, change: ChangeEvent) -> None:
        self._types.forget(change.account, change.resource_type, change.type_version)


class _Validator:
    """Validates the events of one request, and looks each of the account's own types up at most once for it."""

    def __init__(self, types: ResourceTypeCache, account: AccountId) -> None:
        self._types = types
        self._account = account
        self._looked_up: set[str] = set()

    async def validate(self, value: Any) -> ValidEvent:
        """Return a decoded event that is valid; raise Invalid with every problem.

        A cached type may be out of date, so an event is refused only by a type that was looked up for this request.
        """
        name = type_named(value)
        if name is None or not self._types.is_own(name):
            return self._validate(value, name)
        if name not in self._looked_up and await self._types.learn(self._account, name):
            self._looked_up.add(name)
        try:
            return self._validate(value, name)
        except Invalid:
            if name in self._looked_up:
                raise
        self._looked_up.add(name)
        await self._types.find(self._account, name)
        return self._validate(value, name)

    def _validate(self, value: Any, name: str | None) -> ValidEvent:
        known = None if name is None else self._types.known(self._account, name)
        return validate_event(value, known, self._types.names(self._account) if known is None else ())


def _decode_item(raw: bytes | msgspec.Raw, what: str) -> Any:
    data = bytes(raw)
    if len(data) > MAX_EVENT_BYTES:
        raise TooLarge(f"the {what} is over {MAX_EVENT_BYTES} bytes")
    return decode_exact(data)


def _new_event(change: ChangeEvent, valid: ValidEvent, value: Any, *, own_type: bool) -> NewEvent:
    """Return an event to publish; its idempotency key stands for ``value``."""
    if valid.key is None:
        return NewEvent(change=change, occurred=valid.occurred, own_type=own_type)
    return NewEvent(
        change=change,
        occurred=valid.occurred,
        key=valid.key.encode(),
        digest=digest_of(value),
        own_type=own_type,
    )
