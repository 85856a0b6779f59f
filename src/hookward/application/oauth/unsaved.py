"""Refresh tokens that an endpoint granted and the store has not saved yet."""

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
    """The refresh tokens that this process could not save, and those of other processes that Valkey holds.

    Each is saved as soon as that is possible, unless the row has got a newer one. ``lock_seconds`` is how long a
    credential is locked for it.
    """

    def __init__(
        self, store: CredentialStore, cache: TokenCache, sealer: Sealer, background: BackgroundTasks,
        *, lock_seconds: float, random: Random, log: Log,
    ) -> None:  # fmt: skip
        self._store = store
        self._cache = cache
        self._sealer = sealer
        self._background = background
        self._lock_seconds = lock_seconds
        self._random = random
        self._log = log
        self._unsaved: dict[CredentialId, NewRefreshToken] = {}
        self._saving: set[CredentialId] = set()

    def stored_token(self, lock: CredentialLock, row: CredentialRecord) -> str | None:
        """Return the refresh token of a row, decrypted."""
        return read_state(self._sealer.unseal(row.state, credential_subject(lock.account, lock.credential))).token

    async def save(self, lock: CredentialLock, row: CredentialRecord, new: NewRefreshToken) -> bool:
        """Replace the refresh token of ``row``; returns false if the row or the holder of its lock has changed."""
        subject = credential_subject(lock.account, lock.credential)
        state = msgspec.structs.replace(read_state(self._sealer.unseal(row.state, subject)), token=new.token)
        sealed = self._sealer.seal(write_state(state), subject)
        return await self._store.write(lock, expected=row.generation, generation=new.generation, state=sealed)

    async def newest(self, lock: CredentialLock, row: CredentialRecord) -> NewRefreshToken | None:
        """Return the newest unsaved refresh token that follows the one of ``row``, or ``None``."""
        shared = await self._cache.refresh_token(lock.account, lock.credential)
        known = (shared, self._unsaved.get(lock.credential))
        fitting = [each for each in known if each is not None and each.base == row.generation]
        return max(fitting, key=lambda each: each.generation, default=None)

    async def keep(self, lock: CredentialLock, new: NewRefreshToken) -> None:
        """Keep a refresh token that could not be saved, here and in Valkey, and try to save it in the background."""
        self._log.warning("token.rotation_kept", credential_id=lock.credential.hex())
        self._unsaved[lock.credential] = new
        await self._cache.put_refresh_token(lock.account, lock.credential, new)
        if lock.credential not in self._saving:
            self._saving.add(lock.credential)
            self._background.detach(self._save_later(lock.account, lock.credential), name="token.save")

    async def forget(self, lock: CredentialLock) -> None:
        """Remove what was kept of a credential: it is saved, or refused."""
        self._unsaved.pop(lock.credential, None)
        await self._cache.drop_refresh_token(lock.account, lock.credential)

    async def _save_later(self, account: AccountId, credential: CredentialId) -> None:
        lock = CredentialLock(account=account, credential=credential, holder=self._random.bytes(16))
        pause = FIRST_PAUSE
        try:
            while (own := self._unsaved.get(credential)) is not None:
                try:
                    await self._try_to_save(lock, own)
                except HookwardError as error:
                    self._log.warning(
                        "token.rotation_waits", credential_id=credential.hex(), error=type(error).__name__
                    )
                    await self._share(lock, own)
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE)
        finally:
            self._saving.discard(credential)

    async def _try_to_save(self, lock: CredentialLock, own: NewRefreshToken) -> None:
        row = await self._store.acquire(lock, seconds=self._lock_seconds)
        try:
            if row is None or row.generation != own.base:  # the row has got another refresh token
                self._unsaved = {id_: kept for id_, kept in self._unsaved.items() if kept is not own}
            elif row.acquired:
                await self._save_newest(lock, row)
            else:
                await self._share(lock, own)
        finally:
            if row is not None and row.acquired:
                await self._store.release(lock)

    async def _save_newest(self, lock: CredentialLock, row: CredentialRecord) -> None:
        newest = await self.newest(lock, row)
        if newest is not None and await self.save(lock, row, newest):
            await self.forget(lock)
            self._log.info("token.rotation_written", credential_id=lock.credential.hex())

    async def _share(self, lock: CredentialLock, own: NewRefreshToken) -> None:
        """Put ``own`` into Valkey again if that was flushed, unless it holds a newer one."""
        shared = await self._cache.refresh_token(lock.account, lock.credential)
        if shared is None or (shared.base, shared.generation) < (own.base, own.generation):
            await self._cache.put_refresh_token(lock.account, lock.credential, own)
