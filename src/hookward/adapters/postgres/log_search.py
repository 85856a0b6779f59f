"""What ``q`` may be: the beginning of an id, the beginning of a watch's host, or a text within a window of time."""

from __future__ import annotations

import re

from hookward.adapters.postgres.pages import GREATEST, LEAST
from hookward.adapters.postgres.pool import Database
from hookward.domain.ids import AccountId, Prefix

TEXT_WINDOW_MS = 24 * 3600 * 1000
SCAN = 50_000
TEXT_SCAN = 1000
"""How many rows a page of a search for a text looks into: their bodies are read."""

_ID = re.compile(r"(dlv|evt|wat)_([0-9a-f]{0,32})")
_MAX_MS = (1 << 48) - 1

# A definition is JSON that begins with the address: no document has to be opened to compare its start.
# Schemes and hosts are the same in upper and lower case (RFC 3986, section 6.2.2.1), paths are not.
_BEGINS = """lower(encode(substring(definition from 1 for length({host}::bytea)), 'escape')) = encode({host}, 'escape')
  AND substring(definition from 1 + length({host}) for length($4::bytea)) = $4"""
_HOSTS = f"""
SELECT id FROM watch WHERE account_id = $1 AND ({_BEGINS.format(host="$2")} OR {_BEGINS.format(host="$3")})
ORDER BY id DESC LIMIT $5"""


def is_id_prefix(text: str) -> tuple[Prefix, bytes, bytes] | None:
    """What kind of id ``text`` begins, and the least and the greatest that begin so."""
    found = _ID.fullmatch(text)
    if found is None:
        return None
    digits = found[2]
    return Prefix(found[1]), bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f"))


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


async def host_watches(database: Database, account: AccountId, text: str, *, limit: int) -> list[bytes]:
    """The account's watches, deleted ones too, whose host begins with ``text``."""
    if not re.fullmatch(r"[\x21-\x7e]{1,512}", text) or '"' in text or "\\" in text:
        return []
    host, slash, path = text.partition("/")
    begins = [f'{{"address":"{scheme}://{host.lower()}'.encode() for scheme in ("http", "https")]
    async with database.connection() as connection:
        rows = await connection.fetch(_HOSTS, account, *begins, f"{slash}{path}".encode(), limit)
    return [row[0] for row in rows]
