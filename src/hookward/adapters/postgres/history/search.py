"""What ``q`` may be: the beginning of an id, the beginning of a watch's host, or a text within a window of time.

And the watches that are meant: those named, those whose host or id begins so, those of an owner.
"""

from __future__ import annotations

import re

from hookward.adapters.postgres.history.paging import GREATEST, LEAST
from hookward.adapters.postgres.pool import ConnectionPool
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import AccountId, IdPrefix

TEXT_WINDOW_MS = 24 * 3600 * 1000
SCAN = 50_000
TEXT_SCAN = 1000
"""How many rows a page of a search for a text looks into: their bodies are read."""
MAX_ARMS = 1000
"""How many watches a page may look at one by one; with more it looks at the account's deliveries."""
MAX_NAMED = 20_000
"""How many watches the beginning of a host or id may stand for."""

_ID = re.compile(r"(dlv|evt|wat)_([0-9a-f]{1,32})")
_MAX_MS = (1 << 48) - 1

# A definition is JSON that begins with the address: no document has to be opened to compare its start.
# Schemes and hosts are the same in upper and lower case (RFC 3986, section 6.2.2.1), paths are not.
_BEGINS = """lower(encode(substring(definition from 1 for length({host}::bytea)), 'escape')) = encode({host}, 'escape')
  AND substring(definition from 1 + length({host}) for length($4::bytea)) = $4"""
_HOSTS = f"""
SELECT id FROM watch WHERE account_id = $1 AND ({_BEGINS.format(host="$2")} OR {_BEGINS.format(host="$3")})
ORDER BY id DESC LIMIT $5"""

_NAMED = f"SELECT id FROM watch WHERE id BETWEEN $1 AND $2 AND account_id = $3 LIMIT {MAX_NAMED}"
_OWNED = f"SELECT id FROM watch WHERE account_id = $1 AND owner = $2 ORDER BY id LIMIT {MAX_ARMS + 1}"
_SEEN = "SELECT id FROM watch WHERE id = ANY($1::uuid[]) AND account_id = $2 AND ($3::text IS NULL OR owner = $3)"

_NOT_DELIVERED = [status for status in DeliveryStatus if status is not DeliveryStatus.DELIVERED]


def is_id_prefix(text: str) -> tuple[IdPrefix, bytes, bytes] | None:
    """What kind of id ``text`` begins, and the least and the greatest that begin so; a prefix alone is a text."""
    found = _ID.fullmatch(text)
    if found is None:
        return None
    digits = found[2]
    return IdPrefix(found[1]), bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f"))


def span_of(since_ms: int | None, until_ms: int | None) -> tuple[bytes, bytes]:
    """The ids of a stretch of time, its end excluded, as bounds that are both excluded."""
    low = LEAST if since_ms is None or since_ms <= 0 else _least_of(since_ms)
    if low != LEAST:
        low = (int.from_bytes(low, "big") - 1).to_bytes(16, "big")
    return low, GREATEST if until_ms is None or until_ms > _MAX_MS else _least_of(max(until_ms, 0))


def _least_of(unix_ms: int) -> bytes:
    return min(unix_ms, _MAX_MS).to_bytes(6, "big") + bytes(10)


def text_window(since_ms: int | None, until_ms: int | None, now_ms: int) -> tuple[int, int]:
    """The newest 24 hours of what was asked for."""
    end = until_ms if until_ms is not None else now_ms + 60_000  # ids may be stamped a little ahead of us
    return max(since_ms or 0, end - TEXT_WINDOW_MS), end


def status_arms(status: DeliveryStatus | None, code: int | None, error: str | None) -> tuple[list[str], bool]:
    """Conditions on ``d`` by which deliveries are found, and whether they say all that is asked of the status.

    Deliveries that were not delivered have an index: they are few, and hold every code and error but success. Said,
    not passed: a plan for any status cannot use it.
    """
    if status is not None and status is not DeliveryStatus.DELIVERED:
        return [f" AND d.status = {int(status)}"], True
    if status is None and (error is not None or (code is not None and not 200 <= code < 300)):
        return [f" AND d.status = {int(each)}" for each in _NOT_DELIVERED], True
    return [""], status is None


async def watches_meant(database: ConnectionPool, account: AccountId, text: str) -> list[bytes] | None:
    """The account's watches, deleted ones too, that ``q`` is about: their host or id begins so; ``None`` if it is not.

    That no host begins so says nothing about watches: then it is a text.
    """
    found = is_id_prefix(text)
    if found is None:
        return await _host_watches(database, account, text) or None
    if found[0] is not IdPrefix.WATCH:
        return None
    async with database.connection() as connection:
        return [row[0] for row in await connection.fetch(_NAMED, *found[1:], account)]


async def watches_seen(
    database: ConnectionPool, account: AccountId, owner: str | None, watches: list[bytes] | None
) -> list[bytes] | None:
    """Those of ``watches`` that the asker may see, ``None`` standing for all of the account's.

    One that is gone is nobody's. ``None`` is answered when an owner has too many to name, too.
    """
    if watches is None and owner is None:
        return None
    async with database.connection() as connection:
        if watches is not None:
            return [row[0] for row in await connection.fetch(_SEEN, watches, account, owner)]
        owned = [row[0] for row in await connection.fetch(_OWNED, account, owner)]
    return owned if len(owned) <= MAX_ARMS else None


async def _host_watches(database: ConnectionPool, account: AccountId, text: str) -> list[bytes]:
    if not re.fullmatch(r"[\x21-\x7e]{1,512}", text) or '"' in text or "\\" in text:
        return []
    host, slash, path = text.partition("/")
    begins = [f'{{"address":"{scheme}://{host.lower()}'.encode() for scheme in ("http", "https")]
    async with database.connection() as connection:
        rows = await connection.fetch(_HOSTS, account, *begins, f"{slash}{path}".encode(), MAX_NAMED)
    return [row[0] for row in rows]
