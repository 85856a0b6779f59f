"""Lanes: slots in use, and pulls of what is due. Lanes are woken, never their rows one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hookward.adapters.postgres.outbox import ALIVE, read_event
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.application.delivery.admission import DueDelivery
from hookward.domain.delivery.model import Payload
from hookward.domain.errors import LeaseLost
from hookward.domain.events.model import ChangeEvent

_BOUND_BYTES = 8 << 20

ACQUIRE = """
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE),
l AS MATERIALIZED (
  SELECT id, CASE WHEN paused OR behind OR closing IS NOT NULL OR held_until > now() THEN 0
    ELSE greatest(0, coalesce(slots, $4) - in_use) END AS free
  FROM lane WHERE id = ANY($2::bigint[]) ORDER BY id FOR NO KEY UPDATE),
g AS MATERIALIZED (
  SELECT l.id, least(w.n, l.free) AS k FROM l JOIN unnest($2::bigint[], $3::int[]) AS w(id, n) USING (id), me),
u AS (UPDATE lane SET in_use = lane.in_use + g.k FROM g
  WHERE lane.id = g.id AND g.k > 0 AND lane.id = ANY($2::bigint[])),
i AS (INSERT INTO lane_grant (lane_id, token, n) SELECT g.id, me.token, g.k FROM g, me WHERE g.k > 0
  ON CONFLICT (lane_id, token) DO UPDATE SET n = lane_grant.n + excluded.n)
SELECT id, k FROM g"""

# What is taken off the grant is taken off the lane: a release that is sent twice cannot free another worker's slots,
# not even at the same time, as grants are read locked.
RELEASE = """
WITH l AS MATERIALIZED (
  SELECT lane.id, least(w.n, g.n) AS n FROM lane JOIN unnest($2::bigint[], $3::int[]) AS w(id, n) USING (id)
  JOIN lane_grant g ON g.lane_id = lane.id AND g.token = $1
  WHERE lane.id = ANY($2::bigint[]) ORDER BY lane.id FOR NO KEY UPDATE OF lane, g),
g AS (UPDATE lane_grant SET n = lane_grant.n - l.n FROM l
  WHERE lane_id = l.id AND token = $1 AND lane_id = ANY($2::bigint[]) RETURNING lane_id)
UPDATE lane SET in_use = greatest(0, lane.in_use - l.n),
  wake_at = CASE WHEN lane.behind AND NOT lane.paused
    THEN least(coalesce(lane.wake_at, 'infinity'), greatest(now(), lane.held_until)) ELSE lane.wake_at END
FROM l WHERE lane.id = l.id AND lane.id = ANY($2::bigint[])"""

# Lanes are read locked and fresh, what waits in them as of the start of the statement. Where the lane has another
# ctid than it had then, something may have begun to wait since: such a lane keeps its wake-up. Of all that is picked
# so much is taken as can be held at once: each lane's oldest first, in the order in which the lanes were due; a lane
# that gets nothing of it keeps its turn.
PULL = f"""
WITH me AS (SELECT token FROM lease WHERE token = $1 AND until > now() FOR KEY SHARE),
due AS MATERIALIZED (
  SELECT id, ctid AS fresh, watch_id, wake_at, held_until, greatest(0, coalesce(slots, $3) - in_use) AS free FROM lane
  WHERE wake_at <= now() AND NOT paused AND closing IS NULL ORDER BY wake_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED),
stirred AS MATERIALIZED (SELECT due.id FROM due JOIN lane ON lane.id = due.id AND lane.ctid <> due.fresh
  WHERE lane.id = ANY(ARRAY(SELECT id FROM due))),
pick AS MATERIALIZED (SELECT w.*, d.id AS lane_id, d.wake_at FROM due d CROSS JOIN LATERAL (
  SELECT delivery_id, event_id, due_at FROM waiting w WHERE w.token IS NULL AND w.lane_id = d.id AND w.due_at <= now()
  AND d.held_until <= now() ORDER BY w.due_at, w.delivery_id LIMIT d.free FOR UPDATE SKIP LOCKED) w),
