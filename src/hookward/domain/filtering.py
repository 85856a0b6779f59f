"""A watch's ``filter``: a JSONPath that says of each document whether it is delivered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from hookward.domain.errors import TooCostly
from hookward.domain.jsonpath import Path, compile_path
from hookward.domain.jsonpath_nodes import Steps

MAX_FILTER_STEPS: Final = 20_000
"""A tenth of what a template may cost: a filter is asked of every event, and most often says no."""


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Wants the documents in which its path selects something, be it null or false."""

    path: Path

    def wants(self, document: Any, steps: Steps) -> bool:
        """Whether ``document`` is to be delivered; raises :class:`~hookward.domain.errors.TooCostly`."""
        try:
            return bool(self.path.find(document, steps))
        except TooCostly as error:
            raise TooCostly("the filter touches too many values of the document; select less") from error


@lru_cache(maxsize=4096)
def compile_filter(text: str) -> DocumentFilter:
    """Compile a filter; raises :class:`~hookward.domain.errors.Invalid` with what is wrong."""
    return DocumentFilter(compile_path(text))
