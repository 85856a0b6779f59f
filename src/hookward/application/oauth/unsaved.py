"""UnsavedRefreshTokens: refresh tokens that were granted and are not yet written, kept until they are."""

from __future__ import annotations

import asyncio

import msgspec

from hookward.application.aio.tasks import BackgroundTasks
from hookward.application.oauth.credentials import credential_subject, read_state, write_state
from hookward.application.oauth.ports import (
    CredentialLock,
    CredentialRecord,
    CredentialStore,
    NewRefreshToken,
    TokenCache,
)
from hookward.application.ports import Log, Random, Sealer
from hookward.domain.errors import HookwardError
from hookward.domain.ids import AccountId, CredentialId

FIRST_PAUSE = 0.1
MAX_PAUSE = 5.0


class UnsavedRefreshTokens:
    """The refresh tokens of this process that the store did not take, and those of others that Valkey holds.

    Each is written as soon as that can be, unless the row has meanwhile gone on without it. ``seconds`` is how long a
    row is held.
    """

    def __init__(
        self, store: CredentialStore, shelf: TokenCache, sealer: Sealer, chores: BackgroundTasks,
        *, seconds: float, random: Random, log: Log,
    ) -> None:  # fmt: skip
        self._store = store
        self._shelf = shelf
        self._sealer = sealer
        self._chores = chores
        self._seconds = seconds
        self._random = random
        self._log = log
        self._kept: dict[CredentialId, NewRefreshToken] = {}
        self._mending: set[CredentialId] = set()

    def open(self, hold: CredentialLock, row: CredentialRecord) -> str | None:
        """The refresh token of a row."""
        return read_state(self._sealer.unseal(row.state, credential_subject(hold.account, hold.credential))).token

    async def write(self, hold: CredentialLock, row: CredentialRecord, rotation: NewRefreshToken) -> bool:
        """Put a rotation in the place of what ``row`` has; false where the row went on or is no longer held."""
        subject = credential_subject(hold.account, hold.credential)
        state = msgspec.structs.replace(read_state(self._sealer.unseal(row.state, subject)), token=rotation.token)
        sealed = self._sealer.seal(write_state(state), subject)
        return await self._store.write(hold, expected=row.generation, generation=rotation.generation, state=sealed)

    async def newest(self, hold: CredentialLock, row: CredentialRecord) -> NewRefreshToken | None:
        """The last refresh token that was to take the place of what ``row`` has, if there is one."""
        shared = await self._shelf.rotation(hold.account, hold.credential)
        known = (shared, self._kept.get(hold.credential))
        fitting = [each for each in known if each is not None and each.base == row.generation]
        return max(fitting, key=lambda each: each.generation, default=None)

    async def keep(self, hold: CredentialLock, rotation: NewRefreshToken) -> None:
        """Keep a refresh token that could not be written, here and in Valkey, until it is."""
        self._log.warning("token.rotation_kept", credential_id=hold.credential.hex())
        self._kept[hold.credential] = rotation
        await self._shelf.put_rotation(hold.account, hold.credential, rotation)
        if hold.credential not in self._mending:
            self._mending.add(hold.credential)
            self._chores.detach(self._mend(hold.account, hold.credential), name="token.mend")

    async def forget(self, hold: CredentialLock) -> None:
        """What was kept is written, or worth nothing any more."""
        self._kept.pop(hold.credential, None)
        await self._shelf.drop_rotation(hold.account, hold.credential)

    async def _mend(self, account: AccountId, credential: CredentialId) -> None:
        hold = CredentialLock(account=account, credential=credential, holder=self._random.bytes(16))
        pause = FIRST_PAUSE
        try:
            while (own := self._kept.get(credential)) is not None:
                try:
                    await self._try(hold, own)
                except HookwardError as error:
                    self._log.warning(
                        "token.rotation_waits", credential_id=credential.hex(), error=type(error).__name__
                    )
                    await self._share(hold, own)
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE)
        finally:
            self._mending.discard(credential)

    async def _try(self, hold: CredentialLock, own: NewRefreshToken) -> None:
        row = await self._store.take(hold, seconds=self._seconds)
        try:
            if row is None or row.generation != own.base:  # it went on without it
                self._kept = {id_: kept for id_, kept in self._kept.items() if kept is not own}
            elif row.held:
                await self._put(hold, row)
            else:
                await self._share(hold, own)
        finally:
            if row is not None and row.held:
                await self._store.release(hold)

    async def _put(self, hold: CredentialLock, row: CredentialRecord) -> None:
        newest = await self.newest(hold, row)
        if newest is not None and await self.write(hold, row, newest):
            await self.forget(hold)
            self._log.info("token.rotation_written", credential_id=hold.credential.hex())

    async def _share(self, hold: CredentialLock, own: NewRefreshToken) -> None:
        """Valkey may have been flushed since, or hold a later one."""
        shared = await self._shelf.rotation(hold.account, hold.credential)
        if shared is None or (shared.base, shared.generation) < (own.base, own.generation):
            await self._shelf.put_rotation(hold.account, hold.credential, own)
