"""The use cases of watches on the resource types of tests, and short ways to call them."""

from __future__ import annotations

from typing import Any

from hookward.application.records import WatchRecord
from hookward.application.watches.service import Watches
from hookward.domain.ids import AccountId
from tests.fakes.access import caller_of
from tests.fakes.resource_types import KnownTypes
from tests.fakes.worker_harness import SHOP

SHOP_TYPE = KnownTypes(SHOP)


async def create_watch(
    watches: Watches, account: AccountId, given: Any, scope: dict[str, str], *, owner: str | None = None
) -> tuple[WatchRecord, str | None]:
    """Create a watch on shop orders; return it with the secret of a key that was created with it."""
    stored = await watches.create(caller_of(account, owner), {"resourceType": SHOP.name, "scope": scope, **given})
    return stored.record, stored.secret
