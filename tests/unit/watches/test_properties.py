"""What a watch may say of its documents, its attempts and its log: each rule by pointer and message."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hookward.domain.delivery.model import StoreBodies
from hookward.domain.errors import Invalid
from hookward.domain.ids import IdPrefix, to_text
from hookward.domain.problems import MAX_UNKNOWN_FIELDS
from hookward.domain.watches.limits import MAX_KEYS
from hookward.domain.watches.model import LevelDetails, WatchBounds, WatchDefinition
from hookward.domain.watches.rules import key_ids_in, read_watch
from tests.unit.resource_types.resource_types import built_in, made_up
from tests.unit.watches.watch_input import KEY_IDS, RIGHT, SECOND, problems, read, the_problem

BOUNDS = WatchBounds(timeout=20, concurrency=8, retries=3, wait=7200)
DURATION = 'must be a duration such as "500ms", "5s", "5m", "2h" or "1d", at most 7d'
ALL = {
    "address": "https://example.com/${$.resource.id}?kind=${$.event}",
    "filter": "$.resource[?@ == 3]",
    "levelDetails": "extraFull",
    "addPreviousData": "true",
    "timeZone": "Europe/Paris",
    "retry": {"schedule": ["5s", "1.5m", "0s"]},
    "timeout": "500ms",
    "concurrency": 3,
    "storeBodies": "failed",
}


def bounded(**changes: Any) -> list[tuple[str | None, str]]:
    with pytest.raises(Invalid) as caught:
        read_watch({**RIGHT, **changes}, made_up(), {}, second=SECOND, bounds=BOUNDS)
    return [(each.pointer, each.message) for each in caught.value.problems]


def test_every_property_is_kept_as_it_was_given() -> None:
    assert read(**ALL).definition == WatchDefinition(
        address="https://example.com/${$.resource.id}?kind=${$.event}",
        scope={"shopId": "9"},
        filter="$.resource[?@ == 3]",
        level_details=LevelDetails.EXTRA_FULL,
        add_previous_data=True,
        time_zone="Europe/Paris",
        retry=("5s", "1.5m", "0s"),
        timeout="500ms",
        concurrency=3,
        store_bodies=StoreBodies.FAILED,
    )


def test_a_definition_with_every_property_survives_being_stored() -> None:
    definition = read(**ALL).definition
    assert msgspec.json.decode(msgspec.json.encode(definition), type=WatchDefinition) == definition


def test_null_is_as_good_as_nothing() -> None:
    assert read() == read(**dict.fromkeys(name for name in ALL if name != "address"))


@pytest.mark.parametrize("value", [True, "true", False, "false"])
def test_previous_data_is_asked_for_by_a_boolean_or_its_text(value: Any) -> None:
    assert read(addPreviousData=value).definition.add_previous_data is (value in (True, "true"))


@pytest.mark.parametrize("value", [0, 1, 1.0, "True", "yes", "", [], {}, [True]])
def test_and_by_nothing_else(value: Any) -> None:
    message = 'addPreviousData must be true or false (or "true" or "false")'
    assert the_problem(addPreviousData=value) == ("/addPreviousData", message)


@pytest.mark.parametrize("value", [0, True, "", "extra", "Full", [], {}])
def test_a_level_of_detail_is_one_of_two_words(value: Any) -> None:
    assert the_problem(levelDetails=value) == ("/levelDetails", "levelDetails must be one of full, extraFull")


@pytest.mark.parametrize("value", [0, True, "", "ALL", "some", [], {}])
def test_the_bodies_that_are_kept_are_one_of_three_words(value: Any) -> None:
    assert the_problem(storeBodies=value) == ("/storeBodies", "storeBodies must be one of all, failed, none")


@pytest.mark.parametrize("value", [0, True, "", "Paris", "../UTC", "Europe/Paris ", "+01:00", [], {}, "\ud800"])
def test_a_zone_is_an_iana_name(value: Any) -> None:
    assert the_problem(timeZone=value) == ("/timeZone", "timeZone must be an IANA name such as Europe/Paris")


@pytest.mark.parametrize("schedule", [[], ["0s"], ["7d"] * 30, ["500ms", "5s", "5m", "2h", "1d"]])
def test_a_schedule_is_waits_within_bounds(schedule: list[str]) -> None:
    assert tuple(schedule) == read(retry={"schedule": schedule}).definition.retry


@pytest.mark.parametrize("value", [None, 5, "5s", {}, ["5s"] * 31])
def test_a_schedule_is_a_list_of_some_length(value: Any) -> None:
    pointer, message = the_problem(retry={"schedule": value})
    assert (pointer, message.split(",")[0]) == ("/retry/schedule", "schedule must be a list of at most 30 durations")


@pytest.mark.parametrize("wait", [None, 5, True, "", "5", "-5s", "5 s", "1w", "8d", "\u0665s", "9" * 400 + "s", [], {}])
def test_each_wait_is_a_duration_of_some_length(wait: Any) -> None:
    assert the_problem(retry={"schedule": ["5s", wait]}) == ("/retry/schedule/1", DURATION)


@pytest.mark.parametrize("value", [0, "x", True, [], ["5s"]])
def test_retry_is_an_object_with_a_schedule(value: Any) -> None:
    assert the_problem(retry=value) == ("/retry", "retry must be an object with schedule")


def test_what_else_retry_holds_is_unknown() -> None:
    found = problems({**RIGHT, "retry": {"schedule": [], "attempts": 3, "max": 1}})
    assert found == [
        ("/retry/attempts", "attempts is unknown; retry holds schedule"),
        ("/retry/max", "max is unknown; retry holds schedule"),
    ]


@pytest.mark.parametrize("value", ["50ms", "2s", "30s", "0.5m"])
def test_a_timeout_is_a_duration_within_bounds(value: str) -> None:
    assert read(timeout=value).definition.timeout == value


@pytest.mark.parametrize("value", [0, 10, True, "", "10", "49ms", "31s", "1m", "0s", "1w", [], {}, "\ud800"])
def test_no_other_timeout_is_taken(value: Any) -> None:
    message = 'timeout must be a duration from 50ms to 30s, such as "2s"'
    assert the_problem(timeout=value) == ("/timeout", message)


@pytest.mark.parametrize("value", [1, 8, 100])
def test_a_concurrency_is_a_number_within_bounds(value: int) -> None:
    assert read(concurrency=value).definition.concurrency == value


@pytest.mark.parametrize("value", [0, -1, 101, 10**30, 2.0, 2.5, True, "8", "", [], {}])
def test_no_other_concurrency_is_taken(value: Any) -> None:
    message = "concurrency must be a whole number from 1 to 100"
    assert the_problem(concurrency=value) == ("/concurrency", message)


def test_bounds_are_as_configured_and_said() -> None:
    assert bounded(timeout="21s", concurrency=9, retry={"schedule": ["3h", "1h"]}) == [
        ("/retry/schedule/0", DURATION.replace("7d", "2h")),
        ("/timeout", 'timeout must be a duration from 50ms to 20s, such as "2s"'),
        ("/concurrency", "concurrency must be a whole number from 1 to 8"),
    ]
    [(pointer, message)] = bounded(retry={"schedule": ["1s"] * 4})
    assert (pointer, "at most 3 durations" in message) == ("/retry/schedule", True)


@pytest.mark.parametrize("value", ["$.resource.seats", "$.resource[?@.id == 'a']", "$['event']", " $.event "])
def test_a_filter_is_a_path(value: str) -> None:
    assert read(filter=value).definition.filter == value


@pytest.mark.parametrize(
    ("value", "gist"),
    [
        ("", "filter: `` does not start with `$`"),
        ("seats > 3", "filter: `seats > 3` does not start with `$`"),
        ("$..id", "filter: `..` searches at any depth, which is not allowed"),
        ("$.a + $.b", "filter: arithmetic (`+`) is not allowed"),
        ("$.a[?@.b =~ '(a+)+$']", "filter: `=~`"),
        ("$.a[", "filter: "),
        ("$" + ".a" * 40, "filter: "),
        ("$.a" + "[?@.b == 1 && " * 9, "filter: "),
        ("$." + "a" * 600, "filter must be a text of at most 512 characters"),
        (5, "filter must be a text"),
        (["$.a"], "filter must be a text"),
        ("$.\ud800", "filter must be a text"),
    ],
)
def test_a_filter_that_may_not_run_is_refused_with_its_place(value: Any, gist: str) -> None:
    pointer, message = the_problem(filter=value)
    assert (pointer, message.startswith(gist)) == ("/filter", True), message


def test_a_filter_that_costs_too_much_on_the_sample_is_refused() -> None:
    resource_type = made_up(sample={"id": 1, "a": [1] * 30_000})
    with pytest.raises(Invalid) as caught:
        read_watch({**RIGHT, "filter": "$.resource.a[?@ > 9]"}, resource_type, {}, second=SECOND)
    [found] = caught.value.problems
    assert (found.pointer, found.message) == (
        "/filter",
        "with the sample of shop.order: the filter touches too many values of the document; select less",
    )


def test_an_address_is_tried_on_the_sample() -> None:
    resource_type = made_up(sample={"id": 1, "a": "x" * 9000})
    with pytest.raises(Invalid) as caught:
        read_watch({"address": "http://h.test/${$.resource.a}"}, resource_type, {}, second=SECOND)
    [found] = caught.value.problems
    assert (found.pointer, found.message) == (
        "/address",
        "with the sample of shop.order: the address would be longer than 8192 characters; select less for it",
    )


def test_what_is_wrong_with_an_address_that_has_placeholders_points_at_it() -> None:
    found = problems({"address": "https://${$.host}/${x}"})
    assert [pointer for pointer, _ in found] == ["/address", "/address"]


@pytest.mark.parametrize("name", sorted(built_in()))
def test_a_filter_and_an_address_see_the_document_with_the_previous_state(name: str) -> None:
    given = {"address": "https://h.test/${$.previousData.id}", "filter": "$.previousData", "addPreviousData": True}
    assert read_watch(given, built_in()[name], {}, second=SECOND).definition.add_previous_data


WRONG: dict[str, Any] = {
    "address": "https://${$.host}/",
    "filter": "x",
    "levelDetails": "some",
    "addPreviousData": "maybe",
    "timeZone": "Mars",
    "retry": {"schedule": ["soon"]},
    "timeout": "1h",
    "concurrency": 0,
    "storeBodies": "few",
    "schema": {"staff": ["${$.a", {"b": "${$..x}"}]},
    "signature": {"cryptoKeyIds": ["x"]},
    "more": 1,
}
POINTERS = {
    "/address", "/filter", "/levelDetails", "/addPreviousData", "/timeZone", "/retry/schedule/0", "/timeout",
    "/concurrency", "/storeBodies", "/schema/staff/0", "/schema/staff/1/b", "/signature/cryptoKeyIds/0", "/more",
}  # fmt: skip


def test_all_that_is_wrong_with_a_watch_is_named_at_once() -> None:
    assert {pointer for pointer, _ in problems(WRONG)} == POINTERS


def test_so_it_is_where_the_type_is_not_known() -> None:
    with pytest.raises(Invalid) as caught:
        read_watch(WRONG, None, {}, second=SECOND)
    assert {each.pointer for each in caught.value.problems} == POINTERS


def test_without_a_type_what_is_right_by_itself_has_no_problem() -> None:
    given = {**ALL, "schema": {"id": "${$.id}"}}
    assert read_watch(given, None, {}, second=SECOND).definition.schema == {"id": "${$.id}"}


def test_a_placeholder_in_a_text_template_is_named_by_line_and_column() -> None:
    pointer, message = the_problem(schema='{"a": 1,\n "b": ${x}}')
    assert (pointer, message.startswith("line 2, column 7: the placeholder `${x}`: ")) == ("/schema", True)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"signature": {"cryptoKeyIds": [KEY_IDS[0], "x", KEY_IDS[1]]}}, {0: KEY_IDS[0], 2: KEY_IDS[1]}),
        ({"signature": {"cryptoKeyIds": KEY_IDS[: MAX_KEYS + 1]}}, {}),
        ({"signature": {"cryptoKeyIds": "x"}}, {}),
        ({"signature": {}}, {}),
        ({"signature": []}, {}),
        ({}, {}),
        ([], {}),
    ],
)
def test_the_keys_that_a_watch_names_are_found_whatever_else_is_wrong(given: Any, found: dict[int, str]) -> None:
    assert {index: to_text(IdPrefix.CRYPTO_KEY, id_) for index, id_ in key_ids_in(given).items()} == found


def test_thousands_of_bad_waits_give_a_bounded_answer() -> None:
    found = problems({**RIGHT, "retry": {"schedule": ["soon"] * 30, **{f"x{number}": 1 for number in range(5000)}}})
    assert len(found) == 30 + MAX_UNKNOWN_FIELDS
