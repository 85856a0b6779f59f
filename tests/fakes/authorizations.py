"""Authorizations under way, in memory, beside definitions in memory; passes the contract suite of the real one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from hookward.application.oauth.credentials import NewCredential
from hookward.application.watches.authorizations import NewFlow, StoredFlow
from hookward.domain.ids import AccountId, CredentialId, WatchId
from hookward.domain.watches.model import WatchStatus
from tests.fakes.stores import FakeDefinitions


class FakeFlows:
    """A ``FlowStore``; ``elapsed`` is how far its clock was put forward."""

    def __init__(self, definitions: FakeDefinitions) -> None:
        self.flows: dict[bytes, tuple[NewFlow, datetime]] = {}
        self.elapsed = timedelta()
        self._definitions = definitions

    async def begin(self, flow: NewFlow, *, seconds: float, most: int) -> datetime | None:
        if await self._definitions.watch(flow.account, flow.watch) is None:
            return None
        mine = [state for state, (other, _) in self.flows.items() if other.watch == flow.watch]
        for state in mine[: max(0, len(mine) - most + 1)]:
            del self.flows[state]
        until = self._now() + timedelta(seconds=seconds)
        self.flows[flow.state] = flow, until
        return until

    async def take(self, state: bytes, *, watch: WatchId | None) -> StoredFlow | None:
        flow, until = self.flows.get(state, (None, None))
        if flow is None or until is None or watch not in (None, flow.watch):
            return None
        del self.flows[state]
        if await self._definitions.watch(flow.account, flow.watch) is None or until <= self._now():
            return None
        return StoredFlow(account=flow.account, watch=flow.watch, sealed=flow.sealed)

    async def authorized(
        self, account: AccountId, watch: WatchId, before: CredentialId, credential: NewCredential, *, reason: str
    ) -> bool:
        row = await self._definitions.watch(account, watch)
        if row is None or row.credential != before:
            return False
        version = self._definitions.version + 1
        made = self._definitions._find_or_make(account, credential)
        for other in list(self._definitions._watches.values()):
            if other.credential == before and other.owner == row.owner:
                waits = other.status == WatchStatus.PAUSED and other.status_reason == reason
                self._definitions._watches[other.id] = msgspec.structs.replace(
                    other,
                    credential=made,
                    version=version,
                    status=WatchStatus.ENABLED if waits else other.status,
                    status_reason=None if waits else other.status_reason,
                )
        self._definitions.version = version
        self._definitions._drop_unused()
        return True

    def _now(self) -> datetime:
        return datetime.fromtimestamp(1_780_000_000, UTC) + self.elapsed
