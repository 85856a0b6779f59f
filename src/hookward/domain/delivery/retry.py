"""The retry policy: what follows from the outcome of an attempt.

``Retry-After`` is read as servers send it (RFC 9110 §10.2.3): seconds, or one of the three forms of a date (§5.6.7).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import ErrorKind, Outcome, Response

DEFAULT_SCHEDULE: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER = 0.2
_HOPELESS = frozenset({ErrorKind.FORBIDDEN_ADDRESS, ErrorKind.TEMPLATE})
_BUSY = frozenset({429, 503})
GONE = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a watch's deliveries are retried.

    ``schedule`` is the waits between attempts in seconds, each varied by up to ± ``jitter`` of itself. Empty: a single
    attempt, no retries.
    """

    schedule: tuple[float, ...] = DEFAULT_SCHEDULE
    jitter: float = JITTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What happens to a delivery after an attempt.

    ``wait`` is seconds until the next attempt, ``None`` when the delivery has ended. For ``hold`` seconds its watch
    gets no requests at all. ``disable`` is the reason for which the watch is disabled.
    """

    status: DeliveryStatus
    reason: str | None = None
    wait: float | None = None
    hold: float = 0.0
    disable: str | None = None


_DELIVERED = Decision(status=DeliveryStatus.DELIVERED)


def decide(policy: Policy, attempt: int, outcome: Outcome, now: float, uniform: float) -> Decision:
    """Decide what follows attempt number ``attempt`` (from 1); ``now`` is seconds since 1970.

    ``uniform`` is a random number in [0, 1). A 429 or 503 with ``Retry-After`` holds the watch for that time, after the
    last attempt too, and the retry comes no earlier; with other status codes that header is ignored.
    """
    response = outcome.response
    if response is not None and 200 <= response.status < 300:
        return _DELIVERED
    if response is not None and response.status == GONE:
        return Decision(status=DeliveryStatus.FAILED, reason="the endpoint answered 410 Gone", disable="gone")
    failure = outcome.failure
    if failure is not None and failure.kind in _HOPELESS:
        return Decision(status=DeliveryStatus.FAILED, reason=failure.message)
    hold = _hold(response, now)
    if attempt > len(policy.schedule):
        attempts = "1 attempt" if attempt == 1 else f"{attempt} attempts"
        return Decision(status=DeliveryStatus.FAILED, reason=f"no success in {attempts}", hold=hold)
    wait = policy.schedule[attempt - 1] * (1 - policy.jitter + 2 * policy.jitter * uniform)
    return Decision(status=DeliveryStatus.RETRYING, wait=max(wait, hold), hold=hold)


def _hold(response: Response | None, now: float) -> float:
    return asked_wait(response.headers, now) if response is not None and response.status in _BUSY else 0.0


LONGEST = 86_400.0
"""The longest wait that a server may ask for, in seconds: a day."""

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
    """Return how many seconds from ``now`` (seconds since 1970) a response asks us to wait, at most a day.

    0 where it does not ask, where the moment has passed, or where the value is neither a number of seconds nor a date.
    Of several ``Retry-After`` headers the longest counts.
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
    """Return seconds since 1970; 0 for a date that does not exist. A second of 60 is a leap second."""
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
    """Return the year that two digits mean: one more than 50 years ahead is in the past (RFC 9110 section 5.6.7)."""
    year = this_year // 100 * 100 + last_digits
    return year - 100 if year > this_year + 50 else year
