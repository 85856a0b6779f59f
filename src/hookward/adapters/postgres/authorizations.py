"""Credentials as watches use them, and the authorizations that are under way in browsers.

Whatever makes or drops a credential has raised the version of the definitions before: its row lock puts them in order.
"""

from __future__ import annotations

from datetime import datetime

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.adapters.postgres.statements import read_statements
from hookward.application.oauth.credentials import NewCredential
from hookward.application.watches.authorizations import NewFlow, StoredFlow
from hookward.domain.ids import AccountId, CredentialId, WatchId

SQL = read_statements(__name__)


async def is_as_read(connection: Acquired, credential: NewCredential | None) -> bool:
    """Whether the credential whose refresh token another takes over is still of the generation that was read."""
    if credential is None or credential.instead_of is None:
        return True
    id_, generation = credential.instead_of
    return bool(await connection.fetchval(SQL["lock_generation"], id_) == generation)


async def get_or_create(connection: Acquired, account: AccountId, credential: NewCredential) -> CredentialId:
    """Return the credential that a watch wants; watches that want the same one share it."""
    found = await connection.fetchval(SQL["find_credential"], account, credential.digests)
    if found is not None:
        return CredentialId(found)
    await _insert(connection, account, credential)
    return credential.id


async def release_credential(connection: Acquired, former: CredentialId | None, chosen: CredentialId | None) -> None:
    """Delete the former credential of a watch if no watch uses it any more.

    Clears the ``refused`` mark of the one that was chosen, so that tokens are requested again with it.
    """
    if former is not None and former != chosen:
        await connection.execute(SQL["delete_unused"], former)
    if chosen is not None:
        await connection.execute(SQL["clear_refusal"], chosen)


async def delete_authorization(connection: Acquired, watch: WatchId, credential: CredentialId | None) -> None:
    """Delete everything with which a deleted watch could get a token."""
    await connection.execute(SQL["delete_flows"], watch)
    if credential is not None:
        await connection.execute(SQL["detach_credential"], watch)
        await connection.execute(SQL["delete_unused"], credential)


async def _insert(connection: Acquired, account: AccountId, credential: NewCredential) -> None:
    await connection.execute(SQL["insert_credential"], credential.id, account, credential.digests[0], credential.state)


class PostgresAuthorizations:
    """The ``FlowStore`` port on PostgreSQL."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def begin(self, flow: NewFlow, *, seconds: float, most: int) -> datetime | None:
        """Store an authorization that begins; return until when it is valid, ``None`` where the watch is gone.

        Of a watch's authorizations the newest ``most`` are kept.
        """
        values = (flow.state, flow.account, flow.watch, flow.sealed, seconds)
        async with self._pool.transaction() as connection:
            if await connection.fetchrow(SQL["lock_watch"], flow.account, flow.watch) is None:
                return None
            await connection.execute(SQL["trim_flows"], flow.watch, most - 1)
            until: datetime = await connection.fetchval(SQL["insert_flow"], *values)
        return until

    async def take(self, state: bytes, *, watch: WatchId | None) -> StoredFlow | None:
        """Delete and return the authorization with this state.

        ``None`` where there is none, where it is no longer valid, or is not of ``watch``.
        """
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(SQL["take_flow"], state, watch)
        if row is None or not row["is_valid"]:
            return None
        return StoredFlow(account=row["account_id"], watch=row["watch_id"], sealed=row["sealed"])

    async def authorized(
        self, account: AccountId, watch: WatchId, before: CredentialId, credential: NewCredential, *, reason: str
    ) -> bool:
        """Give a watch, and all of its owner's that share its credential, another; enable those paused for ``reason``.

        Returns False, having changed nothing, where the watch no longer has the credential ``before``.
        """
        place = (account, watch, before)
        async with self._pool.transaction() as connection:
            version = await connection.fetchval(SQL["raise_version_for"], *place)
            found = None if version is None else await connection.fetchrow(SQL["find_owner"], *place)
            if found is None:
                return False
            owner = found["owner"]
            await _insert(connection, account, credential)
            lanes = await connection.fetch(SQL["paused_lanes"], before, owner, reason)
            await connection.execute(SQL["replace_credential"], before, credential.id, owner, reason, version)
            await connection.execute(SQL["open_lanes"], [row["lane_id"] for row in lanes])
            await connection.execute(SQL["delete_unused"], before)
        return True
