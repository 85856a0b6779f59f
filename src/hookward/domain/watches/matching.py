"""Match events with watches: a look-up by account, type and scope, never a scan."""

from __future__ import annotations

import msgspec

from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, WatchId
from hookward.domain.resource_types.operations import ChangeKind

ALL_KINDS = sum(1 << kind for kind in ChangeKind)


class Subscription(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The part of a watch that matching needs.

    ``scope`` holds only the parameters that are bound to a value; ``kinds`` is a bit set of ``ChangeKind``;
    ``active_since`` the definition version from which on events apply.
    """

    watch: WatchId
    account: AccountId
    resource_type: str
    scope: dict[str, str]
    kinds: int
    active_since: int


type_key = tuple[int, str]


class MatchIndex:
    """Subscriptions by (account, type), then by the names of the scope parameters they bind, then by the values."""

    def __init__(self) -> None:
        self._subscriptions: dict[WatchId, Subscription] = {}
        self._index: dict[type_key, dict[tuple[str, ...], dict[tuple[str, ...], dict[WatchId, Subscription]]]] = {}

    def __len__(self) -> int:
        return len(self._subscriptions)

    def put(self, subscription: Subscription) -> None:
        """Add or replace a subscription."""
        self.remove(subscription.watch)
        self._subscriptions[subscription.watch] = subscription
        shape, values = _place(subscription)
        shapes = self._index.setdefault((subscription.account, subscription.resource_type), {})
        shapes.setdefault(shape, {}).setdefault(values, {})[subscription.watch] = subscription

    def remove(self, watch: WatchId) -> None:
        """Remove a watch if it is there."""
        subscription = self._subscriptions.pop(watch, None)
        if subscription is None:
            return
        key = (subscription.account, subscription.resource_type)
        shape, values = _place(subscription)
        shapes = self._index[key]
        del shapes[shape][values][watch]
        if not shapes[shape][values]:
            del shapes[shape][values]
        if not shapes[shape]:
            del shapes[shape]
        if not shapes:
            del self._index[key]

    def match(self, event: ChangeEvent) -> list[WatchId]:
        """Return the watches that match ``event``, ordered by id."""
        shapes = self._index.get((event.account, event.resource_type))
        if shapes is None:
            return []
        bit = 1 << event.kind
        found = [
            subscription.watch
            for shape, by_values in shapes.items()
            for subscription in by_values.get(tuple([event.scope.get(name, "") for name in shape]), {}).values()
            if subscription.kinds & bit and subscription.active_since <= event.version
        ]
        if len(found) > 1:
            found.sort()
        return found


def _place(subscription: Subscription) -> tuple[tuple[str, ...], tuple[str, ...]]:
    shape = tuple(sorted(subscription.scope))
    return shape, tuple([subscription.scope[name] for name in shape])
