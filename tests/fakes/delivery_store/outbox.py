"""The Outbox port."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from hookward.application.delivery.outbox import Claim
from hookward.domain.delivery.model import POISON_CRASHES
from hookward.domain.errors import LeaseLost
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, DeliveryId, EventId, WatchId, millisecond_of
from tests.fakes.delivery_store.rows import FakeRows, OutboxRow


class FakeOutbox(FakeRows):
    """Claims go round the accounts. They are bounded by events, not by bytes."""

    async def claim(self, token: int, *, limit: int) -> list[Claim]:
        self.reach()
        self.fence(token)
        free: defaultdict[AccountId, list[OutboxRow]] = defaultdict(list)
        suspects: list[OutboxRow] = []
        accounts: set[AccountId] = set()
        for row in sorted(self.outbox.values(), key=lambda row: row.seq):
            if row.token is None:
                accounts.add(row.account)
                (suspects if row.crashes >= POISON_CRASHES else free[row.account]).append(row)
        each = max(1, limit // max(1, len(accounts)))
        turns = sorted(
            (turn, account, row.seq) for account, rows in free.items() for turn, row in enumerate(rows[:each])
        )
        claimed, size = suspects[:1], 0
        for _turn, _account, seq in turns:
            if size < limit:
                claimed.append(self.outbox[seq])
            size += len(self.outbox[seq].events)
        for row in claimed:
            row.token = token
            row.claims += 1
        self.reach("claim")
        return [_claim(row) for row in sorted(claimed, key=lambda row: row.seq)]

    async def events(self, ids: Sequence[EventId]) -> Mapping[EventId, ChangeEvent]:
        self.reach("events")
        return {id_: self.event_rows[id_] for id_ in ids if id_ in self.event_rows}

    async def recorded(self, events: Sequence[EventId]) -> set[DeliveryId]:
        self.reach("recorded")
        return {
            id_
            for id_, logged in self.log.items()
            if (event := logged.entry.event) in events and millisecond_of(id_) == millisecond_of(event)
        }

    async def split(self, token: int, claim: Claim) -> None:
        self.reach("split")
        if not self._holds(token, claim):
            return
        row = self.outbox.pop(claim.seq)
        for event in claim.events:
            self.last_seq += 1
            self.outbox[self.last_seq] = OutboxRow(
                self.last_seq, row.account, (event,), claims=row.claims, crashes=row.crashes
            )

    async def fan(self, token: int, claim: Claim, watch: WatchId) -> None:
        self.reach("fan")
        if not self._holds(token, claim):
            raise LeaseLost
        self.outbox[claim.seq].fanned = watch

    def _holds(self, token: int, claim: Claim) -> bool:
        row = self.outbox.get(claim.seq)
        return self.is_live(token) and row is not None and row.token == token


def _claim(row: OutboxRow) -> Claim:
    return Claim(
        seq=row.seq,
        events=row.events,
        claims=row.claims,
        crashes=row.crashes,
        alone=row.alone,
        fanned=row.fanned,
    )
