"""Pages of a list that grows at its new end: bounded work, whatever is asked for, and cursors that go both ways.

What a list is driven by (an account, a watch, a status…) has an index that ends in the id: an *arm*. All else is
checked row by row, for at most so many rows a page: where that bound ends a page early, the next one goes on there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hookward.adapters.postgres.pool import ConnectionPool
from hookward.domain.ids import millisecond_of

_PARAMETER = re.compile(r"\$([0-9]+)")
LEAST = bytes(16)
GREATEST = b"\xff" * 16
GREATER = "{greater}"
"""In a statement: ids at or behind the end of a walk, within the millisecond in which it ends."""


class Values:
    """The parameters of a statement, numbered as they come."""

    def __init__(self) -> None:
        self.given: list[object] = []

    def add(self, value: object) -> str:
        self.given.append(value)
        return f"${len(self.given)}"

    def copy(self) -> Values:
        values = Values()
        values.given = list(self.given)
        return values

    def statement(self, text: str) -> list[Any]:
        """A statement and those of the parameters that it uses, numbered anew: PostgreSQL takes no others."""
        used: dict[str, int] = {}
        for number in _PARAMETER.findall(text):
            used.setdefault(number, len(used) + 1)
        return [_PARAMETER.sub(lambda found: f"${used[found[1]]}", text), *(self.given[int(n) - 1] for n in used)]


@dataclass(frozen=True, slots=True)
class IndexScan:
    """Rows of a table, called ``d``, under a condition that has an index which ends in the id.

    ``over`` is a list each of whose members makes an arm, in whose condition it is ``o.id``.
    """

    table: str
    where: str
    over: Sequence[bytes] | None = None

    @property
    def count(self) -> int:
        return 1 if self.over is None else len(self.over)


@dataclass(slots=True, kw_only=True)
class ScanPlan:
    """How to find the rows of a page.

    ``checks`` are conditions without an index. ``scan`` is how many rows may be looked at. The range of ids is ``low``
    to ``high``, both excluded, as of the cursors. With ``once`` rows stand for what they name in that column, and ids
    need not be unique: each is found once, at its greatest id, all of whose rows are of one millisecond; ``once_seen``
    selects from that column what has a row at a ``GREATER`` id.
    """

    arms: list[IndexScan]
    values: Values
    scan: int
    checks: list[str] = field(default_factory=list)
    low: bytes = LEAST
    high: bytes = GREATEST
    once: str | None = None
    once_seen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Ids of a page, newest first, and where to go on."""

    ids: list[bytes]
    older: bytes | None
    newer: bytes | None


async def walk_page(
    database: ConnectionPool, walk: ScanPlan, *, limit: int, before: bytes | None = None, after: bytes | None = None
) -> Found:
    """One page: the newest rows before ``before``, or the oldest after ``after``."""
    forward = after is None
    high = min(walk.high, before) if before is not None else walk.high
    low = max(walk.low, after) if after is not None else walk.low
    ids, edge = await _ids(database, walk, low=low, high=high, limit=limit + 1, forward=forward)
    more = len(ids) > limit
    ids = ids[:limit]
    onward = ids[-1] if more else edge
    if forward:  # going back from an empty page begins with the row that was its cursor
        return Found(ids=ids, older=onward, newer=None if before is None else (ids[0] if ids else id_before(high)))
    older = ids[0] if ids else id_behind(low)
    return Found(ids=ids[::-1], older=older, newer=onward)


def id_before(id_: bytes) -> bytes:
    """The id just before this one, or itself if it is the least."""
    return (int.from_bytes(id_, "big") - 1).to_bytes(16, "big") if id_ > LEAST else LEAST


def id_behind(id_: bytes) -> bytes:
    """The id just behind this one, or itself if it is the greatest."""
    return (int.from_bytes(id_, "big") + 1).to_bytes(16, "big") if id_ < GREATEST else GREATEST


async def _ids(
    database: ConnectionPool, walk: ScanPlan, *, low: bytes, high: bytes, limit: int, forward: bool
) -> tuple[list[bytes], bytes | None]:
    """Up to ``limit`` ids in the direction of the walk, and how far the bound let us look, where it ended the page."""
    arms = sum(arm.count for arm in walk.arms)
    if low >= high or not arms:
        return [], None
    bounded, several = bool(walk.checks) or walk.once is not None, arms > 1 or walk.once is not None
    depth = max(limit, walk.scan // arms) if bounded else limit
    order = "DESC" if forward else "ASC"
    # Both questions are of one moment: what is deleted in between must not move the edge behind what nobody looked at.
    async with database.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        edge: bytes | None = None
        if bounded and several:
            # Several arms end in different places: only as far as the first of them is everything known.
            edge = await connection.fetchval(*_edge(walk, low, high, depth=depth, order=order))
            if edge is not None:
                low, high = (max(low, id_before(edge)), high) if forward else (low, min(high, id_behind(edge)))
        rows = await connection.fetch(*_rows(walk, low, high, depth=depth, order=order, limit=limit))
        if bounded and not several and len(rows) < limit:
            edge = await connection.fetchval(*_edge(walk, low, high, depth=depth, order=order))
    return [row[0] for row in rows], edge


def _rows(walk: ScanPlan, low: bytes, high: bytes, *, depth: int, order: str, limit: int) -> list[Any]:
    values = walk.values.copy()
    taken = f"LIMIT {depth}" if walk.once is None else f"FETCH FIRST {depth} ROWS WITH TIES"
    source = _source(walk, values, low, high, select="*", order=f"{order} {taken}")
    checks = list(walk.checks)
    if walk.once is not None:
        seen = walk.once_seen.replace(GREATER, f"BETWEEN {values.add(high)} AND {values.add(millisecond_of(high)[1])}")
        checks.append(f"d.{walk.once} NOT IN ({seen})")
    where = f"WHERE {' AND '.join(checks)} " if checks else ""
    found = f"SELECT d.id FROM ({source}) d {where}"
    if walk.once is not None:
        each = f"SELECT DISTINCT ON (d.{walk.once}) d.id FROM ({source}) d {where}ORDER BY d.{walk.once}, d.id DESC"
        found = f"SELECT d.id FROM ({each}) d "
    return values.statement(f"{found}ORDER BY d.id {order} LIMIT {limit}")


def _edge(walk: ScanPlan, low: bytes, high: bytes, *, depth: int, order: str) -> list[Any]:
    """The last row that the bound lets us look at, of the arm where that comes first."""
    values = walk.values.copy()
    source = _source(walk, values, low, high, select="d.id", order=f"{order} OFFSET {depth - 1} LIMIT 1")
    return values.statement(f"SELECT id FROM ({source}) e ORDER BY id {order} LIMIT 1")


def _source(walk: ScanPlan, values: Values, low: bytes, high: bytes, *, select: str, order: str) -> str:
    """What every arm has between two ids, in the walk's order and as far as that says."""
    span = f"d.id > {values.add(low)} AND d.id < {values.add(high)}"
    arms = []
    for arm in walk.arms:
        rows = f"(SELECT {select} FROM {arm.table} d WHERE {arm.where} AND {span} ORDER BY d.id {order})"
        if arm.over is not None:
            rows = f"SELECT a.* FROM unnest({values.add(arm.over)}::uuid[]) o(id) CROSS JOIN LATERAL {rows} a"
        arms.append(rows)
    return " UNION ALL ".join(arms)