nth AS (SELECT pick.*, row_number() OVER (PARTITION BY lane_id ORDER BY due_at, delivery_id) AS turn, coalesce(
  (SELECT coalesce(length(body), 0) FROM payload p WHERE p.delivery_id = pick.delivery_id),
  (SELECT length(body) + coalesce(length(previous), 0) + coalesce(length(extra), 0) FROM event e
    WHERE e.id = pick.event_id), 0) AS bytes FROM pick),
fit AS MATERIALIZED (SELECT delivery_id, lane_id FROM (SELECT nth.*,
  sum(bytes) OVER (ORDER BY turn, wake_at, lane_id) - bytes < {_BOUND_BYTES} AS fits FROM nth) s WHERE fits),
take AS (UPDATE waiting w SET token = me.token FROM me WHERE w.delivery_id = ANY(ARRAY(SELECT delivery_id FROM fit))
  RETURNING w.delivery_id, w.lane_id, w.event_id, w.number, w.crashes, w.alone, w.base, w.replay_of),
got AS MATERIALIZED (SELECT d.id, d.free, d.held_until,
  (SELECT count(*) FROM fit WHERE fit.lane_id = d.id)::int AS k,
  EXISTS (SELECT FROM pick WHERE pick.lane_id = d.id) AS some FROM due d),
nxt AS MATERIALIZED (SELECT got.*, (SELECT min(s.due_at) FROM (SELECT w.due_at FROM waiting w
  WHERE w.token IS NULL AND w.lane_id = got.id ORDER BY w.due_at, w.delivery_id OFFSET got.k LIMIT 1) s) AS due_at
  FROM got),
i AS (INSERT INTO lane_grant (lane_id, token, n) SELECT nxt.id, me.token, k FROM nxt, me WHERE k > 0
  ON CONFLICT (lane_id, token) DO UPDATE SET n = lane_grant.n + excluded.n),
u AS (UPDATE lane SET in_use = lane.in_use + nxt.k,
    behind = nxt.due_at <= now() IS TRUE OR lane.behind AND lane.id = ANY(ARRAY(SELECT id FROM stirred)),
    wake_at = CASE WHEN lane.id = ANY(ARRAY(SELECT id FROM stirred)) THEN lane.wake_at
      WHEN nxt.due_at IS NULL THEN NULL
      WHEN nxt.held_until > now() THEN greatest(nxt.due_at, nxt.held_until)
      WHEN nxt.due_at > now() THEN nxt.due_at
      WHEN nxt.k >= nxt.free THEN NULL  -- all slots taken: the next release wakes it
      WHEN nxt.k = 0 AND nxt.some THEN lane.wake_at
      ELSE now() END
  FROM nxt, me WHERE lane.id = nxt.id AND lane.id = ANY(ARRAY(SELECT id FROM due)))
SELECT t.delivery_id, t.lane_id, t.event_id, t.number, t.crashes, t.alone, d.watch_id, t.base, t.replay_of
FROM take t JOIN due d ON d.id = t.lane_id"""

FETCH = """
SELECT w.delivery_id, p.method, p.address, p.body, e.id, e.account_id, e.resource_type, e.type_version, e.kind,
  e.version, e.scope, e.resource_id, CASE WHEN p.delivery_id IS NULL THEN e.body ELSE ''::bytea END,
  CASE WHEN p.delivery_id IS NULL THEN e.previous END, CASE WHEN p.delivery_id IS NULL THEN e.extra END, e.zone
FROM unnest($1::uuid[], $2::uuid[]) AS w(delivery_id, event_id)
JOIN event e ON e.id = w.event_id AND e.body <> ''::bytea  -- empty: erased
LEFT JOIN payload p ON p.delivery_id = w.delivery_id"""

_NEXT = """
SELECT extract(epoch FROM wake_at - now())::float8 FROM lane
WHERE wake_at IS NOT NULL AND NOT paused ORDER BY wake_at LIMIT 1"""

_STOPPED = """
SELECT id, paused OR closing IS NOT NULL OR held_until > now() FROM lane WHERE id = ANY($1::bigint[])
AND (behind OR paused OR closing IS NOT NULL OR held_until > now())"""

_CLOSING = """
SELECT id, closing FROM lane WHERE wake_at <= now() AND closing IS NOT NULL
ORDER BY wake_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"""

_CANCEL = """
WITH pick AS MATERIALIZED (SELECT delivery_id FROM waiting WHERE lane_id = $1 AND token IS NULL
  ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED),
