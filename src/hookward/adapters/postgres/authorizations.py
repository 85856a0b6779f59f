"""Credentials as watches come by them: found, made and let go of; and the authorizations that somebody has begun.

Whatever makes or drops a credential has bumped the version of the definitions before: its row lock puts them in order.
"""

from __future__ import annotations

from datetime import datetime

from hookward.adapters.postgres.pool import Acquired, ConnectionPool
from hookward.application.oauth.credentials import NewCredential
from hookward.application.watches.authorizations import NewFlow, StoredFlow
from hookward.domain.ids import AccountId, CredentialId, WatchId

_FIND = """
SELECT id FROM credential WHERE account_id = $1 AND digest = ANY($2::bytea[]) ORDER BY created, id LIMIT 1"""
_MAKE = "INSERT INTO credential (id, account_id, digest, state) VALUES ($1, $2, $3, $4)"
_GENERATION = "SELECT generation FROM credential WHERE id = $1 FOR UPDATE"
_DROP = "DELETE FROM credential WHERE id = $1 AND NOT EXISTS (SELECT FROM watch WHERE credential_id = $1)"
_CLEAR = "UPDATE credential SET refused = NULL, updated = now() WHERE id = $1 AND refused IS NOT NULL"

# The watch's row lock puts those in order who begin at the same time. Of what was begun the newest stay.
_LOCK_WATCH = "SELECT FROM watch WHERE account_id = $1 AND id = $2 AND deleted IS NULL FOR NO KEY UPDATE"
_CROWD_OUT = """
DELETE FROM authorization_flow WHERE watch_id = $1 AND (until <= now() OR state IN (
  SELECT state FROM authorization_flow WHERE watch_id = $1 ORDER BY until DESC, state OFFSET $2))"""
_BEGIN = """
INSERT INTO authorization_flow (state, account_id, watch_id, sealed, until)
VALUES ($1, $2, $3, $4, now() + $5 * interval '1 second') RETURNING until"""
_TAKE = """
DELETE FROM authorization_flow WHERE state = $1 AND ($2::uuid IS NULL OR watch_id = $2)
RETURNING account_id, watch_id, sealed, until > now()"""

_BUMP_FOR = """
UPDATE definition_version SET version = version + 1
WHERE EXISTS (SELECT FROM watch WHERE account_id = $1 AND id = $2 AND deleted IS NULL AND credential_id = $3)
RETURNING version"""
_OWNER_OF = """
SELECT owner FROM watch WHERE account_id = $1 AND id = $2 AND deleted IS NULL AND credential_id = $3"""
_WAITING_LANES = """
SELECT lane_id FROM watch WHERE credential_id = $1 AND owner IS NOT DISTINCT FROM $2 AND status = 2
AND status_reason = $3"""
_MOVE = """
UPDATE watch SET credential_id = $2, version = $5, updated = now(),
  status = CASE WHEN status = 2 AND status_reason = $4 THEN 1 ELSE status END,
  status_reason = CASE WHEN status = 2 AND status_reason = $4 THEN NULL ELSE status_reason END
WHERE credential_id = $1 AND owner IS NOT DISTINCT FROM $3"""
_OPEN_LANES = """
UPDATE lane SET paused = false, wake_at = now()
FROM (SELECT id FROM lane WHERE id = ANY($1::bigint[]) AND closing IS NULL ORDER BY id FOR UPDATE) AS l
WHERE lane.id = l.id"""


async def is_as_read(connection: Acquired, credential: NewCredential | None) -> bool:
    """Whether the credential that another is to take over from is still the one that was read."""
    if credential is None or credential.instead_of is None:
        return True
    id_, generation = credential.instead_of
    return bool(await connection.fetchval(_GENERATION, id_) == generation)


async def find_or_make(connection: Acquired, account: AccountId, credential: NewCredential) -> CredentialId:
    """The credential that is wanted; watches that want the same share it."""
    found = await connection.fetchval(_FIND, account, credential.digests)
    if found is not None:
        return CredentialId(found)
    await connection.execute(_MAKE, credential.id, account, credential.digests[0], credential.state)
    return credential.id


async def settle(connection: Acquired, held: CredentialId | None, chosen: CredentialId | None) -> None:
    """After a watch has changed from one credential to another or kept it: drop what nobody has, ask for the rest."""
    if held is not None and held != chosen:
        await connection.execute(_DROP, held)
    if chosen is not None:
        await connection.execute(_CLEAR, chosen)


async def forget(connection: Acquired, watch: WatchId, held: CredentialId | None) -> None:
    """Let a deleted watch keep nothing with which a token could be had."""
    await connection.execute("DELETE FROM authorization_flow WHERE watch_id = $1", watch)
    if held is not None:
        await connection.execute("UPDATE watch SET credential_id = NULL WHERE id = $1", watch)
        await connection.execute(_DROP, held)


class PostgresAuthorizations:
    """The ``FlowStore`` port on PostgreSQL."""

    def __init__(self, database: ConnectionPool) -> None:
        self._database = database

    async def begin(self, flow: NewFlow, *, seconds: float, most: int) -> datetime | None:
        """Keep what somebody begins; answers until when, ``None`` where the watch is gone."""
        async with self._database.transaction() as connection:
            if await connection.fetchrow(_LOCK_WATCH, flow.account, flow.watch) is None:
                return None
            await connection.execute(_CROWD_OUT, flow.watch, most - 1)
            until: datetime = await connection.fetchval(
                _BEGIN, flow.state, flow.account, flow.watch, flow.sealed, seconds
            )
        return until

    async def take(self, state: bytes, *, watch: WatchId | None) -> StoredFlow | None:
        """What was begun with a state, which nobody gets again; ``None`` where there is none, or not for ``watch``."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_TAKE, state, watch)
        if row is None or not row[3]:
            return None
        return StoredFlow(account=row[0], watch=row[1], sealed=row[2])

    async def authorized(
        self, account: AccountId, watch: WatchId, before: CredentialId, credential: NewCredential, *, reason: str
    ) -> bool:
        """Give a watch, and all of its owner's that share its credential, another; enable those paused for ``reason``.

        False, and nothing is changed, where the watch no longer has the one of ``before``.
        """
        async with self._database.transaction() as connection:
            place = (account, watch, before)
            version = await connection.fetchval(_BUMP_FOR, *place)
            found = None if version is None else await connection.fetchrow(_OWNER_OF, *place)
            if found is None:
                return False
            await connection.execute(_MAKE, credential.id, account, credential.digests[0], credential.state)
            lanes = await connection.fetch(_WAITING_LANES, before, found[0], reason)
            await connection.execute(_MOVE, before, credential.id, found[0], reason, version)
            await connection.execute(_OPEN_LANES, [row[0] for row in lanes])
            await connection.execute(_DROP, before)
        return True
