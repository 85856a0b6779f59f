"""The table of watch properties: each entry fits the model, and the documentation is that of the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import pytest

from hookward.domain.watches.model import WatchDefinition
from hookward.domain.watches.properties import PROPERTIES, Property, shown_properties
from tests.unit.watches.property_page import page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "watch-properties.md"
STORED = {each.attribute: each for each in PROPERTIES if each.read is not None}
READ_TOGETHER = {"scope", "username", "header_names", "signed", "key_ids", "add_previous_data", "oauth"}
"""Attributes of the definition that ``read_watch`` reads itself, for others depend on them."""


def test_every_attribute_of_a_definition_is_read() -> None:
    assert set(STORED) | READ_TOGETHER == set(WatchDefinition.__struct_fields__)
    assert not set(STORED) & READ_TOGETHER


@pytest.mark.parametrize("each", STORED.values(), ids=lambda each: each.name)
def test_a_property_is_read_as_the_type_that_the_definition_holds(each: Property) -> None:
    read: Any = each.read
    assert get_type_hints(read)["return"] == get_type_hints(WatchDefinition)[each.attribute]


@pytest.mark.parametrize("each", PROPERTIES, ids=lambda each: each.name)
def test_a_property_is_described_in_sentences(each: Property) -> None:
    assert each.doc[0].isupper()
    assert each.doc.endswith(".")


def test_a_property_is_shown_if_it_is_supported() -> None:
    hidden = {each.name for each in PROPERTIES if each.shown is None}
    assert hidden == {"changed", "rateLimit"}
    of_the_record = {each.name for each in PROPERTIES if each.shown is not None and each.show is None}
    assert of_the_record == {"id", "resourceType", "status", "statusReason", "owner", "created", "updated"}


def test_names_are_unique() -> None:
    assert len({each.name for each in PROPERTIES}) == len({each.attribute for each in PROPERTIES}) == len(PROPERTIES)


def test_what_a_definition_shows_is_all_but_secrets() -> None:
    definition = WatchDefinition(address="https://example.com/", username="u", header_names=("X-A",))
    shown = shown_properties(definition)
    assert (shown["basic_auth"], shown["http_request_header"]) == ({"username": "u"}, {"X-A": None})


def test_the_documentation_is_that_of_the_table() -> None:
    assert PAGE.read_text() == page(), "python -m tests.unit.watches.property_page > docs/reference/watch-properties.md"