w AS (DELETE FROM waiting WHERE delivery_id = ANY(ARRAY(SELECT delivery_id FROM pick)) RETURNING delivery_id),
p AS (DELETE FROM payload WHERE delivery_id = ANY(ARRAY(SELECT delivery_id FROM pick))),
d AS (UPDATE delivery SET status = 5, reason = $2, finished = now()
  WHERE id = ANY(ARRAY(SELECT delivery_id FROM pick)) AND status < 3)
SELECT count(*)::int FROM w"""


class PostgresLanes:
    """The ``SlotStore`` and ``WaitingStore`` ports on PostgreSQL."""

    def __init__(self, database: ConnectionPool, *, default_slots: int) -> None:
        self._database = database
        self._default_slots = default_slots

    async def acquire(self, token: int, wanted: Mapping[int, int]) -> dict[int, int]:
        """Ask for slots, by lane; answers how many of each were granted (0 where the lane has a backlog)."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(ACQUIRE, token, list(wanted), list(wanted.values()), self._default_slots)
            if not rows and not await connection.fetchval(ALIVE, token):
                raise LeaseLost
        return {row[0]: row[1] for row in rows}

    async def release(self, token: int, slots: Mapping[int, int]) -> None:
        """Give slots back, by lane."""
        async with self._database.connection() as connection:
            await release(connection, token, slots)

    async def stopped(self, lanes: Sequence[int]) -> dict[int, bool]:
        """Which of these lanes take new deliveries only behind what waits; true where nothing at all may be sent."""
        async with self._database.connection() as connection:
            return {row[0]: row[1] for row in await connection.fetch(_STOPPED, lanes)}

    async def pull(self, token: int, *, lanes: int) -> list[DueDelivery]:
        """Take what is due from up to ``lanes`` lanes, as far as their slots go and memory takes it, oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(PULL, token, lanes, self._default_slots)
            if not rows:
                return []
            fetched = await connection.fetch(FETCH, [row[0] for row in rows], [row[2] for row in rows])
        found = {row[0]: (_payload(row), read_event(row[4:])) for row in fetched}
        return [_pulled(row, found.get(row[0])) for row in rows]

    async def next_wake(self) -> float | None:
        """Seconds until the next lane wants to be pulled (negative: overdue); ``None`` when nothing waits."""
        async with self._database.connection() as connection:
            seconds = await connection.fetchval(_NEXT)
        return None if seconds is None else float(seconds)

    async def cancel_some(self, *, limit: int) -> int:
        """Cancel up to ``limit`` waiting deliveries of one lane that is being closed; answers how many."""
        async with self._database.transaction() as connection:
            lane = await connection.fetchrow(_CLOSING)
            if lane is None:
                return 0
            count = int(await connection.fetchval(_CANCEL, lane[0], lane[1], limit))
            if count < limit:
                await connection.execute("UPDATE lane SET wake_at = NULL, behind = false WHERE id = $1", lane[0])
        return count


async def release(connection: Acquired, token: int, slots: Mapping[int, int]) -> None:
    """Give slots back on a connection that may be inside a transaction."""
    await connection.execute(RELEASE, token, list(slots), list(slots.values()))


def _payload(row: Any) -> Payload | None:
    return None if row[1] is None else Payload(method=row[1], address=row[2].decode(), body=row[3])


def _pulled(row: Any, found: tuple[Payload | None, ChangeEvent] | None) -> DueDelivery:
    payload, event = found or (None, None)
    delivery, lane, event_id, number, crashes, alone, watch, base, replay_of = row
    return DueDelivery(
        id=delivery, lane=lane, event_id=event_id, number=number, crashes=crashes, alone=alone,
        watch=watch, event=event, payload=payload, base=base, replay_of=replay_of,
    )  # fmt: skip
