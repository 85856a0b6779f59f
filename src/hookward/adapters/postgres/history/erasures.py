"""Erasures: what is stored of one resource goes, chunk by chunk, and does not come back with what was in flight.

First the events are blanked: whoever loads one from then on is told that it is gone. What workers had loaded before is
in outbox rows that they hold; once those are closed, all that came of them is in the log or waits, and is swept there.
A delivery whose attempt is in flight is visited again when that has ended.
"""

from __future__ import annotations

from typing import Any

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.application.history.erasures import Erasure
from hookward.domain.ids import AccountId

CHUNK = 5000
_WAITING_ROWS = 100
_SHOWN = "id, events, deliveries, created, finished"

# Events up to now, by PostgreSQL's clock, which ids follow.
_ADD = f"""
INSERT INTO erasure (id, account_id, resource_type, resource_id, through)
SELECT $1, $2, $3, $4, (lpad(to_hex(ms), 12, '0') || repeat('f', 20))::uuid
FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms) m
RETURNING {_SHOWN}"""

_NEXT = """
SELECT id, account_id, resource_type, resource_id, phase, through, cursor, flying FROM erasure
WHERE finished IS NULL AND phase = ANY($1::smallint[]) ORDER BY created LIMIT $2 FOR UPDATE SKIP LOCKED"""

_EVENTS = """
WITH seen AS MATERIALIZED (SELECT id, resource_type, resource_id FROM event
  WHERE account_id = $1 AND id > $2 AND id <= $3 ORDER BY id LIMIT {chunk}),
hit AS MATERIALIZED (SELECT id FROM seen WHERE resource_type = $4 AND resource_id = $5),
gone AS (UPDATE event SET body = ''::bytea, previous = NULL, extra = NULL, scope = '{{}}'::bytea,
    resource_id = ''::bytea
  WHERE id = ANY(ARRAY(SELECT id FROM hit)) RETURNING id)
SELECT (SELECT count(*) FROM seen), (SELECT id FROM seen ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM gone)"""

_DELIVERIES = """
WITH seen AS MATERIALIZED (SELECT id, event_id, resource_type, resource_id FROM delivery
  WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT {chunk})
SELECT (SELECT count(*) FROM seen), (SELECT id FROM seen ORDER BY id DESC LIMIT 1),
  ARRAY(SELECT id FROM seen WHERE event_id <= $3 AND resource_type = $4 AND resource_id = $5)"""

_HELD = """
UPDATE erasure e SET held = h.seqs, tokens = h.tokens, phase = 3 FROM (
  SELECT coalesce(array_agg(seq), '{}') AS seqs, coalesce(array_agg(token), '{}') AS tokens FROM outbox
  WHERE token IS NOT NULL AND account_id = $2) h
WHERE e.id = $1"""

_RELEASED = """
UPDATE erasure e SET phase = 4, held = '{}', tokens = '{}', cursor = '00000000-0000-0000-0000-000000000000'
WHERE e.id = $1 AND NOT EXISTS (SELECT 1 FROM unnest(e.held, e.tokens) h(seq, token)
  JOIN outbox o ON o.seq = h.seq AND o.token = h.token)"""

_BLANK_ATTEMPTS = """
UPDATE attempt SET request = '{"method":"","address":"","headers":{}}'::bytea, request_body = NULL,
  response = CASE WHEN response IS NULL THEN NULL ELSE '{}'::bytea END, response_body = NULL,
  message = CASE WHEN message IS NULL THEN NULL ELSE 'erased' END
WHERE delivery_id = ANY($1::uuid[])"""

_FREE = """
SELECT delivery_id FROM waiting WHERE delivery_id = ANY($1::uuid[]) AND token IS NULL FOR UPDATE SKIP LOCKED"""

_CANCEL = """
UPDATE delivery SET status = 5, reason = 'erased', finished = now() WHERE id = ANY($1::uuid[]) AND status < 3"""


