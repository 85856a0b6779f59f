"""What a watch may say of its attempts: how long they take, how many at a time, and when the next one comes."""

from __future__ import annotations

from typing import Any

from hookward.domain.durations import duration_text, parse_duration
from hookward.domain.watches.model import MIN_TIMEOUT, WatchBounds
from hookward.domain.watches.reader import Reader

_A_DURATION = 'a duration such as "500ms", "5s", "5m", "2h" or "1d"'


def read_retry(reader: Reader, bounds: WatchBounds) -> tuple[str, ...] | None:
    """The waits between attempts, as they were given; none means one attempt."""
    block = reader.block("retry", ("schedule",))
    if block is None:
        return None
    schedule = block.get("schedule")
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


def read_timeout(reader: Reader, bounds: WatchBounds) -> str | None:
    """How long an attempt may take in all, as it was given."""
    value = reader.given.get("timeout")
    if value is None:
        return None
    if not _is_duration(value, MIN_TIMEOUT, bounds.timeout):
        least, most = duration_text(MIN_TIMEOUT), duration_text(bounds.timeout)
        reader.problem(f'timeout must be a duration from {least} to {most}, such as "2s"', "timeout")
        return None
    return str(value)


def read_concurrency(reader: Reader, bounds: WatchBounds) -> int | None:
    """How many requests may be in flight at a time."""
    value = reader.given.get("concurrency")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= bounds.concurrency:
        reader.problem(f"concurrency must be a whole number from 1 to {bounds.concurrency}", "concurrency")
        return None
    return value


def _is_duration(value: Any, low: float, high: float) -> bool:
    try:
        return low <= parse_duration(value) <= high
    except ValueError:
        return False
