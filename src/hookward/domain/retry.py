"""What follows from an outcome: one pure function from (schedule, attempt, outcome, chance) to a decision."""

from __future__ import annotations

from dataclasses import dataclass

from hookward.domain.delivery import DeliveryStatus
from hookward.domain.outcome import ErrorKind, Outcome

DEFAULT_SCHEDULE: tuple[float, ...] = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER = 0.2
_HOPELESS = frozenset({ErrorKind.FORBIDDEN_ADDRESS, ErrorKind.TEMPLATE})
GONE = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where a delivery goes after an attempt; ``wait`` is seconds until the next one, ``None`` when it has ended."""

    status: DeliveryStatus
    reason: str | None = None
    wait: float | None = None
    disable: str | None = None


_DELIVERED = Decision(status=DeliveryStatus.DELIVERED)


def decide(schedule: tuple[float, ...], attempt: int, outcome: Outcome, chance: float) -> Decision:
    """Decide after attempt number ``attempt`` (from 1).

    ``schedule`` is the waits between attempts in seconds, ``chance`` uniform in [0, 1): each wait is spread by ±20 %.
    """
    answer = outcome.answer
    if answer is not None and 200 <= answer.status < 300:
        return _DELIVERED
    if answer is not None and answer.status == GONE:
        return Decision(status=DeliveryStatus.FAILED, reason="the endpoint answered 410 Gone", disable="gone")
    failure = outcome.failure
    if failure is not None and failure.kind in _HOPELESS:
        return Decision(status=DeliveryStatus.FAILED, reason=failure.message)
    if attempt > len(schedule):
        attempts = "1 attempt" if attempt == 1 else f"{attempt} attempts"
        return Decision(status=DeliveryStatus.FAILED, reason=f"no success in {attempts}")
    wait = schedule[attempt - 1] * (1 - JITTER + 2 * JITTER * chance)
    return Decision(status=DeliveryStatus.RETRYING, wait=wait)
