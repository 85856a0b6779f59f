"""The backlog: an account with too many undelivered events and deliveries may not publish (G6)."""

from __future__ import annotations

import asyncio
from typing import Protocol

from hookward.application.ports import Log
from hookward.domain.errors import StoreUnavailable, TooManyPending
from hookward.domain.ids import AccountId

CHECK_SECONDS = 5.0
RETRY_AFTER_SECONDS = 10
_EASE = 0.9


class BacklogStore(Protocol):
    """Counts undelivered events and deliveries."""

    async def backlog(self, account: AccountId, *, limit: int) -> int:
        """Return how many events and deliveries of an account wait, at most ``limit``."""
        ...


class Backlogs:
    """The accounts that are over ``bound``, counted by each api process every few seconds while they publish.

    Between two counts an account may go over its bound by what it publishes: the bound protects the store, it is not a
    quota. An account that is over it may publish again once it is a tenth below.
    """

    def __init__(self, store: BacklogStore, *, bound: int, log: Log) -> None:
        self._store = store
        self._bound = bound
        self._log = log
        self._publishing: set[AccountId] = set()
        self._over: set[AccountId] = set()

    def check(self, account: AccountId) -> None:
        """Note that an account publishes; raise TooManyPending while it is over its bound."""
        if account in self._over:
            raise TooManyPending(
                f"more than {self._bound} events and deliveries of this account wait; publish again when its endpoints "
                "have taken some, or disable the watches that are behind",
                retry_after=RETRY_AFTER_SECONDS,
            )
        self._publishing.add(account)

    async def run(self) -> None:
        """Count the backlogs of accounts that publish, and of those that are over their bound, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            accounts, self._publishing = self._publishing | self._over, set()
            for account in sorted(accounts):
                try:
                    await self._look_at(account)
                except StoreUnavailable:  # publish raises it, too
                    break

    async def _look_at(self, account: AccountId) -> None:
        waits = await self._store.backlog(account, limit=self._bound + 1)
        if account in self._over:
            if waits <= self._bound * _EASE:
                self._over.discard(account)
                self._log.info("backlog.eased", account=account, waits=waits)
        elif waits > self._bound:
            self._over.add(account)
            self._log.warning("backlog.over", account=account, bound=self._bound)
