"""Record: what became of deliveries, in groups, under the lease that they were sent under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hookward.adapters.postgres import lanes
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.watch_effects import change_watches, hold_lanes, stop_lanes
from hookward.domain.delivery.model import DeliveryUpdate
from hookward.domain.errors import LeaseLost

# Deliveries that come straight from the outbox, with their attempt if there was one, and the outbox rows that are
# thereby done. ON CONFLICT: a group whose commit answer was lost is sent again.
_FRESH = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE),
done AS (DELETE FROM outbox o USING me WHERE o.seq = ANY($2::bigint[]) AND o.token = me.token),
d AS (
  INSERT INTO delivery (id, account_id, event_id, watch_id, resource_type, kind, resource_id,
    status, reason, attempts, last_code, last_error, finished)
  SELECT r.*, CASE WHEN r.status >= 3 THEN now() END
  FROM unnest($3::uuid[], $4::int[], $5::uuid[], $6::uuid[], $7::text[], $8::smallint[], $9::bytea[],
    $10::smallint[], $11::text[], $12::smallint[], $13::smallint[], $14::text[])
    AS r(id, account_id, event_id, watch_id, resource_type, kind, resource_id, status, reason, attempts, code, error),
    me
  ON CONFLICT DO NOTHING),
t AS (
  INSERT INTO attempt (delivery_id, number, sent, duration_us, code, error, message, request, request_body,
    response, response_body, truncated, remote)
  SELECT r.id, r.number, to_timestamp(r.sent / 1e6), r.duration_us, r.code, r.error, r.message, r.request,
    r.request_body, r.response, r.response_body, r.truncated, r.remote
  FROM unnest($15::uuid[], $16::smallint[], $17::bigint[], $18::int[], $19::smallint[], $20::text[], $21::text[],
    $22::bytea[], $23::bytea[], $24::bytea[], $25::bytea[], $26::bool[], $27::text[])
    AS r(id, number, sent, duration_us, code, error, message, request, request_body, response, response_body,
      truncated, remote), me
  ON CONFLICT DO NOTHING)
SELECT token FROM me"""

_HELD = "SELECT true FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE"

# Deliveries that begin to wait: in flight under this lease (`held`), or until they are due.
_BEGIN = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE),
w AS (
  INSERT INTO waiting (delivery_id, lane_id, event_id, due_at, number, token, crashes)
  SELECT r.id, r.lane_id, r.event_id, now() + r.seconds * interval '1 second', r.number,
    CASE WHEN r.held THEN me.token END, r.crashes
  FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::float8[], $6::smallint[], $7::bool[], $8::smallint[])
    AS r(id, lane_id, event_id, seconds, number, held, crashes), me
  WHERE EXISTS (SELECT 1 FROM delivery d WHERE d.id = r.id AND d.status < 3)
  ON CONFLICT DO NOTHING)
SELECT token FROM me"""

# Not for what has ended since this was first sent: nothing would ever remove it.
_KEEP = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE)
INSERT INTO payload (delivery_id, method, address, body)
SELECT r.id, r.method, r.address, r.body
FROM unnest($2::uuid[], $3::text[], $4::bytea[], $5::bytea[]) AS r(id, method, address, body), me
WHERE EXISTS (SELECT 1 FROM waiting w WHERE w.delivery_id = r.id)
ON CONFLICT DO NOTHING"""

# Lanes are locked in id order by a transaction, not just by each of its statements.
_LOCK = "SELECT 1 FROM lane WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"

# Every row that begins or goes on waiting wakes its lane, or a wake-up is lost; what comes to a closing lane is
# cancelled at once.
_WAKE = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE),
x AS MATERIALIZED (
  SELECT lane_id, now() + min(seconds) * interval '1 second' AS due, bool_or(seconds <= 0) AS now
  FROM unnest($2::bigint[], $3::float8[]) AS r(lane_id, seconds) GROUP BY 1),
