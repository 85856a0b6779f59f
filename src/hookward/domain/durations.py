"""Durations as people write them: a number and a unit."""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")


def parse_duration(text: object) -> float:
    """Return ``"15s"`` as seconds; raises ValueError with the format that is expected."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError('a duration such as "500ms", "15s", "5m", "2h" or "1d"')
    return float(found[1]) * _UNITS[found[2]]


def duration_text(seconds: float) -> str:
    """Return seconds in the largest unit that gives a whole number: ``"90s"``, ``"2h"``, ``"50ms"``."""
    milliseconds = round(seconds * 1000)
    for unit, size in _LARGEST_FIRST:
        count, rest = divmod(milliseconds, size)
        if count and not rest:
            return f"{count}{unit}"
    return f"{milliseconds}ms"


_LARGEST_FIRST = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000))
