"""Whatever is sent, the rules answer with a value or with problems that an answer can hold, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.errors import Invalid, Problem
from hookward.domain.events.rules import ValidEvent
from hookward.domain.resource_types.model import CompiledType
from hookward.domain.watches.properties import NOT_YET
from hookward.domain.watches.rules import WatchRequest, read_watch
from tests.unit.events.events import read_any
from tests.unit.events.json_strategies import documents
from tests.unit.resource_types.resource_types import built_in

LARGE = 3000


class AnySchema:
    """Takes everything."""

    def is_valid(self, _resource: Any) -> bool:
        return True

    def problems(self, _resource: Any, *_at: str | int) -> list[Problem]:
        return []


TYPES = {name: CompiledType(each, AnySchema()) for name, each in built_in().items()}

surrogates = st.text(st.characters(categories=["Cs", "Lu", "Cc"]), max_size=4)
nasty_texts = surrogates | st.sampled_from(
    [
        "",
        " ",
        "\0",
        "\r\n",
        "x" * LARGE,
        "é" * LARGE,
        "../UTC",
        "0001-01-01T00:00:00+01:00",
        "0",
        "true",
        "${",
        "${$.a}",
    ]
)
nasty = st.one_of(
    documents,
    nasty_texts,
    st.lists(nasty_texts | documents, max_size=4),
    st.dictionaries(nasty_texts | st.text(max_size=3), nasty_texts | documents, max_size=4),
)


def sendable(problem: Problem) -> bool:
    """Whether an answer can hold a problem, and need not be large for it."""
    return bool(problem.message) and len(f"{problem.pointer} {problem.message}".encode()) < 2 * LARGE


def taken_or_answered(read: Any) -> bool:
    try:
        read()
    except Invalid as refused:
        return bool(refused.problems) and all(map(sendable, refused.problems))
    return True


event_properties = {
    "resourceType": st.sampled_from(sorted(TYPES)) | nasty,
    "scope": nasty | st.dictionaries(st.sampled_from(["companyId", "queueId", "tenantId"]), nasty),
    "event": st.sampled_from(["created", "updated"]) | nasty,
    "resource": st.dictionaries(st.just("id") | nasty_texts, nasty, max_size=3) | nasty,
    **dict.fromkeys(["previousData", "extraFull", "resourceId", "occurredAt", "timeZone", "id"], nasty),
}


@given(nasty | st.dictionaries(nasty_texts, nasty) | st.fixed_dictionaries({}, optional=event_properties))
def test_any_event_is_taken_or_refused_with_problems(event: Any) -> None:
    assert taken_or_answered(lambda: read_any(event, TYPES))


@given(st.fixed_dictionaries({}, optional=event_properties))
def test_what_is_taken_of_an_event_can_be_stored(event: Any) -> None:
    try:
        read: ValidEvent | None = read_any(event, TYPES)
    except Invalid:
        read = None
    texts = [] if read is None else [read.resource_id, read.key or "", read.zone or "", *read.scope.values()]
    assert all(text.encode("utf-8", "strict") is not None for text in texts)


addresses = st.lists(
    st.sampled_from(
        ["https://", "example.com", "[::1]", ":80", ":0", "@", "/", "?a=%2", "%", "#", "${$.id}", "é", "\n"]
    )
    | nasty_texts,
    max_size=5,
).map("".join)
paths = st.lists(st.sampled_from(["$", ".a", "[0]", "[*]", "[?", "@.a", " == ", "]", "..", "'", "1"]) | nasty_texts)
nasty_paths = paths.map("".join)
watch_properties = {
    "address": st.just("https://example.com/") | addresses | nasty,
    "basicAuth": st.dictionaries(st.sampled_from(["username", "password"]) | nasty_texts, nasty) | nasty,
    "signature": st.dictionaries(st.sampled_from(["enabled", "cryptoKeyIds"]) | nasty_texts, nasty | st.booleans()),
    "httpRequestHeader": st.dictionaries(st.sampled_from(["x", "X", "Expect", "Host"]) | nasty_texts, nasty) | nasty,
    "retry": st.fixed_dictionaries({"schedule": nasty | st.lists(nasty | st.just("5s"))}) | nasty,
    "filter": nasty_paths | nasty,
    **dict.fromkeys(["name", "events", "method", "status", "schema", *NOT_YET], nasty),
    **dict.fromkeys(
        ["levelDetails", "addPreviousData", "timeZone", "timeout", "concurrency", "storeBodies"],
        st.sampled_from(["extraFull", "true", True, "Europe/Paris", "5s", 5, "none"]) | nasty,
    ),
}
watches = st.fixed_dictionaries({}, optional=watch_properties)


def _read_watch(given: Any) -> WatchRequest:
    return read_watch(given, TYPES["appointment"].type, {"companyId": "9"}, second=0)


@given(nasty | st.dictionaries(nasty_texts, nasty) | watches)
def test_any_watch_is_taken_or_refused_with_problems(watch: Any) -> None:
    assert taken_or_answered(lambda: _read_watch(watch))


@given(watches)
def test_what_is_taken_of_a_watch_can_be_stored(watch: Any) -> None:
    try:
        read = _read_watch(watch)
    except Invalid:
        return
    definition = msgspec.json.encode(read.definition)
    secrets = msgspec.json.encode(read.secrets)
    assert (read.definition, read.secrets) == (
        msgspec.json.decode(definition, type=type(read.definition)),
        msgspec.json.decode(secrets, type=type(read.secrets)),
    )
