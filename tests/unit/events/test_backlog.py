from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hookward.application.events.backlog import CHECK_SECONDS, RETRY_AFTER_SECONDS, Backlogs
from hookward.domain.errors import StoreUnavailable, TooManyPending
from hookward.domain.ids import AccountId
from tests.fakes.null_log import NullLog

pytestmark = pytest.mark.virtual_time

NOISY, QUIET = AccountId(1), AccountId(2)
BOUND = 100


class FakeBacklogs:
    """What waits, by account; ``asked`` is who was looked at, and how far."""

    def __init__(self) -> None:
        self.waits: dict[AccountId, int] = {}
        self.asked: list[tuple[AccountId, int]] = []
        self.away = False

    async def backlog(self, account: AccountId, *, limit: int) -> int:
        self.asked.append((account, limit))
        if self.away:
            raise StoreUnavailable("away")
        return min(self.waits.get(account, 0), limit)


class BacklogCase:
    def __init__(self) -> None:
        self.store = FakeBacklogs()
        self.log = NullLog()
        self.backlogs = Backlogs(self.store, bound=BOUND, log=self.log)

    async def publishes(self, account: AccountId) -> bool:
        """Whether an account may publish; then a round goes by."""
        try:
            self.backlogs.check(account)
        except TooManyPending as refused:
            return refused.retry_after != RETRY_AFTER_SECONDS
        finally:
            await asyncio.sleep(CHECK_SECONDS)
        return True


@pytest_asyncio.fixture
async def case() -> AsyncIterator[BacklogCase]:
    case = BacklogCase()
    task = asyncio.create_task(case.backlogs.run(), name="test.backlogs")
    await asyncio.sleep(1)
    yield case
    task.cancel()
    await asyncio.wait([task])


async def test_an_account_over_its_bound_is_refused_and_no_other(case: BacklogCase) -> None:
    case.store.waits[NOISY] = BOUND + 1
    assert [await case.publishes(each) for each in (NOISY, QUIET, NOISY, QUIET)] == [True, True, False, True]
    assert case.log.events == ["backlog.over"]


async def test_an_account_at_its_bound_may_publish(case: BacklogCase) -> None:
    case.store.waits[NOISY] = BOUND
    assert [await case.publishes(NOISY) for _ in range(3)] == [True] * 3


async def test_an_account_publishes_again_once_it_is_a_tenth_below_its_bound(case: BacklogCase) -> None:
    answers = []
    for waits in (101, 101, 91, 90, 90):
        case.store.waits[NOISY] = waits
        answers.append(await case.publishes(NOISY))
    assert answers == [True, False, False, False, True]
    assert case.log.events == ["backlog.over", "backlog.eased"]


async def test_who_does_not_publish_is_not_looked_at(case: BacklogCase) -> None:
    await case.publishes(QUIET)
    await asyncio.sleep(10 * CHECK_SECONDS)
    assert case.store.asked == [(QUIET, BOUND + 1)]


async def test_a_store_that_is_away_changes_nothing(case: BacklogCase) -> None:
    case.store.waits[NOISY] = BOUND + 1
    await case.publishes(NOISY)
    case.store.away, case.store.waits[NOISY] = True, 0
    assert not await case.publishes(NOISY)
    case.store.away = False
    assert [await case.publishes(NOISY) for _ in range(2)] == [False, True]
