"""Sift: which of the watches that match an event want it, by their filters."""

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
"""After so much work others get their turn: a worker has one thread."""


@dataclass(slots=True, kw_only=True)
class FilterResult:
    """Who wants an event, in order, and who cannot be told, with the reason: that delivery fails visibly (G3)."""

    wanted: list[WatchId] = field(default_factory=list)
    undecided: dict[WatchId, str] = field(default_factory=dict)


async def sift(
    sieves: Mapping[WatchId, WatchFilter], event: LoadedEvent, watches: Sequence[WatchId],
    *, second: int, home: str | None, shape: BodyShape,
) -> FilterResult:  # fmt: skip
    """Ask the filter of each watch that has one about the document that it would get at ``second``.

    ``home`` is the time zone of the account, if it has one; ``shape`` that of the event's type.
    """
    sifted = FilterResult()
    documents: dict[DocumentOptions, Any] = {}
    spent = 0
    for watch in watches:
        sieve = sieves.get(watch)
        if sieve is None:
            sifted.wanted.append(watch)
            continue
        perspective = sieve.perspective.with_shape(shape)
        document = documents.get(perspective)
        if document is None:
            document = documents[perspective] = perspective.build(event, second, home)
        steps = Steps(MAX_FILTER_STEPS)
        try:
            if compile_filter(sieve.filter).wants(document, steps):
                sifted.wanted.append(watch)
        except BudgetExceeded as error:
            sifted.undecided[watch] = str(error)
        spent += MAX_FILTER_STEPS - steps.left
        if spent > YIELD_STEPS:
            spent = 0
            await asyncio.sleep(0)
    return sifted
