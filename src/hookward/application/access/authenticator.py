"""The keys that callers show, known in memory: no request waits for PostgreSQL to find out who asks.

* A key that is not known here is looked up before it is refused: it may have been made a moment ago through another
  process (G5). Look-ups share statements, so that a flood of made-up keys costs little, and what does not exist is
  remembered: nobody can make a key of a text that somebody else chose.
* A revoked key stops within a second. Every quarter of a second each process asks what was revoked; what it knows
  counts only while an answer is fresh. Without one (PostgreSQL is away) requests wait a few seconds for it, as
  publishing does, and are then told to come again (503): nothing could be done for them anyway.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, TypeAlias

import msgspec

from hookward.application.access.api_keys import ApiKeyRow
from hookward.application.ports import Clock
from hookward.domain.access.callers import Caller
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import ApiKeyId

POLL_SECONDS = 0.25
TRUST_SECONDS = 0.9
PATIENCE_SECONDS = 4.0
NOTE_SECONDS = 5.0
USED_SECONDS = 60.0
MAX_KNOWN = 10_000
MAX_STRANGERS = 10_000
MAX_LOOK_UP = 256


class FoundKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys that are valid, and the version of the definitions at that moment; from one snapshot."""

    version: int
    keys: Sequence[ApiKeyRow]


class Revocations(msgspec.Struct, frozen=True, kw_only=True):
    """Digests of the keys that were revoked after a version, and the version known with them; from one snapshot."""

    version: int
    digests: Sequence[bytes]


class ApiKeySource(Protocol):
    """Where keys are found."""

    async def find(self, digests: Sequence[bytes]) -> FoundKeys: ...

    async def note_used(self, ids: Sequence[ApiKeyId]) -> None: ...


class RevocationSource(Protocol):
    """Where revocations are told; without a version, only the version that holds."""

    async def revoked_since(self, version: int | None) -> Revocations: ...


class _Known:
    """A key in memory; ``noted`` is when (monotonic seconds) its use was last taken down."""

    __slots__ = ("caller", "id", "noted")

    def __init__(self, row: ApiKeyRow) -> None:
        self.id = row.id
        self.caller = Caller(account=row.account, scopes=frozenset(row.scopes), owner=row.owner)
        self.noted = float("-inf")


_Outcome: TypeAlias = _Known | Exception | None


class ApiKeyCache:
    """The keys of all accounts, as far as they were shown. ``follow`` and ``note`` have to run beside it."""

    def __init__(self, source: ApiKeySource, revocations: RevocationSource, *, clock: Clock) -> None:
        self._source = source
        self._revocations = revocations
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._strangers: OrderedDict[bytes, None] = OrderedDict()
        self._version: int | None = None
        self._asked = float("-inf")
        self._news = asyncio.Event()
        self._wanted: dict[bytes, asyncio.Future[_Outcome]] = {}
        self._finder: asyncio.Task[None] | None = None
        self._used: set[ApiKeyId] = set()

    async def caller(self, digest: bytes) -> Caller | None:
        """Who shows the key of this digest; ``None`` for nobody. Raises StoreUnavailable when that cannot be told."""
        now = self._clock.monotonic()
        if now - self._asked > TRUST_SECONDS:
            await self._until_fresh(now + PATIENCE_SECONDS)
        known = self._known.get(digest)
        if known is None:
            if digest in self._strangers:
                return None
            known = await self._look_up(digest)
            if known is None:
                return None
        if now - known.noted >= USED_SECONDS:
            known.noted = now
            self._used.add(known.id)
            self._known.move_to_end(digest)
        return known.caller

    async def follow(self) -> None:
        """Learn what is revoked, until cancelled."""
        while True:
            began = self._clock.monotonic()
            try:
                told = await self._revocations.revoked_since(self._version)
            except StoreUnavailable:
                await asyncio.sleep(POLL_SECONDS)
                continue
            self._learn(told)
            self._asked = began
            self._news.set()
            self._news = asyncio.Event()
            await asyncio.sleep(POLL_SECONDS)

    async def note(self) -> None:
        """Take down which keys were used, each about once a minute, until cancelled."""
        while True:
            await asyncio.sleep(NOTE_SECONDS)
            used, self._used = self._used, set()
            if used:
                try:
                    await self._source.note_used(sorted(used))
                except StoreUnavailable:
                    self._used |= used

    def _learn(self, told: Revocations) -> None:
        if self._version is not None and told.version < self._version:  # another past: restored from a backup
            self._known.clear()
            self._strangers.clear()
        for digest in told.digests:
            self._known.pop(digest, None)
        self._version = told.version

    async def _until_fresh(self, deadline: float) -> None:
        while (now := self._clock.monotonic()) - self._asked > TRUST_SECONDS:
            try:
                async with asyncio.timeout(deadline - now):
                    await self._news.wait()
            except TimeoutError:
                raise StoreUnavailable("PostgreSQL does not tell which keys hold") from None

    async def _look_up(self, digest: bytes) -> _Known | None:
        answer = self._wanted.get(digest)
        if answer is None:
            answer = self._wanted[digest] = asyncio.get_running_loop().create_future()
            if self._finder is None:
                self._finder = asyncio.create_task(self._find(), name="keyring.find")
        outcome = await asyncio.shield(answer)  # others may wait for it too
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _find(self) -> None:
        """Look up what is wanted; what comes meanwhile shares the next statement."""
        try:
            while self._wanted:
                digests = list(self._wanted)[:MAX_LOOK_UP]
                outcomes = await self._found(digests)
                if outcomes is not None:
                    for digest, outcome in zip(digests, outcomes, strict=True):
                        self._wanted.pop(digest).set_result(outcome)
        finally:
            self._finder = None

    async def _found(self, digests: Sequence[bytes]) -> Sequence[_Outcome] | None:
        """What became of each digest; ``None`` when it has to be asked again."""
        try:
            found = await self._source.find(digests)
        except Exception as error:  # noqa: BLE001  whoever waits has to hear of it
            return [error] * len(digests)
        if self._version is not None and found.version < self._version:
            return None  # a revocation that was told meanwhile may be of one of these
        rows = {row.digest: row for row in found.keys}
        return [self._remember(digest, rows.get(digest)) for digest in digests]

    def _remember(self, digest: bytes, row: ApiKeyRow | None) -> _Known | None:
        if row is None:
            self._strangers[digest] = None
            if len(self._strangers) > MAX_STRANGERS:
                self._strangers.popitem(last=False)
            return None
        known = self._known[digest] = _Known(row)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return known
