"""The events of test sends, and previews."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hookward.domain.errors import Invalid, Problem
from hookward.domain.problems import problem_at
from hookward.domain.resource_types.model import BodyShape, CompiledType
from hookward.domain.resource_types.operations import ChangeKind
from hookward.domain.watches.test_send import preview, read_trial
from tests.fakes.worker_harness import SHOP
from tests.unit.watches.watch_input import SECOND


class Picky:
    """A schema that refuses resources with ``bad``."""

    def problems(self, resource: Any, *at: str | int) -> list[Problem]:
        return [problem_at("bad", *at, "bad")] if "bad" in resource else []


TYPES = {
    SHOP.name: CompiledType(SHOP, Picky()),
    "merged": CompiledType(
        type(SHOP)(name="merged", scope=(), identity=("id",), body=BodyShape.MERGED, schema={}, sample={"id": "1"}),
        Picky(),
    ),
}


def render(given: Any) -> Any:
    return msgspec.json.decode(preview(given, TYPES, second=SECOND))


def pointers_of_preview(given: Any) -> list[str | None]:
    with pytest.raises(Invalid) as refused:
        render(given)
    return [each.pointer for each in refused.value.problems]


def test_a_trial_is_the_sample_updated() -> None:
    change = read_trial({}, TYPES[SHOP.name], {"shopId": "7"})
    assert (change.kind, change.scope, change.resource_id, change.resource()) == (
        ChangeKind.UPDATED, {"shopId": "7"}, "1", {"id": "1"},
    )  # fmt: skip


@pytest.mark.parametrize(("resource", "id_"), [({"id": "mine"}, "mine"), ({"name": "x"}, "1")])
def test_a_trial_may_bring_event_and_resource(resource: dict[str, Any], id_: str) -> None:
    change = read_trial({"event": "deleted", "resource": resource}, TYPES[SHOP.name], {})
    assert (change.kind, change.resource_id, change.resource()) == (ChangeKind.DELETED, id_, resource)


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        (None, [""]), ({"x": 1, "event": "gone", "resource": {"bad": 1}}, ["/x", "/event", "/resource/bad"]),
        ({"event": 7, "resource": []}, ["/event", "/resource"]),
    ],
)  # fmt: skip
def test_everything_wrong_with_a_trial_is_named(given: Any, pointers: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        read_trial(given, TYPES[SHOP.name], {})
    assert [each.pointer for each in refused.value.problems] == pointers


def test_a_preview_without_a_template_is_the_document() -> None:
    shown = render({"resourceType": "merged", "timeZone": "Asia/Tokyo"})
    assert shown.pop("date")["timeZone"] == "Asia/Tokyo"
    assert shown == {"id": "1", "event": "updated"}


def test_a_preview_renders_a_document_as_it_is() -> None:
    assert render({"schema": {"a": "${$.b}"}, "document": {"b": "c"}}) == {"a": "c"}


@pytest.mark.parametrize(
    ("given", "previous"),
    [
        ({"addPreviousData": True}, {"id": "1"}),
        ({"addPreviousData": "true", "previousData": {"id": "0"}}, {"id": "0"}),
        ({"addPreviousData": "false", "previousData": {"id": "0"}}, None), ({"previousData": {"id": "0"}}, None),
    ],
)  # fmt: skip
def test_a_preview_adds_what_was_before_where_the_watch_would(given: dict[str, Any], previous: Any) -> None:
    assert render({"resourceType": SHOP.name, **given}).get("previousData") == previous


@pytest.mark.parametrize(
    ("given", "id_"),
    [
        ({"extraFull": {"id": "x"}}, "1"), ({"levelDetails": "extraFull"}, "1"), ({"levelDetails": "full"}, "1"),
        ({"extraFull": {"id": "x"}, "levelDetails": "extraFull"}, "x"), ({"resource": {"id": "r"}}, "r"),
    ],
)  # fmt: skip
def test_a_preview_shows_the_resource_that_the_level_asks_for(given: dict[str, Any], id_: str) -> None:
    assert render({"resourceType": SHOP.name, **given})["resource"] == {"id": id_}


def test_the_scope_of_a_preview_is_bound_where_it_is_given() -> None:
    assert render({"resourceType": SHOP.name, "scope": {"shopId": 7}})["scope"] == {"shopId": "7"}


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        ([], [""]),
        ({"x": 1}, ["/x", ""]),
        ({"resourceType": "none"}, ["/resourceType"]),
        ({"resourceType": 7}, ["/resourceType"]),
        ({"document": {}, "resourceType": SHOP.name}, [""]),
        ({"document": 7, "scope": {}}, ["/document", "/scope"]),
        ({"schema": 7, "document": {}}, ["/schema"]),
        ({"schema": {"a/b": ["${$.x"]}, "document": {}}, ["/schema/a~1b/0"]),
        ({"schema": {"a": "${$.a}" * 3}, "document": {"a": "x" * 400_000}}, ["/schema"]),
        (
            {"resourceType": SHOP.name, "scope": {"x": 1}, "event": "x", "extraFull": {"bad": 1}, "previousData": [],
             "levelDetails": "more", "timeZone": 7, "addPreviousData": 1},
            ["/scope/x", "/event", "/extraFull/bad", "/previousData", "/levelDetails", "/timeZone", "/addPreviousData"],
        ),
        ({"resourceType": SHOP.name, "timeZone": "Mars", "addPreviousData": "yes"}, ["/timeZone", "/addPreviousData"]),
    ],
)  # fmt: skip
def test_everything_wrong_with_a_preview_is_named(given: Any, pointers: list[str]) -> None:
    assert pointers_of_preview(given) == pointers
