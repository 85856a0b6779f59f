"""Pages of a list that grows at its new end: bounded work for every filter, and cursors in both directions.

A condition that has an index which ends in the id (an account, a watch, a status…) is read with an *index scan*. All
other conditions are checked row by row, for a bounded number of rows a page: where that bound ends a page early, the
next page goes on there.
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
BEYOND = "{beyond}"
"""In a statement: ids at or beyond the upper end of a scan, within the millisecond in which it ends."""


class Parameters:
    """The parameters of a statement, numbered in the order in which they are added."""

    def __init__(self, values: Sequence[object] = ()) -> None:
        self._values = list(values)

    def add(self, value: object) -> str:
        """Add a value; return what stands for it in the statement (``$1``)."""
        self._values.append(value)
        return f"${len(self._values)}"

    def copy(self) -> Parameters:
        return Parameters(self._values)

    def bind(self, text: str) -> list[Any]:
        """Return a statement and the parameters that it uses, numbered again: PostgreSQL accepts no others."""
        used: dict[str, int] = {}
        for number in _PARAMETER.findall(text):
            used.setdefault(number, len(used) + 1)
        statement = _PARAMETER.sub(lambda found: f"${used[found[1]]}", text)
        return [statement, *(self._values[int(number) - 1] for number in used)]


@dataclass(frozen=True, slots=True)
class IndexScan:
    """Rows of a table, called ``d``, under a condition that has an index which ends in the id.

    With ``each_of`` there is one scan for each of its members, which the condition calls ``o.id``.
    """

    table: str
    where: str
    each_of: Sequence[bytes] | None = None

    @property
    def count(self) -> int:
        return 1 if self.each_of is None else len(self.each_of)


@dataclass(slots=True, kw_only=True)
class ScanPlan:
    """How to find the rows of a page.

    ``checks`` are conditions without an index. ``most_rows`` is how many rows may be looked at. The range of ids is
    ``low`` to ``high``, both excluded, as cursors are.

    With ``distinct_on`` a row stands for the value that it has in that column, and ids need not be unique: each value
    is found once, at its greatest id; all rows of a value are of one millisecond. ``seen_beyond`` then selects the
    values that have a row ``BEYOND`` the end of the scan.
    """

    scans: list[IndexScan]
    parameters: Parameters
    most_rows: int
    checks: list[str] = field(default_factory=list)
    low: bytes = LEAST
    high: bytes = GREATEST
    distinct_on: str | None = None
    seen_beyond: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The ids of a page, newest first, and the cursors of the pages beside it."""

    ids: list[bytes]
    older: bytes | None
    newer: bytes | None


EMPTY = Found(ids=[], older=None, newer=None)


async def find_page(
    pool: ConnectionPool, plan: ScanPlan, *, limit: int, before: bytes | None = None, after: bytes | None = None
) -> Found:
    """Return one page: the newest rows before ``before``, or the oldest after ``after``."""
    forward = after is None
    high = min(plan.high, before) if before is not None else plan.high
    low = max(plan.low, after) if after is not None else plan.low
    ids, scan_limit = await _ids(pool, plan, low=low, high=high, limit=limit + 1, forward=forward)
    more = len(ids) > limit
    ids = ids[:limit]
    onward = ids[-1] if more else scan_limit
    if forward:  # going back from an empty page begins with the row that was its cursor
        return Found(ids=ids, older=onward, newer=None if before is None else (ids[0] if ids else id_before(high)))
    older = ids[0] if ids else id_behind(low)
    return Found(ids=ids[::-1], older=older, newer=onward)


def id_before(id_: bytes) -> bytes:
    """Return the id just before this one, or itself if it is the least."""
    return (int.from_bytes(id_, "big") - 1).to_bytes(16, "big") if id_ > LEAST else LEAST


def id_behind(id_: bytes) -> bytes:
    """Return the id just behind this one, or itself if it is the greatest."""
    return (int.from_bytes(id_, "big") + 1).to_bytes(16, "big") if id_ < GREATEST else GREATEST


