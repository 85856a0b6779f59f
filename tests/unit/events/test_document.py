from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.events.document import body_without_template, date, event_document
from hookward.domain.json import decode_exact, encode_exact
from hookward.domain.resource_types.model import BodyShape
from hookward.domain.resource_types.operations import ChangeKind
from tests.unit.events.json_strategies import documents, names, texts
from tests.unit.resource_types.resource_types import change_event

SECOND = 1_795_166_130  # 2026-11-20T09:15:30Z
zones = st.sampled_from(["UTC", "Europe/Paris", "Asia/Kathmandu", "America/St_Johns"])
seconds = st.integers(0, 4_102_444_800)
own_names = st.sampled_from(["date", "event", "previousData", "resource", "resourceType", "scope"])
resources = st.dictionaries(own_names | names | texts, documents | own_names, max_size=6)
shapes = st.sampled_from(BodyShape)
kinds = st.sampled_from(ChangeKind)


def escaped(text: str) -> str:
    return '"' + "".join(f"\\u{unit:04x}" for unit in _utf16(text)) + '"'


def _utf16(text: str) -> list[int]:
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


@given(seconds, zones)
def test_a_date_is_the_moment_on_the_clocks_of_its_zone(second: int, zone: str) -> None:
    shown = date(second, zone)
    moment = datetime.fromisoformat(shown["dateTime"]).replace(tzinfo=ZoneInfo(shown["timeZone"]))
    local = datetime.fromtimestamp(second, ZoneInfo(zone))
    assert (local.replace(fold=0), zone) == (moment, shown["timeZone"])


def test_a_date_reads_as_the_contract_shows() -> None:
    assert date(SECOND, "Europe/Paris") == {"dateTime": "2026-11-20T10:15:30", "timeZone": "Europe/Paris"}


def test_a_zone_that_is_not_known_here_gives_utc() -> None:
    assert date(SECOND, "Mars/Olympus") == {"dateTime": "2026-11-20T09:15:30", "timeZone": "UTC"}


def test_a_merged_document_is_the_resource_with_date_and_event() -> None:
    event = change_event(kind=ChangeKind.CREATED)
    assert event_document(event, {"id": 7}, shape=BodyShape.MERGED, second=SECOND, zone="UTC") == {
        "id": 7,
        "date": {"dateTime": "2026-11-20T09:15:30", "timeZone": "UTC"},
        "event": "created",
    }


def test_date_and_event_win_over_properties_of_those_names() -> None:
    made = event_document(
        change_event(), {"date": 1, "event": 2, "id": 3}, shape=BodyShape.MERGED, second=SECOND, zone="UTC"
    )
    assert made == {"date": date(SECOND, "UTC"), "event": "updated", "id": 3}


def test_a_wrapped_document_keeps_the_resource_apart() -> None:
    event = change_event(kind=ChangeKind.DELETED, scope={"shopId": "9"})
    assert event_document(event, {"date": 1}, shape=BodyShape.WRAPPED, second=SECOND, zone="UTC") == {
        "event": "deleted",
        "date": date(SECOND, "UTC"),
        "resourceType": "shop.order",
        "scope": {"shopId": "9"},
        "resource": {"date": 1},
    }


@given(resources, shapes, kinds, seconds, zones, st.dictionaries(names, texts, max_size=4))
def test_the_body_without_template_is_the_document(
    resource: dict[str, Any], shape: BodyShape, kind: ChangeKind, second: int, zone: str, scope: dict[str, str]
) -> None:
    event = change_event(encode_exact(resource), kind=kind, scope=scope)
    built = event_document(event, resource, shape=shape, second=second, zone=zone)
    body = body_without_template(event, shape=shape, second=second, zone=zone)
    assert decode_exact(encode_exact(built)) == decode_exact(body)


@given(resources, shapes)
def test_the_body_names_no_property_twice(resource: dict[str, Any], shape: BodyShape) -> None:
    body = body_without_template(change_event(encode_exact(resource)), shape=shape, second=SECOND, zone="UTC")
    top: list[list[str]] = []
    json.loads(body, object_pairs_hook=lambda pairs: top.append([name for name, _ in pairs]))
    assert sorted(set(top[-1])) == sorted(top[-1])


@pytest.mark.parametrize("name", ["date", "event", "previousData", "dat\u00e9"])
@pytest.mark.parametrize("shape", BodyShape)
def test_a_property_written_in_escapes_is_still_the_same_property(name: str, shape: BodyShape) -> None:
    body = f'{{"id":1,{escaped(name)}:2,"dat\\u0065":3}}'.encode()
    event = change_event(body)
    built = event_document(event, event.resource(), shape=shape, second=SECOND, zone="UTC")
    assert built == decode_exact(body_without_template(event, shape=shape, second=SECOND, zone="UTC"))


def test_a_wrapped_body_holds_the_very_bytes_of_the_resource() -> None:
    resource = b'{"price":1.50,"name":"\\u00e9","seats":1E2}'
    body = body_without_template(change_event(resource), shape=BodyShape.WRAPPED, second=SECOND, zone="UTC")
    assert body.endswith(b'"resource":' + resource + b"}")


def test_an_empty_resource_leaves_date_and_event() -> None:
    body = body_without_template(change_event(b"{}"), shape=BodyShape.MERGED, second=SECOND, zone="UTC")
    assert {"date": date(SECOND, "UTC"), "event": "updated"} == decode_exact(body)
