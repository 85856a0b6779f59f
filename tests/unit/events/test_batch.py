"""Taking batches apart."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.events.model import split_events
from tests.unit.events.json_strategies import documents


@given(st.lists(documents, max_size=8), st.sampled_from([None, 2]))
def test_the_elements_of_any_batch_come_apart(values: list[object], indent: int | None) -> None:
    split = split_events(json.dumps({"events": values}, indent=indent).encode())
    assert split is not None
    assert [json.loads(each) for each in split] == values


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"events":[{"a":"\\ud800"},1e999]}', [b'{"a":"\\ud800"}', b"1e999"]),
        (b'{"events":["],}",{"a":"\\"]"}]}', [b'"],}"', b'{"a":"\\"]"}']),
        (b'{"events":[' + b"[" * 5000 + b"]" * 5000 + b"]}", [b"[" * 5000 + b"]" * 5000]),
        (b'{"events":[\xff,nonsense]}', [b"\xff", b"nonsense"]),
        (b'{"events":[]}', []),
        (b'{"events":[]} ', []),
    ],
)
def test_what_no_parser_takes_comes_apart_too(body: bytes, expected: list[bytes]) -> None:
    assert split_events(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b'{"events":{}}', b'{"more":1,"events":[]}', b'{"events":[1', b'{"events":[1]', b'{"events":[1]}x',
        b'{"events":["a]}', b'{"events":[1}', b'{"events":["' + b'\\"' * 100_000, b'{"events":[1}]',
    ],
)  # fmt: skip
def test_what_has_another_shape_is_not_taken_apart(body: bytes) -> None:
    assert split_events(body) is None


def test_the_member_that_holds_the_list_can_be_named() -> None:
    body = b'{"operations": [{"a": "\\ud800"}, 1e999]}'
    assert split_events(body, "operations") == [b'{"a": "\\ud800"}', b"1e999"]
    assert split_events(body) is None