l AS MATERIALIZED (SELECT id FROM lane WHERE id = ANY($2::bigint[]) ORDER BY id FOR NO KEY UPDATE)
UPDATE lane SET behind = lane.behind OR x.now,
  wake_at = CASE WHEN lane.closing IS NOT NULL THEN now() WHEN lane.paused THEN NULL
    ELSE least(coalesce(lane.wake_at, 'infinity'), greatest(x.due, lane.held_until)) END
FROM l JOIN x ON x.lane_id = l.id, me WHERE lane.id = l.id AND lane.id = ANY($2::bigint[])"""

# Waiting deliveries that go on waiting. An attempt that came to its end clears them of what holders died of.
_AGAIN = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE)
UPDATE waiting w SET token = NULL, due_at = now() + r.seconds * interval '1 second', number = r.number,
  crashes = CASE WHEN r.tried THEN 0 ELSE w.crashes END, alone = CASE WHEN r.tried THEN 0 ELSE w.alone END
FROM unnest($2::uuid[], $3::float8[], $4::smallint[], $5::bool[]) AS r(id, seconds, number, tried), me
WHERE w.delivery_id = r.id AND w.delivery_id = ANY($2::uuid[]) AND w.token = me.token"""

# Waiting deliveries that have ended.
_OVER = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE),
w AS (DELETE FROM waiting w USING me WHERE w.delivery_id = ANY($2::uuid[]) AND w.token = me.token)
DELETE FROM payload USING me WHERE delivery_id = ANY($2::uuid[])"""

# Never back: another worker may have made the next attempt before this was sent again.
_MOVE = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE)
UPDATE delivery d SET status = r.status, reason = r.reason, attempts = r.attempts,
  last_code = CASE WHEN r.tried THEN r.code ELSE d.last_code END,
  last_error = CASE WHEN r.tried THEN r.error ELSE d.last_error END,
  finished = CASE WHEN r.status >= 3 THEN now() END
FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::smallint[], $6::smallint[], $7::text[], $8::bool[])
  AS r(id, status, reason, attempts, code, error, tried), me
WHERE d.id = r.id AND d.id = ANY($2::uuid[]) AND d.id BETWEEN $9 AND $10 AND d.status < 3
  AND d.attempts <= r.attempts"""


class PostgresResults:
    """The ``ResultStore`` port on PostgreSQL."""

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database

    async def record(
        self, token: int, entries: Sequence[DeliveryUpdate], *, done: Sequence[int], slots: Mapping[int, int]
    ) -> None:
        """Write entries, delete the outbox rows ``done`` and give ``slots`` back, all in one transaction.

        Raises LeaseLost, having changed nothing, when the lease has ended. Safe to call again with the same values
        after a lost answer.
        """
        waits = [entry for entry in entries if entry.wait is not None]
        moved = [entry for entry in entries if entry.waited]
        felt = [entry for entry in entries if entry.watch_effect is not None]
        if not waits and not moved and not slots and not felt:
            async with self._database.connection() as connection:
                await _fresh(connection, token, entries, done)
            return
        async with self._database.transaction() as connection:
            # Attempts of waiting deliveries go in by the same statement; only their delivery rows exist already.
            await _fresh(connection, token, entries, done)
            await _begin(connection, token, [entry for entry in waits if not entry.waited])
            await _move(connection, token, moved)
            await _keep(connection, token, [entry for entry in entries if entry.payload is not None])
            due = [(entry.lane, entry.wait.seconds) for entry in waits if entry.wait and not entry.wait.held]
            changed = await change_watches(connection, token, felt)
            stopped = {*changed.closed, *changed.paused, *(entry.lane for entry in felt)}
            await _lock(connection, {lane for lane, _ in due}, set(slots), stopped)
            await stop_lanes(connection, changed)
            await hold_lanes(connection, token, felt)
            await _wake(connection, token, due)
            if slots:
                await lanes.release(connection, token, slots)
            # Each statement saw the lease for itself: one that ended in between must undo them all.
            if not await connection.fetchval(_HELD, token):
                raise LeaseLost


