"""Record what became of deliveries: in groups, under the lease that they were sent under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hookward.adapters.postgres import lanes, leases
from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.adapters.postgres.watch_effects import change_watches, hold_lanes, stop_lanes
from hookward.domain.delivery.model import DeliveryUpdate
from hookward.domain.errors import LeaseLost

SQL = read_statements(__name__)


class PostgresResults:
    """The ``ResultStore`` port on PostgreSQL."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def record(
        self, token: int, updates: Sequence[DeliveryUpdate], *, done: Sequence[int], slots: Mapping[int, int]
    ) -> None:
        """Store updates, delete the outbox rows ``done`` and return ``slots``, all in one transaction.

        Raises LeaseLost, having changed nothing, when the lease has ended. May be called again with the same values
        when the commit was not confirmed.
        """
        waits = [update for update in updates if update.wait is not None]
        moved = [update for update in updates if update.waited]
        effects = [update for update in updates if update.watch_effect is not None]
        if not waits and not moved and not slots and not effects:
            async with self._pool.connection() as connection:
                await _record_new(connection, token, updates, done)
            return
        async with self._pool.transaction() as connection:
            # Attempts of waiting deliveries go in by the same statement; only their delivery rows exist already.
            await _record_new(connection, token, updates, done)
            await _begin_waiting(connection, token, [update for update in waits if not update.waited])
            await _update_waiting(connection, token, moved)
            await _keep_payloads(connection, token, [update for update in updates if update.payload is not None])
            due = [(update.lane, update.wait.seconds) for update in waits if update.wait and not update.wait.held]
            changed = await change_watches(connection, token, effects)
            stopped = {*changed.closed, *changed.paused, *(update.lane for update in effects)}
            await _lock_lanes(connection, {lane for lane, _ in due}, set(slots), stopped)
            await stop_lanes(connection, changed)
            await hold_lanes(connection, token, effects)
            await _wake_lanes(connection, token, due)
            if slots:
                await lanes.release(connection, token, slots)
            # Each statement checked the lease: one that ended in between must undo them all.
            if not await leases.hold(connection, token):
                raise LeaseLost


async def _record_new(connection: Acquired, token: int, updates: Sequence[DeliveryUpdate], done: Sequence[int]) -> None:
    new = [update for update in updates if not update.waited]
    tried = [(update.id, update.attempt) for update in updates if update.attempt is not None]
    held = await connection.fetchval(
        SQL["record_new"],
        token,
        done,
        [update.id for update in new],
        [update.account for update in new],
        [update.event for update in new],
        [update.watch for update in new],
        [update.resource_type for update in new],
        [update.kind for update in new],
        [update.resource_id.encode() for update in new],
        [update.status for update in new],
        [update.reason for update in new],
        [update.attempts for update in new],
        [update.attempt.code if update.attempt else None for update in new],
        [update.attempt.error if update.attempt else None for update in new],
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


async def _begin_waiting(connection: Acquired, token: int, updates: Sequence[DeliveryUpdate]) -> None:
    begun = [(update, update.wait) for update in updates if update.wait is not None]
    if not begun:
        return
    await connection.fetchval(
        SQL["begin_waiting"],
        token,
        [update.id for update, _ in begun],
        [update.lane for update, _ in begun],
        [update.event for update, _ in begun],
        [wait.seconds for _, wait in begun],
        [wait.number for _, wait in begun],
        [wait.held for _, wait in begun],
        [wait.crashes for _, wait in begun],
    )


async def _update_waiting(connection: Acquired, token: int, updates: Sequence[DeliveryUpdate]) -> None:
    if not updates:
        return
    again = [(update, update.wait) for update in updates if update.wait is not None]
    over = [update.id for update in updates if update.wait is None]
    if again:
        await connection.execute(
            SQL["go_on_waiting"],
            token,
            [update.id for update, _ in again],
            [wait.seconds for _, wait in again],
            [wait.number for _, wait in again],
            [update.attempt is not None for update, _ in again],
        )
    if over:
        await connection.execute(SQL["end_waiting"], token, over)
    ids = [update.id for update in updates]
    attempts = [update.attempt for update in updates]
    await connection.execute(
        SQL["update_delivery"],
        token,
        ids,
        [update.status for update in updates],
        [update.reason for update in updates],
        [update.attempts for update in updates],
        [attempt.code if attempt else None for attempt in attempts],
        [attempt.error if attempt else None for attempt in attempts],
        [attempt is not None for attempt in attempts],
        min(ids),
        max(ids),
    )


async def _keep_payloads(connection: Acquired, token: int, updates: Sequence[DeliveryUpdate]) -> None:
    kept = [(update.id, update.payload) for update in updates if update.payload is not None]
    if not kept:
        return
    await connection.execute(
        SQL["keep_payload"],
        token,
        [id_ for id_, _ in kept],
        [payload.method for _, payload in kept],
        [payload.address.encode() for _, payload in kept],
        [payload.body for _, payload in kept],
    )


async def _lock_lanes(connection: Acquired, woken: set[int], released: set[int], stopped: set[int]) -> None:
    """Lock the lanes of the statements that follow, where a later one would lock more than the first."""
    if stopped or (woken and released - woken):
        await connection.execute(SQL["lock_lanes"], list(woken | released | stopped))


async def _wake_lanes(connection: Acquired, token: int, due: Sequence[tuple[int, float]]) -> None:
    if due:
        await connection.execute(SQL["wake_lanes"], token, [lane for lane, _ in due], [seconds for _, seconds in due])
