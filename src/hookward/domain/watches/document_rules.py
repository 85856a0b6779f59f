"""Validate the properties that depend on the document: they are compiled and tried on the sample of the type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hookward.domain.errors import HookwardError, Invalid
from hookward.domain.events.document import event_document
from hookward.domain.events.rules import is_zone, sample_event
from hookward.domain.jsonpath.nodes import Steps
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.templates.addresses import address_complaints, compile_address, has_placeholder
from hookward.domain.templates.filters import MAX_FILTER_STEPS, compile_filter
from hookward.domain.templates.template import compile_template
from hookward.domain.watches.limits import MAX_ADDRESS, MAX_FILTER
from hookward.domain.watches.model import LevelDetails
from hookward.domain.watches.reader import Reader, WatchReader

_BOOLEANS: Mapping[Any, bool] = {True: True, False: False, "true": True, "false": False}


def sample_document(
    resource_type: ResourceType, scope: Mapping[str, str], *, second: int, previous: bool
) -> dict[str, Any]:
    """Return the document of an event that updates a type's sample to itself."""
    return event_document(
        sample_event(resource_type, scope),
        resource_type.sample,
        shape=resource_type.body,
        second=second,
        zone="UTC",
        previous=resource_type.sample if previous else msgspec.UNSET,
    )


def read_address(reader: WatchReader) -> str:
    """Return the address: a URL, or the template of one. Return an empty string where it is wrong or missing."""
    address = reader.text("address", limit=MAX_ADDRESS, required=True)
    if address is None:
        return ""
    if not has_placeholder(address):
        for complaint in address_complaints(address):
            reader.problem(complaint, "address")
        return address
    try:
        template = compile_address(address)
        if reader.sample is not None:
            template.fill(reader.sample)
    except Invalid as error:
        reader.add_problems_of(error, "address")
    except HookwardError as error:
        reader.failed_on_sample("address", error)
    return address


def read_schema(reader: WatchReader) -> Any:
    """Return the template of the body as given: an object or JSON text. ``UNSET`` where there is none."""
    source = reader.given.get("schema")
    if source is None:
        return msgspec.UNSET
    try:
        template = compile_template(source)
        if reader.sample is not None:
            template.render(reader.sample)
    except Invalid as error:
        reader.add_problems_of(error, "schema")
    except HookwardError as error:
        reader.failed_on_sample("schema", error)
    return source


def read_filter(reader: WatchReader) -> str | None:
    """Return the filter: a JSONPath."""
    text = reader.text("filter", limit=MAX_FILTER)
    if text is None:
        return None
    try:
        wanted = compile_filter(text)
        if reader.sample is not None:
            wanted.wants(reader.sample, Steps(MAX_FILTER_STEPS))
    except Invalid as error:
        reader.add_problems_of(error, "filter", "filter: ")
    except HookwardError as error:
        reader.failed_on_sample("filter", error)
    return text


def read_previous(reader: Reader) -> bool:
    """Return whether documents hold the previous state of the resource (``addPreviousData``)."""
    value = reader.given.get("addPreviousData")
    if value is None:
        return False
    if not isinstance(value, bool | str) or value not in _BOOLEANS:
        reader.problem('addPreviousData must be true or false (or "true" or "false")', "addPreviousData")
        return False
    return _BOOLEANS[value]


def read_details(reader: Reader) -> LevelDetails:
    """Return which resource of an event documents hold (``levelDetails``)."""
    return LevelDetails(reader.choice("levelDetails", tuple(LevelDetails)))


def read_zone(reader: Reader) -> str | None:
    """Return the IANA time zone of ``date`` for events that name none (``timeZone``)."""
    value = reader.given.get("timeZone")
    if value is None:
        return None
    if not isinstance(value, str) or not is_zone(value):
        reader.problem("timeZone must be an IANA name such as Europe/Paris", "timeZone")
        return None
    return value
