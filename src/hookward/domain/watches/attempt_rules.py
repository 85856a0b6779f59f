"""Validate the properties about attempts: ``retry``, ``timeout`` and ``concurrency``."""

from __future__ import annotations

from typing import Any

from hookward.domain.durations import duration_text, parse_duration
from hookward.domain.watches.blocks import RetryIn
from hookward.domain.watches.model import MIN_TIMEOUT
from hookward.domain.watches.reader import WatchReader

_A_DURATION = 'a duration such as "500ms", "5s", "5m", "2h" or "1d"'


def read_retry(reader: WatchReader) -> tuple[str, ...] | None:
    """Return the retry schedule as given. ``None``: the default. ``()``: a single attempt, no retries."""
    block = reader.block("retry", RetryIn)
    if block is None:
        return None
    schedule, bounds = block.get("schedule"), reader.bounds
    if not isinstance(schedule, list) or len(schedule) > bounds.retries:
        reader.problem(
            f"schedule must be a list of at most {bounds.retries} durations, the waits between attempts; [] means one "
            "attempt",
            "retry",
            "schedule",
        )
        return None
    for index, each in enumerate(schedule):
        if not _is_duration(each, 0.0, bounds.wait):
            message = f"must be {_A_DURATION}, at most {duration_text(bounds.wait)}"
            reader.problem(message, "retry", "schedule", index)
    return tuple(each for each in schedule if isinstance(each, str))


def read_timeout(reader: WatchReader) -> str | None:
    """Return the time limit of an attempt as given: a duration."""
    value = reader.given.get("timeout")
    if value is None:
        return None
    if not _is_duration(value, MIN_TIMEOUT, reader.bounds.timeout):
        least, most = duration_text(MIN_TIMEOUT), duration_text(reader.bounds.timeout)
        reader.problem(f'timeout must be a duration from {least} to {most}, such as "2s"', "timeout")
        return None
    return str(value)


def read_concurrency(reader: WatchReader) -> int | None:
    """Return how many requests may be in flight at a time."""
    value, most = reader.given.get("concurrency"), reader.bounds.concurrency
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        reader.problem(f"concurrency must be a whole number from 1 to {most}", "concurrency")
        return None
    return value


def _is_duration(value: Any, low: float, high: float) -> bool:
    try:
        return low <= parse_duration(value) <= high
    except ValueError:
        return False
