"""Pages of a list that grows at its new end: bounded work, whatever is asked for, and cursors that go both ways.

What a list is driven by (an account, a watch, a status…) has an index that ends in the id: an *arm*. All else is
checked row by row, for at most so many rows a page: where that bound ends a page early, the next one goes on there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hookward.adapters.postgres.pool import Database

_PARAMETER = re.compile(r"\$([0-9]+)")
LEAST = bytes(16)
GREATEST = b"\xff" * 16


class Values:
    """The parameters of a statement, numbered as they come."""

    def __init__(self) -> None:
        self.given: list[object] = []

    def add(self, value: object) -> str:
        self.given.append(value)
        return f"${len(self.given)}"

    def statement(self, text: str) -> list[Any]:
        """A statement and those of the parameters that it uses, numbered anew: PostgreSQL takes no others."""
        used: dict[str, int] = {}
        for number in _PARAMETER.findall(text):
            used.setdefault(number, len(used) + 1)
        return [_PARAMETER.sub(lambda found: f"${used[found[1]]}", text), *(self.given[int(n) - 1] for n in used)]


@dataclass(slots=True, kw_only=True)
class Walk:
    """How to find the rows of a page.

    ``arms`` are conditions, each with an index that ends in the id; ``over`` is an array parameter each of whose
    members makes an arm (in whose condition it is ``o.id``). ``checks`` are conditions without an index. ``scan`` is
    how many rows may be looked at. The range of ids is ``low`` to ``high``, both excluded, as of the cursors.
    """

    table: str
    arms: list[str]
    values: Values
    scan: int
    over: Sequence[bytes] | None = None
    checks: list[str] = field(default_factory=list)
    low: bytes = LEAST
    high: bytes = GREATEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Ids of a page, newest first, and where to go on."""

    ids: list[bytes]
    older: bytes | None
    newer: bytes | None


async def walk_page(
    database: Database, walk: Walk, *, limit: int, before: bytes | None = None, after: bytes | None = None
) -> Found:
    """One page: the newest rows before ``before``, or the oldest after ``after``."""
    forward = after is None
    high = min(walk.high, before) if before is not None else walk.high
    low = max(walk.low, after) if after is not None else walk.low
    ids, edge = await _ids(database, walk, low=low, high=high, limit=limit + 1, forward=forward)
    more = len(ids) > limit
    ids = ids[:limit]
    onward = ids[-1] if more else edge
    if forward:
        return Found(ids=ids, older=onward, newer=None if before is None else (ids[0] if ids else _before(high)))
    older = ids[0] if ids else _behind(low)
    return Found(ids=ids[::-1], older=older, newer=onward)


def _before(high: bytes) -> bytes:
    """The id just before ``high``: going back from an empty page begins with the row that was its cursor."""
    return (int.from_bytes(high, "big") - 1).to_bytes(16, "big") if high > LEAST else LEAST


def _behind(low: bytes) -> bytes:
    return (int.from_bytes(low, "big") + 1).to_bytes(16, "big") if low < GREATEST else GREATEST


async def _ids(
    database: Database, walk: Walk, *, low: bytes, high: bytes, limit: int, forward: bool
) -> tuple[list[bytes], bytes | None]:
    """Up to ``limit`` ids in the direction of the walk, and how far the bound let us look, where it ended the page."""
    if low >= high or walk.over == []:
        return [], None
    arms = len(walk.over) if walk.over is not None else len(walk.arms)
    depth = max(limit, walk.scan // arms) if walk.checks else limit
    order, first = ("DESC", "max") if forward else ("ASC", "min")
    # Both questions are of one moment: what is deleted in between must not move the edge behind what nobody looked at.
    async with database.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        edge: bytes | None = None
        if walk.checks and arms > 1:
            # Several arms end in different places: only as far as the first of them is everything known.
            edge = await connection.fetchval(*_edge(walk, low, high, depth=depth, order=order, first=first))
            if edge is not None:
                low, high = (max(low, _before(edge)), high) if forward else (low, min(high, _behind(edge)))
        rows = await connection.fetch(*_rows(walk, low, high, depth=depth, order=order, limit=limit))
        if walk.checks and arms == 1 and len(rows) < limit:
            edge = await connection.fetchval(*_edge(walk, low, high, depth=depth, order=order, first=first))
    return [row[0] for row in rows], edge


def _rows(walk: Walk, low: bytes, high: bytes, *, depth: int, order: str, limit: int) -> list[Any]:
    values = Values()
    values.given = list(walk.values.given)
    span = f"d.id > {values.add(low)} AND d.id < {values.add(high)}"
    arms = [
        f"(SELECT * FROM {walk.table} d WHERE {arm} AND {span} ORDER BY d.id {order} LIMIT {depth})"
        for arm in walk.arms
    ]
    source = " UNION ALL ".join(arms)
    if walk.over is not None:
        source = f"SELECT a.* FROM unnest({values.add(walk.over)}::uuid[]) o(id) CROSS JOIN LATERAL {arms[0]} a"
    where = f"WHERE {' AND '.join(walk.checks)} " if walk.checks else ""
    return values.statement(f"SELECT d.id FROM ({source}) d {where}ORDER BY d.id {order} LIMIT {limit}")


def _edge(walk: Walk, low: bytes, high: bytes, *, depth: int, order: str, first: str) -> list[Any]:
    """The last row that the bound lets us look at, of the arm where that comes first."""
    values = Values()
    values.given = list(walk.values.given)
    span = f"d.id > {values.add(low)} AND d.id < {values.add(high)}"
    arms = [
        f"(SELECT d.id FROM {walk.table} d WHERE {arm} AND {span} ORDER BY d.id {order} OFFSET {depth - 1} LIMIT 1)"
        for arm in walk.arms
    ]
    source = " UNION ALL ".join(arms)
    if walk.over is not None:
        source = f"SELECT a.id FROM unnest({values.add(walk.over)}::uuid[]) o(id) CROSS JOIN LATERAL {arms[0]} a"
    way = "DESC" if first == "max" else "ASC"
    return values.statement(f"SELECT id FROM ({source}) e ORDER BY id {way} LIMIT 1")
