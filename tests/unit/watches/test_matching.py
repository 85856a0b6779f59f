from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, WatchId
from hookward.domain.resource_types.operations import ChangeKind
from hookward.domain.watches.matching import ALL_KINDS, MatchIndex, Subscription
from tests.unit.resource_types.resource_types import change_event

watches = st.integers(0, 12).map(lambda number: WatchId(number.to_bytes(16, "big")))
accounts = st.sampled_from([1, 2])
types = st.sampled_from(["shop.order", "appointment"])
values = st.sampled_from(["1", "2", "10"])
scopes = st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3)
subscriptions = st.builds(
    lambda watch, account, type_, scope, kinds, since: Subscription(
        watch=watch, account=AccountId(account), resource_type=type_, scope=scope, kinds=kinds, active_since=since
    ),
    watches,
    accounts,
    types,
    scopes,
    st.integers(0, ALL_KINDS) | st.just(ALL_KINDS),
    st.integers(0, 5),
)
events = st.builds(
    lambda account, type_, kind, scope, version: change_event(
        account=account, resource_type=type_, kind=kind, scope=scope, version=version
    ),
    accounts,
    types,
    st.sampled_from(ChangeKind),
    st.fixed_dictionaries({"a": values, "b": values, "c": values}) | scopes,
    st.integers(0, 5),
)
changes = st.lists(subscriptions | watches, max_size=30)


def wants(subscription: Subscription, event: ChangeEvent) -> bool:
    """What a match is, one watch at a time."""
    return (
        subscription.account == event.account
        and subscription.resource_type == event.resource_type
        and all(event.scope.get(name) == value for name, value in subscription.scope.items())
        and bool(subscription.kinds & 1 << event.kind)
        and subscription.active_since <= event.version
    )


def apply(some: list[Subscription | WatchId]) -> tuple[MatchIndex, dict[WatchId, Subscription]]:
    """The same puts, replacements and removals on an index and on a plain dictionary."""
    index, known = MatchIndex(), dict[WatchId, Subscription]()
    for each in some:
        if isinstance(each, Subscription):
            index.put(each)
            known[each.watch] = each
        else:
            index.remove(each)
            known.pop(each, None)
    return index, known


@given(changes, st.lists(events, min_size=1, max_size=8))
def test_a_match_finds_what_a_scan_of_all_watches_finds(
    some: list[Subscription | WatchId], published: list[ChangeEvent]
) -> None:
    index, known = apply(some)
    scanned = [sorted(watch for watch, each in known.items() if wants(each, event)) for event in published]
    assert scanned == [index.match(event) for event in published]


@given(changes)
def test_an_index_holds_each_watch_once(some: list[Subscription | WatchId]) -> None:
    index, known = apply(some)
    assert len(known) == len(index)


@given(changes)
def test_an_index_keeps_nothing_of_what_was_removed(some: list[Subscription | WatchId]) -> None:
    index, known = apply(some)
    for watch in known:
        index.remove(watch)
    assert (len(index), index._index) == (0, {})


def subscription(number: int, **scope: str) -> Subscription:
    return Subscription(
        watch=WatchId(number.to_bytes(16, "big")),
        account=AccountId(1),
        resource_type="shop.order",
        scope=scope,
        kinds=ALL_KINDS,
        active_since=0,
    )


def test_a_watch_that_binds_nothing_hears_of_every_scope() -> None:
    index = MatchIndex()
    index.put(subscription(1))
    assert [len(index.match(change_event(scope={"shopId": shop}))) for shop in ("1", "2")] == [1, 1]


def test_watches_are_found_in_the_order_of_their_ids() -> None:
    index = MatchIndex()
    some = [subscription(3), subscription(1, shopId="9"), subscription(2)]
    for each in some:
        index.put(each)
    assert sorted(each.watch for each in some) == index.match(change_event(scope={"shopId": "9"}))
