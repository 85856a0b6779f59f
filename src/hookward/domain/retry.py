"""What follows from an outcome: one pure function from (policy, attempt, outcome, now, chance) to a decision."""

from __future__ import annotations

from dataclasses import dataclass

from hookward.domain.delivery import DeliveryStatus
from hookward.domain.outcome import Answer, ErrorKind, Outcome
from hookward.domain.retry_after import asked_wait

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
    answer = outcome.answer
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


def _hold(answer: Answer | None, now: float) -> float:
    return asked_wait(answer.headers, now) if answer is not None and answer.status in _BUSY else 0.0
