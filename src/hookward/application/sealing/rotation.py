"""Re-seal what is at rest with the key that seals now, while everything goes on.

A row is re-sealed under its own lock, and one that somebody else holds is left for the next pass: nobody's change is
overwritten, and we never wait while we hold something. What a row says stays the same, so its version does too: whoever
has the old sealed value in memory has a ring that opens it. Interrupted, the work is simply begun again, for what is
re-sealed already is not looked at twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from hookward.application.ports import SealingKeys
from hookward.application.sealing.key_check import KeyCheckValues, key_name
from hookward.domain.errors import ConfigError, DecryptionFailed

PAGE = 100
"""Rows of one transaction: locked for some milliseconds."""
PASSES = 20
"""How often in a row everything that is left may turn out to be locked, or sealed anew by an old key."""
PAUSE_SECONDS = 0.25


class SealedRow(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed values in one field of one row, bound to what they are ``about``; ``name`` is for people.

    ``subject`` is of rows that are found by the fingerprint of a secret: from the opened value to that secret and what
    its fingerprint is about.
    """

    name: str
    about: str
    values: tuple[bytes, ...]
    subject: Callable[[bytes], tuple[bytes, str]] | None = None

    def __repr__(self) -> str:
        return f"<SealedRow {self.name}>"


class Resealed(msgspec.Struct, frozen=True, kw_only=True):
    """The same values, sealed by another key, and their fingerprint by it where there is one."""

    values: tuple[bytes, ...]
    fingerprint: bytes | None = None

    def __repr__(self) -> str:
        return f"<Resealed {len(self.values)} values>"


Reseal = Callable[[SealedRow], Resealed | None]
"""What becomes of a row; ``None``: it stays as it is."""


class SealedStore(Protocol):
    """Where sealed values are kept."""

    @property
    def fields(self) -> Sequence[str]:
        """The names of all fields that hold some."""
        ...

    async def reseal(self, field: str, mark: bytes, reseal: Reseal, *, after: bytes | None, limit: int) -> bytes | None:
        """Replace what ``reseal`` says in up to ``limit`` rows whose values do not all begin with ``mark``.

        In one transaction, each row locked before it is read; those that others have locked are left out. Answers
        behind what there is more, or ``None``.
        """
        ...

    async def tally(self) -> Mapping[bytes, int]:
        """How many values begin with which mark."""
        ...

    async def proofs(self) -> KeyCheckValues: ...

    async def forget_proofs(self, marks: Sequence[bytes]) -> None: ...


class KeyUse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a master key does: ``values`` is how many are sealed with it.

    ``may_be_dropped``: nothing is left that it seals, and no process will ask for it.
    """

    id: str
    values: int
    configured: bool
    seals: bool
    may_be_dropped: bool


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a rotation did: how many values it re-sealed, which rows it could not open, and what each key seals now."""

    resealed: int
    unreadable: tuple[str, ...]
    keys: tuple[KeyUse, ...]

    @property
    def complete(self) -> bool:
        """Whether everything is sealed with the key that seals now."""
        return all(key.seals or not key.values for key in self.keys)


class MasterKeyRotation:
    """The use cases of operators who change the master key."""

    def __init__(self, ring: SealingKeys, store: SealedStore, *, setting: str) -> None:
        self._ring = ring
        self._store = store
        self._setting = setting
        self._resealed = 0
        self._unreadable: dict[str, int] = {}

    async def status(self) -> tuple[KeyUse, ...]:
        """What each key seals: those configured, in their order, then those that are not and should be."""
        tally, proofs = await self._store.tally(), await self._store.proofs()
        marks = dict.fromkeys((*self._ring.marks, *sorted(tally), *sorted(proofs)))
        return tuple([self._use(mark, tally.get(mark, 0), proved=mark in proofs) for mark in marks])

    async def rotate(self, progress: Callable[[int, int], None]) -> Report:
        """Re-seal everything; ``progress`` is told how many values are done, of how many.

        Raises ConfigError, before anything is changed, when something is sealed with a key that is not configured.
        """
        total = self._left(await self._checked())
        idle = 0
        while idle < PASSES:
            before = self._resealed
            for field in self._store.fields:
                await self._walk(field, lambda: progress(self._resealed, max(total, self._resealed)))
            tally = await self._store.tally()
            if self._left(tally) <= sum(self._unreadable.values()):
                break
            if self._resealed == before:
                idle += 1
                await asyncio.sleep(PAUSE_SECONDS)
        tally = await self._store.tally()
        unused = [mark for mark in await self._store.proofs() if not tally.get(mark) and mark != self._ring.marks[0]]
        await self._store.forget_proofs(unused)
        return Report(resealed=self._resealed, unreadable=tuple(self._unreadable), keys=await self.status())

    async def _checked(self) -> Mapping[bytes, int]:
        tally = await self._store.tally()
        missing = [key_name(mark) for mark, count in tally.items() if count and mark not in self._ring.marks]
        if missing:
            raise ConfigError(
                f"{self._setting}: wrong key: secrets in this database are sealed with master key "
                f"{' and '.join(missing)}, which is not configured; add it to security.old_master_keys"
            )
        return tally

    async def _walk(self, field: str, told: Callable[[], None]) -> None:
        after: bytes | None = None
        while True:
            after = await self._store.reseal(field, self._ring.marks[0], self._again, after=after, limit=PAGE)
            told()
            if after is None:
                return

    def _again(self, row: SealedRow) -> Resealed | None:
        old = sum(not value.startswith(self._ring.marks[0]) for value in row.values)
        try:
            opened = [self._ring.unseal(value, row.about) for value in row.values]
        except DecryptionFailed:
            self._unreadable[row.name] = old
            return None
        self._resealed += old
        fingerprint = None if row.subject is None else self._ring.fingerprint(*row.subject(opened[0]))
        return Resealed(values=tuple([self._ring.seal(each, row.about) for each in opened]), fingerprint=fingerprint)

    def _left(self, tally: Mapping[bytes, int]) -> int:
        return sum(tally.values()) - tally.get(self._ring.marks[0], 0)

    def _use(self, mark: bytes, values: int, *, proved: bool) -> KeyUse:
        seals = mark == self._ring.marks[0]
        return KeyUse(
            id=key_name(mark),
            values=values,
            configured=mark in self._ring.marks,
            seals=seals,
            may_be_dropped=not (seals or values or proved),
        )
