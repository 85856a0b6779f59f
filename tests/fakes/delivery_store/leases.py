"""The Leases port."""

from __future__ import annotations

from collections import defaultdict

from hookward.domain.delivery.model import POISON_CRASHES
from hookward.domain.errors import LeaseLost
from tests.fakes.delivery_store.rows import ABANDONED, FakeRows, OutboxRow, WaitingRow


class FakeLeases(FakeRows):
    """Leases end by the clock alone, as PostgreSQL's do some time after its start."""

    async def begin(self, _worker: str, seconds: float) -> int:
        self.reach("begin")
        self.last_token += 1
        self.leases[self.last_token] = self.now() + seconds
        return self.last_token

    async def renew(self, token: int, seconds: float) -> None:
        self.reach("renew")
        if not self.is_live(token):
            raise LeaseLost
        self.leases[token] = self.now() + seconds

    async def end(self, token: int) -> None:
        self.reach("end")
        self.leases.pop(token, None)
        self._free(token, crashed=0)

    async def abandon(self, token: int) -> None:
        self.reach("abandon")
        if token in self.leases:
            self.leases[token] = ABANDONED

    async def take_over(self) -> tuple[int, int, int]:
        self.reach("take_over")
        dead = [token for token, until in self.leases.items() if until < self.now()]
        for token in dead:
            del self.leases[token]
        freed = [self._free(token, crashed=1) for token in dead]
        return len(dead), sum(events for events, _ in freed), sum(deliveries for _, deliveries in freed)

    def _free(self, token: int, *, crashed: int) -> tuple[int, int]:
        """Free what was held under a lease; return how many outbox rows and how many waiting deliveries."""
        rows = [row for row in self.outbox.values() if row.token == token]
        deliveries = [row for row in self.waiting.values() if row.token == token]
        _blame([*rows, *deliveries], crashed)
        waits = {row.lane for row in deliveries}
        given: defaultdict[int, int] = defaultdict(int)
        for lane, holder in [key for key in self.grants if key[1] == token]:
            given[lane] += self.grants.pop((lane, holder))
        for id_ in waits | set(given):
            lane_row = self.lanes[id_]
            lane_row.in_use = max(0, lane_row.in_use - given[id_])
            lane_row.behind = lane_row.behind or id_ in waits
            if lane_row.closing is not None:
                lane_row.wake_at = self.now()
            elif lane_row.paused:
                lane_row.wake_at = None
            elif lane_row.behind:
                lane_row.wake_at = self.now()
        return len(rows), len(deliveries)


def _blame(held: list[OutboxRow | WaitingRow], crashed: int) -> None:
    """Count a crash for all that a worker died with, and one that is known to be the cause as such."""
    suspects = [each for each in held if each.crashes >= POISON_CRASHES]
    for each in held:
        is_cause = len(held) == 1 or (len(suspects) == 1 and suspects[0] is each)
        each.token = None
        each.crashes += crashed
        each.alone += crashed * is_cause
