"""The ``filter`` of a watch: a JSONPath that decides for each document whether it is delivered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from hookward.domain.errors import BudgetExceeded
from hookward.domain.jsonpath.nodes import Filter, Steps, query_of
from hookward.domain.jsonpath.path import JsonPath, compile_path

MAX_FILTER_STEPS: Final = 20_000
"""A tenth of the budget of a template: a filter runs for every event, and most events do not pass."""


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Accepts the documents in which its path selects something, even null or false."""

    path: JsonPath

    def wants(self, document: Any, steps: Steps) -> bool:
        """Whether ``document`` is to be delivered. Raises BudgetExceeded."""
        try:
            return bool(self.path.find(document, steps))
        except BudgetExceeded as error:
            raise BudgetExceeded("the filter touches too many values of the document; select less") from error


@dataclass(frozen=True, slots=True)
class _Asked:
    """A filter that the document itself may pass, not only its members."""

    filter: Filter

    def select(self, value: Any, root: Any, steps: Steps) -> list[Any]:
        chosen = self.filter.select(value, root, steps)
        itself = isinstance(value, dict) and self.filter.condition.holds(value, root, steps)
        return [value, *chosen] if itself else chosen


@lru_cache(maxsize=4096)
def compile_filter(text: str) -> DocumentFilter:
    """Compile a filter. Raises Invalid with what is wrong.

    ``[?…]`` after an object means its members (RFC 9535); many who write ``$[?(@.status == "accepted")]`` mean the
    object itself, as other implementations do, so here it is asked as well.
    """
    path = compile_path(text)
    if path.keys is not None:
        return DocumentFilter(path)
    segments = tuple(_Asked(each) if isinstance(each, Filter) else each for each in path.query.segments)
    return DocumentFilter(replace(path, query=query_of(segments, from_root=True)))
