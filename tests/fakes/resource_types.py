"""The store of resource types in memory; it passes the contract suite of PostgreSQL's (``tests/contract``)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from hookward.application.resource_types.service import Beside, TypeOutline, TypeRecord, Watched
from hookward.domain.errors import StoreUnavailable, TypeChanged
from hookward.domain.ids import AccountId
from hookward.domain.resource_types.model import CompiledType, ResourceType

Key = tuple[AccountId, str]


class FakeTypes:
    """A ``ResourceTypeStore``. ``watched`` counts the watches on each type.

    ``asked`` remembers each look-up; ``gate`` holds them up, ``away`` lets them fail.
    """

    def __init__(self) -> None:
        self.watched: Counter[Key] = Counter()
        self.asked: list[list[Key]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = False
        self._rows: dict[Key, list[TypeRecord]] = {}
        self._current: set[Key] = set()
        self._version = 1

    async def add_type(self, row: TypeRecord, *, beside: Beside = None) -> TypeRecord | None:
        if (row.account, row.name) in self._current:
            return None
        self._check_others(row, beside)
        return self._add(row)

    def _check_others(self, row: TypeRecord, beside: Beside) -> None:
        names = [key[1] for key in sorted(self._current) if key[0] == row.account and key[1] != row.name]
        now = [TypeOutline(name=name, paths=self._rows[row.account, name][-1].paths) for name in names]
        if beside is not None and list(beside) != now:
            raise TypeChanged("others")

    async def replace_type(
        self, row: TypeRecord, *, scope: Sequence[str], beside: Beside = None
    ) -> TypeRecord | Watched | None:
        key = (row.account, row.name)
        if key not in self._current:
            return None
        stored = self._rows[key][-1]
        if (stored.definition, stored.paths) == (row.definition, row.paths):
            return stored
        if list(stored.read_definition().scope) != list(scope) and self.watched[key]:
            return Watched(self.watched[key])
        self._check_others(row, beside)
        return self._add(row)

    async def delete_type(self, account: AccountId, name: str) -> bool | Watched:
        key = (account, name)
        if key in self._current and self.watched[key]:
            return Watched(self.watched[key])
        there = key in self._current
        self._current.discard(key)
        return there

    async def find_types(self, keys: Sequence[Key]) -> list[TypeRecord]:
        self.asked.append(list(keys))
        await self.gate.wait()
        if self.away:
            raise StoreUnavailable("away")
        return [self._rows[key][-1] for key in keys if key in self._current]

    async def types(self, account: AccountId, *, after: str, limit: int) -> list[TypeRecord]:
        mine = sorted(key for key in self._current if key[0] == account and key[1] > after)
        return [self._rows[key][-1] for key in mine[:limit]]

    async def type_outlines(self, account: AccountId) -> list[TypeOutline]:
        rows = await self.types(account, after="", limit=10_000)
        return [TypeOutline(name=row.name, paths=row.paths) for row in rows]

    def _add(self, row: TypeRecord) -> TypeRecord:
        key = (row.account, row.name)
        self._version += 1
        rows = self._rows.setdefault(key, [])
        rows.append(msgspec.structs.replace(row, type_version=len(rows) + 1, version=self._version))
        self._current.add(key)
        return rows[-1]


class KnownTypes:
    """A ``ResourceTypeLookup`` of fixed types. ``found`` counts the look-ups; their schemas accept everything."""

    def __init__(self, *types: ResourceType) -> None:
        self.types = {each.name: each for each in types}
        self.found: Counter[Any] = Counter()

    async def find(self, _account: AccountId, name: Any) -> CompiledType | None:
        self.found[name] += 1
        return CompiledType(self.types[name], None) if name in self.types else None

    def names(self, _account: AccountId) -> list[str]:
        return list(self.types)
