"""Claim accepted events: the oldest unmatched ones, round-robin over accounts, under a lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from hookward.adapters.postgres.leases import is_held
from hookward.adapters.postgres.pool import ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.delivery.outbox import Claim
from hookward.domain.delivery.model import POISON_CRASHES
from hookward.domain.errors import LeaseLost
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import DeliveryId, EventId, WatchId, millisecond_of
from hookward.domain.resource_types.operations import ChangeKind

SQL = read_statements(__name__, poison_crashes=POISON_CRASHES, most_accounts=32, most_bytes=16 << 20)

_scope = msgspec.json.Decoder(dict[str, str])


class PostgresOutbox:
    """The ``Outbox`` port on PostgreSQL."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._account = 0

    async def claim(self, token: int, *, limit: int) -> list[Claim]:
        """Claim rows with up to about ``limit`` events, oldest first. Raises LeaseLost when the lease has ended."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(SQL["claim"], token, self._account, limit)
            if not rows and self._account:
                self._account = 0
                rows = await connection.fetch(SQL["claim"], token, 0, limit)
            if not rows:
                if not await is_held(connection, token):
                    raise LeaseLost
                return []
        self._account = rows[0]["resume_behind"]
        claims = [_claim(row) for row in rows]
        claims.sort(key=_seq)
        return claims

    async def events(self, ids: Sequence[EventId]) -> dict[EventId, ChangeEvent]:
        """Return the events of ``ids``, without those that are gone or erased."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(SQL["events"], ids, min(ids), max(ids))
        return {event.id: event for event in map(read_event, rows)}

    async def recorded(self, events: Sequence[EventId]) -> set[DeliveryId]:
        """Return the ids of the deliveries of these events that the store already holds."""
        least, greatest = zip(*[millisecond_of(event) for event in events], strict=True)
        async with self._pool.connection() as connection:
            rows = await connection.fetch(SQL["recorded"], events, least, greatest, min(least), max(greatest))
        return {DeliveryId(row["id"]) for row in rows}

    async def split(self, token: int, claim: Claim) -> None:
        """Give each event of a row a free row of its own, so that an event that crashes workers is found."""
        async with self._pool.connection() as connection:
            await connection.fetchval(SQL["split"], token, claim.seq, claim.events)

    async def fan(self, token: int, claim: Claim, watch: WatchId) -> None:
        """Note how far a fan-out has come. Raises LeaseLost when the lease has ended."""
        async with self._pool.connection() as connection:
            if await connection.fetchval(SQL["note_fan_out"], token, claim.seq, watch) is None:
                raise LeaseLost


def _seq(claim: Claim) -> int:
    return claim.seq


def _claim(row: asyncpg.Record) -> Claim:
    fanned = row["fanned"]
    return Claim(
        seq=row["seq"],
        events=tuple([EventId(id_) for id_ in row["events"]]),
        claims=row["claims"],
        crashes=row["crashes"],
        alone=row["alone"],
        fanned=None if fanned is None else WatchId(fanned),
    )


def read_event(row: Any) -> ChangeEvent:
    """Return the event of a row of ``outbox.sql: events``.

    By position: this runs for every event of a claim, where names would cost a lookup for each of twelve columns.
    """
    id_, account, resource_type, type_version, kind, version, scope, resource_id, body, previous, extra, zone = row
    return ChangeEvent(
        id=id_,
        account=account,
        resource_type=resource_type,
        type_version=type_version,
        kind=ChangeKind(kind),
        version=version,
        scope=_scope.decode(scope),
        resource_id=resource_id.decode(),
        body=body,
        previous=previous,
        extra=extra,
        zone=zone,
    )
