"""The query parameters of lists: all of them are read before a request is refused, so that every wrong one is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from aiohttp import web

from hookward.domain.errors import Problem
from hookward.domain.ids import IdPrefix, from_text
from hookward.entrypoints.api.http.responses import BadParameter

MAX_LIMIT = 200
DEFAULT_LIMIT = 50

T = TypeVar("T")


class ListParams:
    """The query parameters of one request for a list.

    ``read`` collects what is wrong instead of raising it; ``check`` raises BadParameter for all of that.
    """

    def __init__(self, request: web.Request) -> None:
        self._query = request.query
        self._problems: list[Problem] = []

    def check_names(self, known: Sequence[str]) -> None:
        """Refuse parameters that the list does not take: a misspelt filter would return everything."""
        for name in dict.fromkeys(self._query):
            if name not in known:
                self.refuse(name, f"is unknown; this list takes {', '.join(known)}")

    def read(self, name: str, parse: Callable[[str], T]) -> T | None:
        """Return a parameter, or ``None`` if it is missing or wrong; ``parse`` raises ValueError with what is right."""
        text = self._query.get(name)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.refuse(name, str(error))
            return None

    def limit(self) -> int:
        """Return the page size."""
        limit = self.read("limit", _limit)
        return DEFAULT_LIMIT if limit is None else limit

    def cursor(self, prefix: IdPrefix) -> bytes | None:
        """Return the id after which the page begins, of a list that is ordered by ids."""
        return self.read("cursor", cursor_of(lambda text: from_text(prefix, text)))

    def refuse(self, name: str, message: str) -> None:
        """Note what is wrong with a parameter."""
        self._problems.append(Problem(message=f"{name} {message}", parameter=name))

    def check(self) -> None:
        """Raise BadParameter with every problem, if there is one."""
        if self._problems:
            raise BadParameter(self._detail(self._problems), tuple(self._problems))

    def _detail(self, problems: Sequence[Problem]) -> str:
        return "; ".join(each.message for each in problems)


def next_page(records: Sequence[T], limit: int, cursor: Callable[[T], str]) -> tuple[Sequence[T], str | None]:
    """Return one page of ``records``, of which one more than ``limit`` was asked for, and the cursor of the next page.

    The cursor, made by ``cursor`` of the last record of the page, is ``None`` on the last page.
    """
    page = records[:limit]
    return page, cursor(page[-1]) if len(records) > limit else None


def cursor_of(parse: Callable[[str], T | None]) -> Callable[[str], T]:
    """Return a parser of the cursors of a list; ``parse`` returns ``None`` for what is no cursor of it."""

    def read(text: str) -> T:
        found = parse(text)
        if found is None:
            raise ValueError("must be a nextCursor of this list")
        return found

    return read


def id_parser(prefix: IdPrefix) -> Callable[[str], bytes]:
    """Return a parser of whole ids of this kind."""

    def parse(text: str) -> bytes:
        id_ = from_text(prefix, text)
        if id_ is None:
            raise ValueError(f"must be an id: {prefix}_ and 32 hexadecimal digits")
        return id_

    return parse


def _limit(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) or not 1 <= int(text) <= MAX_LIMIT:
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)
