from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.ids import (
    EventId,
    IdPrefix,
    WatchId,
    delivery_id_of,
    from_text,
    millisecond_of,
    to_text,
    unix_ms_of,
    uuid7,
)

moments = st.integers(0, 2**48 - 1)
chances = st.binary(min_size=10, max_size=10)
ids = st.builds(uuid7, moments, chances)
prefixes = st.sampled_from(IdPrefix)
AN_ID = uuid7(1_763_600_000_000, bytes(range(10)))


@given(moments, chances)
def test_an_id_is_a_uuid_of_version_7(moment: int, chance: bytes) -> None:
    made = UUID(bytes=uuid7(moment, chance))
    assert (made.variant, made.version) == ("specified in RFC 4122", 7)


@given(moments, chances)
def test_an_id_carries_its_moment(moment: int, chance: bytes) -> None:
    assert moment == unix_ms_of(uuid7(moment, chance))


@given(prefixes, ids)
def test_an_id_survives_being_written_and_read(prefix: IdPrefix, identifier: bytes) -> None:
    assert identifier == from_text(prefix, to_text(prefix, identifier))


@given(prefixes, st.lists(ids, max_size=8))
def test_texts_sort_as_their_ids(prefix: IdPrefix, some: list[bytes]) -> None:
    assert [to_text(prefix, each) for each in sorted(some)] == sorted(to_text(prefix, each) for each in some)


@given(moments, moments, chances, chances)
def test_ids_sort_by_time(one: int, other: int, chance: bytes, luck: bytes) -> None:
    first, second = sorted([one, other])
    assert first == second or uuid7(first, chance) < uuid7(second, luck)


@given(ids, ids)
def test_the_ids_of_a_millisecond_lie_between_its_bounds(one: bytes, other: bytes) -> None:
    least, greatest = millisecond_of(one)
    assert (least <= other <= greatest) == (unix_ms_of(one) == unix_ms_of(other))


@given(prefixes, ids)
def test_a_text_holds_no_dot_so_that_it_can_be_signed(prefix: IdPrefix, identifier: bytes) -> None:
    assert "." not in to_text(prefix, identifier)


@given(ids, ids)
def test_a_delivery_id_is_a_function_of_event_and_watch(event: bytes, watch: bytes) -> None:
    assert delivery_id_of(EventId(event), WatchId(watch)) == delivery_id_of(
        EventId(bytes(event)), WatchId(bytes(watch))
    )


@given(ids, ids, ids, ids)
def test_two_deliveries_share_an_id_only_when_they_share_event_and_watch(
    event: bytes, watch: bytes, other_event: bytes, other_watch: bytes
) -> None:
    one = delivery_id_of(EventId(event), WatchId(watch))
    other = delivery_id_of(EventId(other_event), WatchId(other_watch))
    assert ((event, watch) == (other_event, other_watch)) == (one == other)


@given(ids, ids)
def test_a_delivery_id_carries_the_time_of_its_event(event: bytes, watch: bytes) -> None:
    assert unix_ms_of(event) == unix_ms_of(delivery_id_of(EventId(event), WatchId(watch)))


def test_the_layout_of_a_delivery_id_never_changes() -> None:
    event, watch = EventId(AN_ID), WatchId(uuid7(1, bytes(10)))
    assert to_text(IdPrefix.DELIVERY, delivery_id_of(event, watch)) == "dlv_019a9ec06400740fbf5aa9776bb08c3d"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "evt",
        "evt_",
        AN_ID.hex(),
        to_text(IdPrefix.WATCH, AN_ID),
        to_text(IdPrefix.EVENT, AN_ID)[:-1],
        to_text(IdPrefix.EVENT, AN_ID) + "0",
        "evt_" + AN_ID.hex().upper(),
        "evt__" + AN_ID.hex()[1:],
        "evt_" + "g" * 32,
        "evt_" + "é" * 32,
        "evt_" + "٣" * 32,
        "evt_" + "\ud800" * 32,
        "evt_" + "ab " * 10 + "ab",
        "evt_" + AN_ID.hex() + "\n",
    ],
)
def test_what_is_no_id_of_the_kind_is_not_read(text: str) -> None:
    assert from_text(IdPrefix.EVENT, text) is None


@given(prefixes, st.text())
def test_any_text_is_read_as_an_id_or_not_at_all(prefix: IdPrefix, text: str) -> None:
    assert from_text(prefix, text) is None
