"""What a watch may say of its documents, tried on the sample of its type: template, filter, placeholders, previous
state, zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hookward.domain.errors import HookwardError, Invalid
from hookward.domain.events.document import document
from hookward.domain.events.rules import is_zone, sample_event
from hookward.domain.jsonpath.nodes import Steps
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.templates.addresses import address_complaints, compile_address, has_placeholder
from hookward.domain.templates.filters import MAX_FILTER_STEPS, compile_filter
from hookward.domain.templates.template import compile_template
from hookward.domain.watches.model import LevelDetails
from hookward.domain.watches.reader import Reader

MAX_ADDRESS = 4096
MAX_FILTER = 512
_SWITCH: Mapping[Any, bool] = {True: True, False: False, "true": True, "false": False}


def sample_document(
    resource_type: ResourceType, scope: Mapping[str, str], *, second: int, previous: bool
) -> dict[str, Any]:
    """The document that a type's sample makes, as an update of itself."""
    return document(
        sample_event(resource_type, scope),
        resource_type.sample,
        shape=resource_type.body,
        second=second,
        zone="UTC",
        previous=resource_type.sample if previous else msgspec.UNSET,
    )


class DocumentRules:
    """Reads the properties that see a document; where the type is not known they are compiled, not tried."""

    def __init__(
        self, reader: Reader, resource_type: ResourceType | None, scope: Mapping[str, str], *, second: int,
        previous: bool,
    ) -> None:  # fmt: skip
        self._reader = reader
        self._type = resource_type
        self._sample: dict[str, Any] | None = None
        if resource_type is not None:
            self._sample = sample_document(resource_type, scope, second=second, previous=previous)

    def address(self) -> str:
        address = self._reader.text("address", limit=MAX_ADDRESS, required=True)
        if address is None:
            return ""
        if not has_placeholder(address):
            for complaint in address_complaints(address):
                self._reader.problem(complaint, "address")
            return address
        try:
            template = compile_address(address)
            if self._sample is not None:
                template.fill(self._sample)
        except Invalid as error:
            self._reader.refused(error, "address")
        except HookwardError as error:
            self._failed("address", error)
        return address

    def schema(self) -> Any:
        source = self._reader.given.get("schema")
        if source is None:
            return msgspec.UNSET
        try:
            template = compile_template(source)
            if self._sample is not None:
                template.render(self._sample)
        except Invalid as error:
            self._reader.refused(error, "schema")
        except HookwardError as error:
            self._failed("schema", error)
        return source

    def filter(self) -> str | None:
        text = self._reader.text("filter", limit=MAX_FILTER)
        if text is None:
            return None
        try:
            wanted = compile_filter(text)
            if self._sample is not None:
                wanted.wants(self._sample, Steps(MAX_FILTER_STEPS))
        except Invalid as error:
            self._reader.refused(error, "filter", "filter: ")
        except HookwardError as error:
            self._failed("filter", error)
        return text

    def _failed(self, name: str, error: HookwardError) -> None:
        name_of_type = self._type.name if self._type else ""
        self._reader.problem(f"with the sample of {name_of_type}: {error}", name)


def read_previous(reader: Reader) -> bool:
    """Whether documents hold the previous state."""
    value = reader.given.get("addPreviousData")
    if value is None:
        return False
    if not isinstance(value, bool | str) or value not in _SWITCH:
        reader.problem('addPreviousData must be true or false (or "true" or "false")', "addPreviousData")
        return False
    return _SWITCH[value]


def read_details(reader: Reader) -> LevelDetails:
    """Which of an event's resources documents hold."""
    return LevelDetails(reader.choice("levelDetails", tuple(LevelDetails)))


def read_zone(reader: Reader) -> str | None:
    """The zone of ``date`` for events that name none."""
    value = reader.given.get("timeZone")
    if value is None:
        return None
    if not isinstance(value, str) or not is_zone(value):
        reader.problem("timeZone must be an IANA name such as Europe/Paris", "timeZone")
        return None
    return value
