"""A watch's view of an event: extra details, the previous state, the zone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.application.delivery.task import LoadedEvent
from hookward.domain.events.document import DocumentOptions
from hookward.domain.events.model import ChangeEvent
from hookward.domain.json import decode_exact, encode_exact
from hookward.domain.resource_types.model import BodyShape
from tests.unit.events.json_strategies import documents, names, texts
from tests.unit.resource_types.resource_types import change_event

SECOND = 1_795_166_130  # 2026-11-20T09:15:30Z
shapes = st.sampled_from(BodyShape)
own_names = st.sampled_from(["date", "event", "previousData", "resource"])
resources = st.dictionaries(own_names | names | texts, documents | own_names, max_size=5)


def event(resource: Any, *, previous: Any = None, extra: Any = None, zone: str | None = None) -> ChangeEvent:
    return msgspec.structs.replace(
        change_event(encode_exact(resource)),
        previous=None if previous is None else encode_exact(previous),
        extra=None if extra is None else encode_exact(extra),
        zone=zone,
    )


def both(perspective: DocumentOptions, change: ChangeEvent, home: str | None = None) -> dict[str, Any]:
    """The document, which is the same as values and as JSON."""
    made = LoadedEvent(change).document(perspective, SECOND, home)
    assert decode_exact(perspective.body(change, SECOND, home)) == decode_exact(encode_exact(made))
    return made


@pytest.mark.parametrize("shape", BodyShape)
def test_the_previous_state_is_there_only_for_who_asks(shape: BodyShape) -> None:
    change = event({"id": 1}, previous={"id": 0})
    assert "previousData" not in both(DocumentOptions(shape=shape), change)
    assert both(DocumentOptions(shape=shape, previous=True), change)["previousData"] == {"id": 0}


@pytest.mark.parametrize("shape", BodyShape)
def test_a_previous_state_that_is_not_known_is_left_out(shape: BodyShape) -> None:
    assert "previousData" not in both(DocumentOptions(shape=shape, previous=True), event({"id": 1}))


def test_the_previous_state_wins_over_a_property_of_that_name() -> None:
    change = event({"id": 1, "previousData": "mine"}, previous={"id": 0})
    asking = DocumentOptions(shape=BodyShape.MERGED, previous=True)
    assert both(asking, change)["previousData"] == {"id": 0}
    assert "previousData" not in both(asking, msgspec.structs.replace(change, previous=None))
    assert both(DocumentOptions(shape=BodyShape.MERGED), change)["previousData"] == "mine"


def test_extra_details_take_the_place_of_the_resource_where_they_were_sent() -> None:
    change = event({"id": 1}, extra={"id": 1, "more": True})
    extra, full = DocumentOptions(shape=BodyShape.WRAPPED, extra=True), DocumentOptions(shape=BodyShape.WRAPPED)
    assert both(extra, change)["resource"] == {"id": 1, "more": True}
    assert both(full, change)["resource"] == {"id": 1}
    assert both(extra, event({"id": 1}))["resource"] == {"id": 1}
    assert both(DocumentOptions(shape=BodyShape.MERGED, extra=True), change)["more"] is True


def test_the_zone_is_that_of_the_event_else_of_the_watch_else_of_the_account() -> None:
    watch = DocumentOptions(shape=BodyShape.MERGED, zone="Europe/Paris")
    assert both(watch, event({}))["date"] == {"dateTime": "2026-11-20T10:15:30", "timeZone": "Europe/Paris"}
    assert both(watch, event({}, zone="Asia/Tokyo"))["date"]["timeZone"] == "Asia/Tokyo"
    assert both(watch, event({}), "Asia/Tokyo")["date"]["timeZone"] == "Europe/Paris"
    assert both(DocumentOptions(shape=BodyShape.MERGED), event({}), "Asia/Tokyo")["date"]["timeZone"] == "Asia/Tokyo"
    assert both(DocumentOptions(shape=BodyShape.MERGED), event({}))["date"]["timeZone"] == "UTC"


@given(resources, st.none() | resources, st.none() | resources, shapes, st.booleans(), st.booleans())
def test_the_body_is_always_the_document(
    resource: Any, previous: Any, extra: Any, shape: BodyShape, asks: bool, details: bool
) -> None:
    both(DocumentOptions(shape=shape, previous=asks, extra=details), event(resource, previous=previous, extra=extra))


def test_each_resource_of_an_event_is_decoded_once() -> None:
    loaded = LoadedEvent(event({"a": 1}, previous={"a": 0}, extra={"a": 2}))
    assert loaded.resource() is loaded.resource()
    assert loaded.extra() is loaded.extra()
    assert loaded.previous() is loaded.previous()
    assert [loaded.resource(), loaded.extra(), loaded.previous()] == [{"a": 1}, {"a": 2}, {"a": 0}]