async def _fresh(connection: Acquired, token: int, entries: Sequence[DeliveryUpdate], done: Sequence[int]) -> None:
    fresh = [entry for entry in entries if not entry.waited]
    tried = [(entry.id, entry.attempt) for entry in entries if entry.attempt is not None]
    held = await connection.fetchval(
        _FRESH,
        token,
        done,
        [entry.id for entry in fresh],
        [entry.account for entry in fresh],
        [entry.event for entry in fresh],
        [entry.watch for entry in fresh],
        [entry.resource_type for entry in fresh],
        [entry.kind for entry in fresh],
        [entry.resource_id.encode() for entry in fresh],
        [entry.status for entry in fresh],
        [entry.reason for entry in fresh],
        [entry.attempts for entry in fresh],
        [entry.attempt.code if entry.attempt else None for entry in fresh],
        [entry.attempt.error if entry.attempt else None for entry in fresh],
        [id_ for id_, _ in tried],
        [attempt.number for _, attempt in tried],
        [attempt.sent_us for _, attempt in tried],
        [attempt.duration_us for _, attempt in tried],
        [attempt.code for _, attempt in tried],
        [attempt.error for _, attempt in tried],
        [attempt.message for _, attempt in tried],
        [attempt.request for _, attempt in tried],
        [attempt.request_body for _, attempt in tried],
        [attempt.response for _, attempt in tried],
        [attempt.response_body for _, attempt in tried],
        [attempt.truncated for _, attempt in tried],
        [attempt.remote for _, attempt in tried],
    )
    if held is None:
        raise LeaseLost


async def _begin(connection: Acquired, token: int, entries: Sequence[DeliveryUpdate]) -> None:
    begun = [(entry, entry.wait) for entry in entries if entry.wait is not None]
    if not begun:
        return
    await connection.fetchval(
        _BEGIN,
        token,
        [entry.id for entry, _ in begun],
        [entry.lane for entry, _ in begun],
        [entry.event for entry, _ in begun],
        [wait.seconds for _, wait in begun],
        [wait.number for _, wait in begun],
        [wait.held for _, wait in begun],
        [wait.crashes for _, wait in begun],
    )


async def _move(connection: Acquired, token: int, entries: Sequence[DeliveryUpdate]) -> None:
    if not entries:
        return
    again = [(entry, entry.wait) for entry in entries if entry.wait is not None]
    over = [entry.id for entry in entries if entry.wait is None]
    if again:
        await connection.execute(
            _AGAIN,
            token,
            [entry.id for entry, _ in again],
            [wait.seconds for _, wait in again],
            [wait.number for _, wait in again],
            [entry.attempt is not None for entry, _ in again],
        )
    if over:
        await connection.execute(_OVER, token, over)
    ids = [entry.id for entry in entries]
    attempts = [entry.attempt for entry in entries]
    await connection.execute(
        _MOVE,
        token,
        ids,
        [entry.status for entry in entries],
        [entry.reason for entry in entries],
        [entry.attempts for entry in entries],
        [attempt.code if attempt else None for attempt in attempts],
        [attempt.error if attempt else None for attempt in attempts],
        [attempt is not None for attempt in attempts],
        min(ids),
        max(ids),
    )


async def _keep(connection: Acquired, token: int, entries: Sequence[DeliveryUpdate]) -> None:
    kept = [(entry.id, entry.payload) for entry in entries if entry.payload is not None]
    if not kept:
        return
    await connection.execute(
        _KEEP,
        token,
        [id_ for id_, _ in kept],
        [payload.method for _, payload in kept],
        [payload.address.encode() for _, payload in kept],
        [payload.body for _, payload in kept],
    )


async def _lock(connection: Acquired, woken: set[int], released: set[int], felt: set[int]) -> None:
    """Lock the lanes of the statements that follow, where a later one would lock more than the first."""
    if felt or (woken and released - woken):
        await connection.execute(_LOCK, list(woken | released | felt))


async def _wake(connection: Acquired, token: int, due: Sequence[tuple[int, float]]) -> None:
    if due:
        await connection.execute(_WAKE, token, [lane for lane, _ in due], [seconds for _, seconds in due])
