"""What follows from an outcome: one pure function from (policy, attempt, outcome, now, chance) to a decision.

``Retry-After`` as servers send it (RFC 9110 §10.2.3): seconds, or one of the three forms of a date (§5.6.7).
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

    ``schedule`` is the waits between attempts in seconds, each spread by ± ``jitter`` of itself; an empty one means
    one attempt.
    """

    schedule: tuple[float, ...] = DEFAULT_SCHEDULE
    jitter: float = JITTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where a delivery goes after an attempt; ``wait`` is seconds until the next one, ``None`` when it has ended.

    ``hold`` is for how many seconds nothing at all is to be sent to its watch, ``disable`` the reason for which the
    watch itself ends.
    """

    status: DeliveryStatus
    reason: str | None = None
    wait: float | None = None
    hold: float = 0.0
    disable: str | None = None


_DELIVERED = Decision(status=DeliveryStatus.DELIVERED)


def decide(policy: Policy, attempt: int, outcome: Outcome, now: float, chance: float) -> Decision:
    """Decide after attempt number ``attempt`` (from 1), ``now`` being seconds since 1970.

    ``chance`` is uniform in [0, 1). A 429 or 503 that says for how long to stay away holds the watch for as long, on
    the last attempt too, and the retry comes no earlier; elsewhere ``Retry-After`` means nothing to us.
    """
    answer = outcome.response
    if answer is not None and 200 <= answer.status < 300:
        return _DELIVERED
    if answer is not None and answer.status == GONE:
        return Decision(status=DeliveryStatus.FAILED, reason="the endpoint answered 410 Gone", disable="gone")
    failure = outcome.failure
    if failure is not None and failure.kind in _HOPELESS:
        return Decision(status=DeliveryStatus.FAILED, reason=failure.message)
    hold = _hold(answer, now)
    if attempt > len(policy.schedule):
        attempts = "1 attempt" if attempt == 1 else f"{attempt} attempts"
        return Decision(status=DeliveryStatus.FAILED, reason=f"no success in {attempts}", hold=hold)
    wait = policy.schedule[attempt - 1] * (1 - policy.jitter + 2 * policy.jitter * chance)
    return Decision(status=DeliveryStatus.RETRYING, wait=max(wait, hold), hold=hold)


def _hold(answer: Response | None, now: float) -> float:
    return asked_wait(answer.headers, now) if answer is not None and answer.status in _BUSY else 0.0


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
