"""``Retry-After`` as servers send it (RFC 9110 §10.2.3): seconds, or one of the three forms of a date (§5.6.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

LONGEST = 86_400.0
"""However long a server asks us to stay away, in seconds: a day."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        rf"[A-Z][a-z]{{5,8}}, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        rf"[A-Z][a-z]{{2}} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)
_SECONDS = re.compile(r"0*(\d*)", re.ASCII)
_MANY_DIGITS = 6


def asked_wait(headers: Iterable[tuple[str, str]], now: float) -> float:
    """How long an answer asks us to stay away: seconds from ``now`` (seconds since 1970), at most a day.

    0 where it asks for nothing, for a moment that has passed, or for something that is neither a number of seconds
    nor a date. Of several such headers the longest counts.
    """
    asked = [_read(value.strip(" \t"), now) for name, value in headers if name.lower() == "retry-after"]
    return min(max(asked, default=0.0), LONGEST)


def _read(text: str, now: float) -> float:
    seconds = _SECONDS.fullmatch(text)
    if seconds is not None:
        digits = seconds[1] or "0"
        return LONGEST if len(digits) > _MANY_DIGITS else float(digits)
    for form in _DATES:
        date = form.fullmatch(text)
        if date is not None:
            return max(0.0, _moment(date, now) - now)
    return 0.0


def _moment(date: re.Match[str], now: float) -> float:
    """Seconds since 1970; 0 for a date that no calendar has. A second of 60 is a leap second."""
    year, second = int(date["year"]), int(date["second"])
    if len(date["year"]) == 2:
        year = _full_year(year, datetime.fromtimestamp(now, UTC).year)
    leap = int(second == 60)
    try:
        moment = datetime(
            year, _MONTHS.index(date["month"]) + 1, int(date["day"]), int(date["hour"]), int(date["minute"]),
            second - leap, tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return 0.0
    return moment.timestamp() + leap


def _full_year(last_digits: int, this_year: int) -> int:
    """Two digits of a year that seem more than 50 years ahead are those of the past (RFC 9110 §5.6.7)."""
    year = this_year // 100 * 100 + last_digits
    return year - 100 if year > this_year + 50 else year
