"""The JSONPath subset of integrators: names, indexes, slices, wildcards, and filters of simple comparisons.

Paths are parsed by jsonpath-ng behind allow-lists (``jsonpath.parser``) and evaluated by nodes that count their work
(``jsonpath.nodes``). Nearly every path in use is plain names and indexes; such a path is parsed here, with the same
meaning, without jsonpath-ng, whose parser takes half a millisecond.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from hookward.domain.jsonpath.limits import MAX_LENGTH, MAX_PATH_SEGMENTS, refusal
from hookward.domain.jsonpath.nodes import ABSENT, Indexes, LookupKeys, Names, Query, Segment, Steps, lookup, query_of
from hookward.domain.problems import quoted


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled JSONPath; two are equal if their texts are.

    ``keys`` are the names and indexes of a path that consists only of single ones, ``None`` for any other.
    """

    text: str
    query: Query = field(repr=False, compare=False)
    keys: LookupKeys | None = field(repr=False, compare=False)

    @property
    def singular(self) -> bool:
        """Whether the path consists of single names and indexes only, and so finds at most one value."""
        return self.keys is not None

    def find(self, document: Any, steps: Steps | None = None) -> list[Any]:
        """Return the values that it selects in a decoded JSON document, each once.

        Evaluations that belong together may share ``steps``. Raises ``BudgetExceeded`` if it needs more steps.
        """
        if self.keys is not None:
            found = lookup(document, self.keys)
            return [] if found is ABSENT else [found]
        return self.query.find(document, document, steps or Steps())


def compile_path(text: str) -> JsonPath:
    """Compile a JSONPath; raises ``Invalid`` with one problem that names what is wrong."""
    text = text.strip(" \t\n\r")
    _check_text(text)
    segments = _read_plain(text)
    if segments is None:
        # Importing jsonpath-ng takes 70 ms, and most processes never need it.
        from hookward.domain.jsonpath.parser import parse  # noqa: PLC0415

        segments = parse(text)
    query = query_of(segments, from_root=True)
    return JsonPath(text, query, query.keys)


def _check_text(text: str) -> None:
    if not text.startswith("$"):
        raise refusal(f"`{quoted(text)}` does not start with `$`, the document; write $.name")
    if len(text) > MAX_LENGTH:
        raise refusal(f"`{quoted(text)}` has {len(text)} characters; a path has at most {MAX_LENGTH}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise refusal(f"`{quoted(text)}` holds half of a surrogate pair; write whole characters") from None


_PLAIN_SEGMENT = re.compile(
    r"""\.(?P<name>[A-Za-z_][A-Za-z0-9_@-]*)
    | \[(?P<index>-?[0-9]{1,15})\]
    | \['(?P<single>[^'\\]*)'\]
    | \["(?P<double>[^"\\]*)"\]
    """,
    re.VERBOSE,
)
_RESERVED = frozenset({"where", "wherenot"})


def _read_plain(text: str) -> tuple[Segment, ...] | None:
    """Return the segments of a path in plain notation; ``None`` leaves the path, valid or not, to jsonpath-ng."""
    segments: list[Segment] = []
    position = 1
    while position < len(text):
        found = _PLAIN_SEGMENT.match(text, position)
        if found is None or found["name"] in _RESERVED or len(segments) == MAX_PATH_SEGMENTS:
            return None
        if found["index"] is not None:
            segments.append(Indexes((int(found["index"]),)))
        else:
            segments.append(Names((str(found[str(found.lastgroup)]),)))
        position = found.end()
    return tuple(segments)