class PostgresErasures:
    """The ``ErasureStore`` port on PostgreSQL; a step looks at ``chunk`` rows."""

    def __init__(self, database: ConnectionPool, *, chunk: int = CHUNK) -> None:
        self._database = database
        self._chunk = chunk

    async def add(self, account: AccountId, id_: bytes, resource_type: str, resource_id: str) -> Erasure:
        """Keep an erasure to be done."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_ADD, id_, account, resource_type, resource_id.encode())
        return _erasure(row)

    async def get(self, account: AccountId, id_: bytes) -> Erasure | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                f"SELECT {_SHOWN} FROM erasure WHERE id = $1 AND account_id = $2", id_, account
            )
        return None if row is None else _erasure(row)

    async def step(self) -> bool:
        """Sweep a chunk for the oldest erasure that sweeps, or look after those that wait for what is in flight."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_NEXT, [1, 2, 4], 1)
            if rows:
                await _sweep(connection, rows[0], self._chunk)
                return True
            for row in await connection.fetch(_NEXT, [3, 5], _WAITING_ROWS):
                await _look_again(connection, row)
            return bool(await connection.fetchval("SELECT 1 FROM erasure WHERE finished IS NULL AND phase = 4 LIMIT 1"))


async def _sweep(connection: Acquired, row: Any, chunk: int) -> None:
    id_, account, resource_type, resource_id, phase, through, cursor, flying = row
    what = (account, cursor, through, resource_type, resource_id)
    if phase == 1:
        seen, last, count = await connection.fetchrow(_EVENTS.format(chunk=chunk), *what) or (0, None, 0)
        await connection.execute(
            "UPDATE erasure SET cursor = coalesce($2, cursor), events = events + $3, phase = $4 WHERE id = $1",
            id_, last, count, 1 if seen == chunk else 2,
        )  # fmt: skip
    elif phase == 2:
        # Not with the last chunk: a claim that came in between would have read what was not yet blank.
        await connection.execute(_HELD, id_, account)
    else:
        seen, last, hits = await connection.fetchrow(_DELIVERIES.format(chunk=chunk), *what) or (0, None, [])
        left = await _blank(connection, hits)
        await connection.execute(
            "UPDATE erasure SET cursor = coalesce($2, cursor), deliveries = deliveries + $3, flying = $4, phase = $5 "
            "WHERE id = $1",
            id_, last, len(hits) - len(left), [*flying, *left], 4 if seen == chunk else 5,
        )  # fmt: skip


async def _look_again(connection: Acquired, row: Any) -> None:
    id_, _, _, _, phase, _, _, flying = row
    if phase == 3:
        await connection.execute(_RELEASED, id_)
        return
    left = await _blank(connection, flying)
    await connection.execute(
        "UPDATE erasure SET flying = $2, deliveries = deliveries + $3, "
        "phase = CASE WHEN $4 THEN 6 ELSE 5 END, resource_id = CASE WHEN $4 THEN ''::bytea ELSE resource_id END, "
        "finished = CASE WHEN $4 THEN now() END WHERE id = $1",
        id_, left, len(flying) - len(left), not left,
    )  # fmt: skip


async def _blank(connection: Acquired, ids: list[bytes]) -> list[bytes]:
    """Blank deliveries and cancel those that wait; answers those whose attempt is in flight, which stay as they are."""
    if not ids:
        return []
    waiting = {
        row[0]
        for row in await connection.fetch("SELECT delivery_id FROM waiting WHERE delivery_id = ANY($1::uuid[])", ids)
    }
    free = {row[0] for row in await connection.fetch(_FREE, list(waiting))}
    flying = waiting - free
    still = [id_ for id_ in ids if id_ not in flying]
    await connection.execute("DELETE FROM waiting WHERE delivery_id = ANY($1::uuid[])", list(free))
    await connection.execute("DELETE FROM payload WHERE delivery_id = ANY($1::uuid[])", still)
    await connection.execute(_CANCEL, list(free))
    await connection.execute("UPDATE delivery SET resource_id = ''::bytea WHERE id = ANY($1::uuid[])", still)
    await connection.execute(_BLANK_ATTEMPTS, still)
    return list(flying)


def _erasure(row: Any) -> Erasure:
    id_, events, deliveries, created, finished = row
    return Erasure(id=id_, events=events, deliveries=deliveries, created=created, finished=finished)
