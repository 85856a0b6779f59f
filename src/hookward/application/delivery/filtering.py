"""Apply the filters of watches to an event, before its deliveries exist."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookward.application.delivery.task import LoadedEvent
from hookward.application.watches.registry import WatchFilter
from hookward.domain.errors import BudgetExceeded
from hookward.domain.events.document import DocumentOptions
from hookward.domain.ids import WatchId
from hookward.domain.jsonpath.nodes import Steps
from hookward.domain.resource_types.model import BodyShape
from hookward.domain.templates.filters import MAX_FILTER_STEPS, compile_filter

YIELD_STEPS = 5000
"""Other tasks run after this many filter steps: a worker has one thread."""


@dataclass(slots=True, kw_only=True)
class FilterResult:
    """The watches that want an event, in order, and those whose filter cannot be decided, each with the reason.

    A delivery for an undecided watch fails visibly (G3).
    """

    wanted: list[WatchId] = field(default_factory=list)
    undecided: dict[WatchId, str] = field(default_factory=dict)


async def apply_filters(
    filters: Mapping[WatchId, WatchFilter], event: LoadedEvent, watches: Sequence[WatchId],
    *, second: int, home: str | None, shape: BodyShape,
) -> FilterResult:  # fmt: skip
    """Apply the filter of each watch that has one to the document that it would get at ``second`` (since 1970).

    ``home`` is the time zone of the account, if it has one; ``shape`` that of the event's type.
    """
    result = FilterResult()
    documents: dict[DocumentOptions, Any] = {}
    spent = 0
    for watch in watches:
        filter_ = filters.get(watch)
        if filter_ is None:
            result.wanted.append(watch)
            continue
        options = filter_.options.with_shape(shape)
        document = documents.get(options)
        if document is None:
            document = documents[options] = event.document(options, second, home)
        steps = Steps(MAX_FILTER_STEPS)
        try:
            if compile_filter(filter_.filter).wants(document, steps):
                result.wanted.append(watch)
        except BudgetExceeded as error:
            result.undecided[watch] = str(error)
        spent += MAX_FILTER_STEPS - steps.left
        if spent > YIELD_STEPS:
            spent = 0
            await asyncio.sleep(0)
    return result
