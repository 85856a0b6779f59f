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
        self, token: int, entries: Sequence[DeliveryUpdate], *, done: Sequence[int], slots: Mapping[int, int]
    ) -> None:
        """Store entries, delete the outbox rows ``done`` and return ``slots``, all in one transaction.

        Raises LeaseLost, having changed nothing, when the lease has ended. May be called again with the same values
        when the commit was not confirmed.
        """
        waits = [entry for entry in entries if entry.wait is not None]
        moved = [entry for entry in entries if entry.waited]
        effects = [entry for entry in entries if entry.watch_effect is not None]
        if not waits and not moved and not slots and not effects:
            async with self._pool.connection() as connection:
                await _record_new(connection, token, entries, done)
            return
        async with self._pool.transaction() as connection:
            # Attempts of waiting deliveries go in by the same statement; only their delivery rows exist already.
            await _record_new(connection, token, entries, done)
            await _begin_waiting(connection, token, [entry for entry in waits if not entry.waited])
            await _update_waiting(connection, token, moved)
            await _keep_payloads(connection, token, [entry for entry in entries if entry.payload is not None])
            due = [(entry.lane, entry.wait.seconds) for entry in waits if entry.wait and not entry.wait.held]
            changed = await change_watches(connection, token, effects)
            stopped = {*changed.closed, *changed.paused, *(entry.lane for entry in effects)}
            await _lock_lanes(connection, {lane for lane, _ in due}, set(slots), stopped)
            await stop_lanes(connection, changed)
            await hold_lanes(connection, token, effects)
            await _wake_lanes(connection, token, due)
            if slots:
                await lanes.release(connection, token, slots)
            # Each statement checked the lease: one that ended in between must undo them all.
            if not await leases.hold(connection, token):
                raise LeaseLost


async def _record_new(connection: Acquired, token: int, entries: Sequence[DeliveryUpdate], done: Sequence[int]) -> None:
    new = [entry for entry in entries if not entry.waited]
    tried = [(entry.id, entry.attempt) for entry in entries if entry.attempt is not None]
    held = await connection.fetchval(
        SQL["record_new"],
        token,
        done,
        [entry.id for entry in new],
        [entry.account for entry in new],
        [entry.event for entry in new],
        [entry.watch for entry in new],
        [entry.resource_type for entry in new],
        [entry.kind for entry in new],
        [entry.resource_id.encode() for entry in new],
        [entry.status for entry in new],
        [entry.reason for entry in new],
        [entry.attempts for entry in new],
        [entry.attempt.code if entry.attempt else None for entry in new],
        [entry.attempt.error if entry.attempt else None for entry in new],
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


async def _begin_waiting(connection: Acquired, token: int, entries: Sequence[DeliveryUpdate]) -> None:
    begun = [(entry, entry.wait) for entry in entries if entry.wait is not None]
    if not begun:
        return
    await connection.fetchval(
        SQL["begin_waiting"],
        token,
        [entry.id for entry, _ in begun],
        [entry.lane for entry, _ in begun],
        [entry.event for entry, _ in begun],
        [wait.seconds for _, wait in begun],
        [wait.number for _, wait in begun],
        [wait.held for _, wait in begun],
        [wait.crashes for _, wait in begun],
    )


async def _update_waiting(connection: Acquired, token: int, entries: Sequence[DeliveryUpdate]) -> None:
    if not entries:
        return
    again = [(entry, entry.wait) for entry in entries if entry.wait is not None]
    over = [entry.id for entry in entries if entry.wait is None]
    if again:
        await connection.execute(
            SQL["go_on_waiting"],
            token,
            [entry.id for entry, _ in again],
            [wait.seconds for _, wait in again],
            [wait.number for _, wait in again],
            [entry.attempt is not None for entry, _ in again],
        )
    if over:
        await connection.execute(SQL["end_waiting"], token, over)
    ids = [entry.id for entry in entries]
    attempts = [entry.attempt for entry in entries]
    await connection.execute(
        SQL["update_delivery"],
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


async def _keep_payloads(connection: Acquired, token: int, entries: Sequence[DeliveryUpdate]) -> None:
    kept = [(entry.id, entry.payload) for entry in entries if entry.payload is not None]
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
