"""The attempts of one delivery, with as many bodies as one answer should hold (G12).

A hundred and more attempts, retries of replays, may each have sent a body of a mebibyte.
"""

from __future__ import annotations

from typing import Any

from hookward.adapters.postgres.pool import Acquired
from hookward.application.log import LoggedAttempt
from hookward.domain.ids import DeliveryId

BODY_BYTES = 4 << 20
"""Of request bodies, each counted as often as it is shown."""

_ATTEMPTS = """
SELECT number, sent, duration_us, code, error, message, request, response, response_body, truncated, remote
FROM attempt WHERE delivery_id = $1 ORDER BY number DESC"""
# An attempt without a body of its own sent that of the one before.
_SIZES = """
SELECT number, octet_length(request_body) FROM attempt WHERE delivery_id = $1 AND request_body IS NOT NULL
ORDER BY number DESC"""
_BODIES = "SELECT number, request_body FROM attempt WHERE delivery_id = $1 AND number = ANY($2::smallint[])"


async def read_attempts(connection: Acquired, id_: DeliveryId, *, body_bytes: int = BODY_BYTES) -> list[LoggedAttempt]:
    """All attempts, oldest first.

    Request bodies are read for as many, from the newest on, as ``body_bytes`` allow, and for the newest always.
    """
    rows = await connection.fetch(_ATTEMPTS, id_)
    sizes = await connection.fetch(_SIZES, id_)
    sources = _sources([row[0] for row in rows], [(row[0], row[1]) for row in sizes], body_bytes)
    wanted = {source for source in sources.values() if source}
    bodies = {row[0]: row[1] for row in await connection.fetch(_BODIES, id_, list(wanted))} if wanted else {}
    return [_attempt(row, bodies.get(sources[row[0]]), omitted=sources[row[0]] is None) for row in reversed(rows)]


def _sources(numbers: list[int], sizes: list[tuple[int, int]], left: int) -> dict[int, int | None]:
    """By attempt, which one has its body: 0 where none has, ``None`` where it is one too many. All newest first."""
    sources: dict[int, int | None] = {}
    for number in numbers:
        source, size = next(((own, size) for own, size in sizes if own <= number), (0, 0))
        if not size or size <= left or not sources:
            sources[number] = source
            left -= size
        else:
            sources[number] = None
    return sources


def _attempt(row: Any, body: bytes | None, *, omitted: bool) -> LoggedAttempt:
    number, sent, duration, code, error, message, request, response, response_body, truncated, remote = row
    return LoggedAttempt(
        number=number,
        sent=sent,
        duration_us=duration,
        code=code,
        error=error,
        message=message,
        request=request,
        request_body=body or None,  # empty: not kept
        body_omitted=omitted,
        response=response,
        response_body=response_body,
        truncated=truncated,
        remote=remote,
    )
