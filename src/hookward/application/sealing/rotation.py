"""Rotate the master key: re-encrypt all sealed values with the new key while the service runs.

A row is re-encrypted under its own lock. Rows that are locked by another transaction are left for the next pass, so no
change is overwritten, and this never waits while it holds a lock. The decrypted content stays the same, and so does the
row's version: a process with the old value in memory has the key that decrypts it. An interrupted rotation is started
again; rows that are done are skipped.
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
"""Rows of one transaction: they are locked for some milliseconds."""
PASSES = 20
"""Give up after this many consecutive passes without progress."""
PAUSE_SECONDS = 0.25


class SealedField(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed values in one field of one row, with their associated data (``about``).

    ``name`` is shown to operators. ``subject`` is for rows that are found by the fingerprint of a secret: it returns
    that secret and the associated data of its fingerprint from the decrypted value.
    """

    name: str
    about: str
    values: tuple[bytes, ...]
    subject: Callable[[bytes], tuple[bytes, str]] | None = None

    def __repr__(self) -> str:
        return f"<SealedField {self.name}>"


class Resealed(msgspec.Struct, frozen=True, kw_only=True):
    """The same values encrypted with another key, and their fingerprint by that key if they have one."""

    values: tuple[bytes, ...]
    fingerprint: bytes | None = None

    def __repr__(self) -> str:
        return f"<Resealed {len(self.values)} values>"


Reseal = Callable[[SealedField], Resealed | None]
"""Returns the new values of a field; ``None``: it stays as it is."""


class SealedStore(Protocol):
    """Where sealed values are stored."""

    @property
    def fields(self) -> Sequence[str]:
        """The names of all fields that hold sealed values."""
        ...

    async def reseal(
        self, field: str, prefix: bytes, reseal: Reseal, *, after: bytes | None, limit: int
    ) -> bytes | None:
        """Replace up to ``limit`` values that do not begin with ``prefix`` by what ``reseal`` returns for them.

        This is one transaction, which locks each row before it reads it and skips rows that others have locked. Returns
        the ``after`` of the next call, or ``None`` at the end.
        """
        ...

    async def count_values(self) -> Mapping[bytes, int]:
        """Return the number of sealed values by the prefix of their key."""
        ...

    async def key_check_values(self) -> KeyCheckValues: ...

    async def delete_key_check_values(self, prefixes: Sequence[bytes]) -> None:
        """Delete the key check values of retired master keys, so that processes start without these keys."""
        ...


class KeyUse(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The use of a master key: ``values`` is the number of sealed values that it encrypts.

    ``may_be_dropped``: it encrypts nothing any more, and no process needs it to start.
    """

    id: str
    values: int
    configured: bool
    seals: bool
    may_be_dropped: bool


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The result of a rotation: number of re-encrypted values, names of rows that did not decrypt, use of each key."""

    resealed: int
    unreadable: tuple[str, ...]
    keys: tuple[KeyUse, ...]

    @property
    def complete(self) -> bool:
        """Whether every value is encrypted with the current key."""
        return all(key.seals or not key.values for key in self.keys)


class MasterKeyRotation:
    """The use cases of operators who rotate the master key."""

    def __init__(self, keys: SealingKeys, store: SealedStore, *, setting: str) -> None:
        self._keys = keys
        self._current = keys.key_prefixes[0]
        self._store = store
        self._setting = setting
        self._resealed = 0
        self._unreadable: dict[str, int] = {}

    async def status(self) -> tuple[KeyUse, ...]:
        """Return the use of each key: configured ones in their order, then missing ones that still encrypt values."""
        counts, checks = await self._store.count_values(), await self._store.key_check_values()
        prefixes = dict.fromkeys((*self._keys.key_prefixes, *sorted(counts), *sorted(checks)))
        return tuple([self._use(prefix, counts.get(prefix, 0), checked=prefix in checks) for prefix in prefixes])

    async def rotate(self, progress: Callable[[int, int], None]) -> Report:
        """Re-encrypt all values; ``progress`` is called with the number of values that are done, and of all.

        Raises ConfigError, before anything is changed, when values are encrypted with a key that is not configured.
        """
        total = self._left(await self._counts_of_known_keys())
        idle = 0
        while idle < PASSES:
            before = self._resealed
            for field in self._store.fields:
                await self._reseal_all(field, lambda: progress(self._resealed, max(total, self._resealed)))
            counts = await self._store.count_values()
            if self._left(counts) <= sum(self._unreadable.values()):
                break
            if self._resealed == before:
                idle += 1
                await asyncio.sleep(PAUSE_SECONDS)
        counts = await self._store.count_values()
        checks = await self._store.key_check_values()
        unused = [prefix for prefix in checks if not counts.get(prefix) and prefix != self._current]
        await self._store.delete_key_check_values(unused)
        return Report(resealed=self._resealed, unreadable=tuple(self._unreadable), keys=await self.status())

    async def _counts_of_known_keys(self) -> Mapping[bytes, int]:
        counts = await self._store.count_values()
        known = self._keys.key_prefixes
        missing = [key_name(prefix) for prefix, count in counts.items() if count and prefix not in known]
        if missing:
            raise ConfigError(
                f"{self._setting}: wrong key: secrets in this database are sealed with master key "
                f"{' and '.join(missing)}, which is not configured; add it to security.old_master_keys"
            )
        return counts

    async def _reseal_all(self, field: str, report: Callable[[], None]) -> None:
        after: bytes | None = None
        while True:
            after = await self._store.reseal(field, self._current, self._reseal, after=after, limit=PAGE)
            report()
            if after is None:
                return

    def _reseal(self, field: SealedField) -> Resealed | None:
        old = sum(not value.startswith(self._current) for value in field.values)
        try:
            secrets = [self._keys.unseal(value, field.about) for value in field.values]
        except DecryptionFailed:
            self._unreadable[field.name] = old
            return None
        self._resealed += old
        fingerprint = None if field.subject is None else self._keys.fingerprint(*field.subject(secrets[0]))
        values = tuple([self._keys.seal(each, field.about) for each in secrets])
        return Resealed(values=values, fingerprint=fingerprint)

    def _left(self, counts: Mapping[bytes, int]) -> int:
        return sum(counts.values()) - counts.get(self._current, 0)

    def _use(self, prefix: bytes, values: int, *, checked: bool) -> KeyUse:
        seals = prefix == self._current
        return KeyUse(
            id=key_name(prefix),
            values=values,
            configured=prefix in self._keys.key_prefixes,
            seals=seals,
            may_be_dropped=not (seals or values or checked),
        )