async def _ids(
    pool: ConnectionPool, plan: ScanPlan, *, low: bytes, high: bytes, limit: int, forward: bool
) -> tuple[list[bytes], bytes | None]:
    """Return up to ``limit`` ids in the direction of the scan, and the scan's limit where that ended the page."""
    count = sum(scan.count for scan in plan.scans)
    if low >= high or not count:
        return [], None
    bounded, several = bool(plan.checks) or plan.distinct_on is not None, count > 1 or plan.distinct_on is not None
    depth = max(limit, plan.most_rows // count) if bounded else limit
    order = "DESC" if forward else "ASC"
    # Both queries see one moment: what is deleted in between must not move the limit behind rows that were not read.
    async with pool.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        scan_limit: bytes | None = None
        if bounded and several:
            # Several scans end in different places: only as far as the first of them ends is everything known.
            scan_limit = await connection.fetchval(*_scan_limit(plan, low, high, depth=depth, order=order))
            if scan_limit is not None and forward:
                low = max(low, id_before(scan_limit))
            elif scan_limit is not None:
                high = min(high, id_behind(scan_limit))
        rows = await connection.fetch(*_rows(plan, low, high, depth=depth, order=order, limit=limit))
        if bounded and not several and len(rows) < limit:
            scan_limit = await connection.fetchval(*_scan_limit(plan, low, high, depth=depth, order=order))
    return [row["id"] for row in rows], scan_limit


def _rows(plan: ScanPlan, low: bytes, high: bytes, *, depth: int, order: str, limit: int) -> list[Any]:
    """Return the statement that finds the rows between two ids, and its parameters."""
    parameters = plan.parameters.copy()
    taken = f"LIMIT {depth}" if plan.distinct_on is None else f"FETCH FIRST {depth} ROWS WITH TIES"
    source = _source(plan, parameters, low, high, select="*", order=f"{order} {taken}")
    checks = list(plan.checks)
    if plan.distinct_on is not None:
        beyond = f"BETWEEN {parameters.add(high)} AND {parameters.add(millisecond_of(high)[1])}"
        checks.append(f"d.{plan.distinct_on} NOT IN ({plan.seen_beyond.replace(BEYOND, beyond)})")
    where = f"WHERE {' AND '.join(checks)} " if checks else ""
    if plan.distinct_on is None:
        found = f"SELECT d.id FROM ({source}) d {where}"
    else:
        column = f"d.{plan.distinct_on}"
        each = f"SELECT DISTINCT ON ({column}) d.id FROM ({source}) d {where}ORDER BY {column}, d.id DESC"
        found = f"SELECT d.id FROM ({each}) d "
    return parameters.bind(f"{found}ORDER BY d.id {order} LIMIT {limit}")


def _scan_limit(plan: ScanPlan, low: bytes, high: bytes, *, depth: int, order: str) -> list[Any]:
    """Return the statement that finds the last row that may be looked at: that of the scan which ends first."""
    parameters = plan.parameters.copy()
    source = _source(plan, parameters, low, high, select="d.id", order=f"{order} OFFSET {depth - 1} LIMIT 1")
    return parameters.bind(f"SELECT id FROM ({source}) scan_end ORDER BY id {order} LIMIT 1")


def _source(plan: ScanPlan, parameters: Parameters, low: bytes, high: bytes, *, select: str, order: str) -> str:
    """Return what the scans have between two ids, each in the order and as far as ``order`` says."""
    between = f"d.id > {parameters.add(low)} AND d.id < {parameters.add(high)}"
    scans = []
    for scan in plan.scans:
        rows = f"(SELECT {select} FROM {scan.table} d WHERE {scan.where} AND {between} ORDER BY d.id {order})"
        if scan.each_of is not None:
            members = f"unnest({parameters.add(scan.each_of)}::uuid[]) o(id)"
            rows = f"SELECT scanned.* FROM {members} CROSS JOIN LATERAL {rows} scanned"
        scans.append(rows)
    return " UNION ALL ".join(scans)
