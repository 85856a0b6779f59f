"""The ``q`` parameter: the beginning of an id, the beginning of a watch's host, or a text within a window of time.

Also the watches that a list is about: those of the filter, those whose host or id begins so, those of an owner.
"""

from __future__ import annotations

import re

from hookward.adapters.postgres.history.paging import GREATEST, LEAST
from hookward.adapters.postgres.pool import ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import AccountId, IdPrefix

TEXT_WINDOW_MS = 24 * 3600 * 1000
SCAN = 50_000
TEXT_SCAN = 1000
"""How many rows a search for a text looks into for a page: their bodies are read."""
MAX_SCANS = 1000
"""How many watches a page may scan one by one; with more it scans the account's deliveries."""
MAX_NAMED = 20_000
"""How many watches the beginning of a host or id may stand for."""

_ID = re.compile(r"(dlv|evt|wat)_([0-9a-f]{1,32})")
_MAX_MS = (1 << 48) - 1

SQL = read_statements(__name__, most_named=MAX_NAMED, most_owned=MAX_SCANS + 1)
_NOT_DELIVERED = [status for status in DeliveryStatus if status is not DeliveryStatus.DELIVERED]


def is_id_prefix(text: str) -> tuple[IdPrefix, bytes, bytes] | None:
    """Return which kind of id ``text`` begins, and the least and the greatest such id; a prefix alone is a text."""
    found = _ID.fullmatch(text)
    if found is None:
        return None
    digits = found[2]
    return IdPrefix(found[1]), bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f"))


def ids_between(since_ms: int | None, until_ms: int | None) -> tuple[bytes, bytes]:
    """Return the ids of a span of time, its end excluded, as bounds that are both excluded."""
    low = LEAST if since_ms is None or since_ms <= 0 else _least_of(since_ms)
    if low != LEAST:
        low = (int.from_bytes(low, "big") - 1).to_bytes(16, "big")
    return low, GREATEST if until_ms is None or until_ms > _MAX_MS else _least_of(max(until_ms, 0))


def _least_of(unix_ms: int) -> bytes:
    return min(unix_ms, _MAX_MS).to_bytes(6, "big") + bytes(10)


def search_window(since_ms: int | None, until_ms: int | None, now_ms: int) -> tuple[int, int]:
    """Return the newest 24 hours of the span of a query, in milliseconds since 1970."""
    end = until_ms if until_ms is not None else now_ms + 60_000  # ids may be stamped by a clock a little ahead of ours
    return max(since_ms or 0, end - TEXT_WINDOW_MS), end


def status_conditions(status: DeliveryStatus | None, code: int | None, error: str | None) -> tuple[list[str], bool]:
    """Return conditions on ``d`` that an index helps with, one for each scan, and whether they cover ``status``.

    Deliveries that were not delivered have an index: they are few, and hold every code and error but success. The
    number is part of the statement: a plan for any status could not use the index.
    """
    if status is not None and status is not DeliveryStatus.DELIVERED:
        return [f" AND d.status = {int(status)}"], True
    if status is None and (error is not None or (code is not None and not 200 <= code < 300)):
        return [f" AND d.status = {int(each)}" for each in _NOT_DELIVERED], True
    return [""], status is None


async def watches_named(pool: ConnectionPool, account: AccountId, text: str) -> list[bytes] | None:
    """Return the account's watches, deleted ones too, whose host or id begins with ``text``.

    ``None`` if it is not about watches: it begins another kind of id, or no host begins so and it is any text.
    """
    found = is_id_prefix(text)
    if found is None:
        return await _host_watches(pool, account, text) or None
    if found[0] is not IdPrefix.WATCH:
        return None
    async with pool.connection() as connection:
        return [row["id"] for row in await connection.fetch(SQL["by_id_prefix"], *found[1:], account)]


async def visible_watches(
    pool: ConnectionPool, account: AccountId, owner: str | None, watches: list[bytes] | None
) -> list[bytes] | None:
    """Return those of ``watches`` (``None``: all of the account's) that the caller may see.

    A watch whose row is gone has no owner. ``None`` means all of the account's, or that an owner has too many to name.
    """
    if watches is None and owner is None:
        return None
    async with pool.connection() as connection:
        if watches is not None:
            return [row["id"] for row in await connection.fetch(SQL["visible"], watches, account, owner)]
        owned = [row["id"] for row in await connection.fetch(SQL["of_owner"], account, owner)]
    return owned if len(owned) <= MAX_SCANS else None


async def _host_watches(pool: ConnectionPool, account: AccountId, text: str) -> list[bytes]:
    if not re.fullmatch(r"[\x21-\x7e]{1,512}", text) or '"' in text or "\\" in text:
        return []
    host, slash, path = text.partition("/")
    begins = [f'{{"address":"{scheme}://{host.lower()}'.encode() for scheme in ("http", "https")]
    async with pool.connection() as connection:
        rows = await connection.fetch(SQL["by_host"], account, *begins, f"{slash}{path}".encode(), MAX_NAMED)
    return [row["id"] for row in rows]
