"""What a published event may be: each rule by the pointer and the gist of its message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

import pytest

from hookward.domain.events.rules import MAX_ID, ValidEvent, _exists, type_names
from hookward.domain.resource_types.operations import ChangeKind
from tests.unit.events.events import RIGHT, TYPES, problems, read, the_problem


def test_an_event_may_hold_only_what_it_must() -> None:
    assert read() == ValidEvent(
        type=TYPES["shop.order"].type,
        kind=ChangeKind.UPDATED,
        scope={"shopId": "9"},
        resource={"id": "o-1"},
        resource_id="o-1",
        previous=None,
        extra=None,
        zone=None,
        occurred=None,
        key=None,
    )


def test_an_event_may_hold_everything() -> None:
    event = read(
        previousData={"seats": 1},
        extraFull={"seats": 2},
        resourceId="o-2",
        occurredAt="2026-11-20T10:15:30+01:00",
        timeZone="Europe/Paris",
        id="k-1",
    )
    assert (event.previous, event.extra, event.resource_id, event.zone, event.key, event.occurred) == (
        {"seats": 1},
        {"seats": 2},
        "o-2",
        "Europe/Paris",
        "k-1",
        datetime(2026, 11, 20, 9, 15, 30, tzinfo=UTC),
    )


@pytest.mark.parametrize("name", ["resource", "extraFull", "previousData"])
@pytest.mark.parametrize("value", [1, 0, "", "x", True, False, [], [{}]])
def test_resources_are_objects(name: str, value: Any) -> None:
    assert the_problem(**{name: value}) == (f"/{name}", f"{name} must be a JSON object")


def test_null_is_as_good_as_nothing_where_nothing_is_needed() -> None:
    names = ("previousData", "extraFull", "resourceId", "occurredAt", "timeZone", "id")
    assert read() == read(**dict.fromkeys(names))


@pytest.mark.parametrize("kind", ChangeKind)
def test_every_kind_can_be_published(kind: ChangeKind) -> None:
    assert kind is read(event=kind.word).kind


@pytest.mark.parametrize("given", [None, True, 1, 1.5, "x", [], [RIGHT]])
def test_an_event_is_an_object(given: Any) -> None:
    assert problems(given) == [("", "an event must be a JSON object")]


@pytest.mark.parametrize("word", [None, "Created", "change", 1, True, [], {}])
def test_the_kind_is_one_of_four_words(word: Any) -> None:
    assert the_problem(event=word) == ("/event", "event must be one of created, updated, deleted, merged")


@pytest.mark.parametrize("name", [None, "nothing", "", 1, [], {}])
def test_the_type_is_one_that_is_known(name: Any) -> None:
    pointer, message = the_problem(resourceType=name)
    assert (
        pointer,
        message.startswith("resourceType must be one of appointment, conference."),
    ) == ("/resourceType", True)


@pytest.mark.parametrize("name", ["resource", "extraFull"])
def test_resource_and_extra_are_held_to_the_schema(name: str) -> None:
    assert the_problem(**{name: {"id": 1, "seats": "x"}}) == (f"/{name}/seats", "seats is no number")


@pytest.mark.parametrize("key", ["a", "!~", "x" * MAX_ID])
def test_an_idempotency_key_is_visible_ascii(key: str) -> None:
    assert key == read(id=key).key


@pytest.mark.parametrize("key", ["", "a b", "é", "\n", "a\n", "x" * (MAX_ID + 1), "\x7f", "\ud800", 1, True, [], {}])
def test_any_other_idempotency_key_is_refused(key: Any) -> None:
    assert the_problem(id=key) == ("/id", "id must be 1 to 255 visible ASCII characters")


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("2026-11-20T10:15:30Z", 30),
        ("2026-11-20T10:15:30.000z", 30),
        ("2026-11-20T11:15:31+01:00", 31),
        ("2026-11-20T00:15:32-10:00", 32),
    ],
)
def test_the_moment_of_an_event_is_kept_in_utc(text: str, second: int) -> None:
    assert datetime(2026, 11, 20, 10, 15, second, tzinfo=UTC) == read(occurredAt=text).occurred


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "2026-11-20",
        "2026-11-20T10:15:30",
        "2026-02-30T10:15:30Z",
        "2026-11-20T10:15:30+25:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "\ud800",
        1_795_166_130,
        1.5,
        True,
        [],
        {},
    ],
)
def test_the_moment_of_an_event_needs_date_time_and_offset(value: Any) -> None:
    assert the_problem(occurredAt=value) == (
        "/occurredAt",
        "occurredAt must be an RFC 3339 date-time with offset, such as 2026-11-20T10:15:30Z",
    )


@pytest.mark.parametrize(
    "zone",
    [
        "",
        "Paris",
        "../UTC",
        "posix/Europe/Paris",
        "right/Europe/Paris",
        "posixrules",
        "localtime",
        "UTC\n",
        "/etc/localtime",
        "Europe",
        "Europe/",
        "\0",
        "é",
        "x" * 5000,
        "\ud800",
        1,
        True,
        [],
    ],
)
def test_an_unknown_time_zone_is_refused(zone: Any) -> None:
    assert the_problem(timeZone=zone) == ("/timeZone", "timeZone must be an IANA name such as Europe/Paris")


def test_every_time_zone_can_be_named() -> None:
    zones = sorted(available_timezones() - {"localtime"})
    assert zones == [read(timeZone=zone).zone for zone in zones]


def test_a_long_time_zone_is_not_kept_in_memory() -> None:
    before = _exists.cache_info().currsize
    the_problem(timeZone="Z" * 1_000_000)
    assert before == _exists.cache_info().currsize


def test_of_very_many_types_some_are_named() -> None:
    names = [f"t{number:03}" for number in range(60)]
    assert type_names(names) == ", ".join(names[:50]) + " and 10 more (GET /v1/resource-types)"
