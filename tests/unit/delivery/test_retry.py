from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome, Response
from hookward.domain.delivery.retry import DEFAULT_SCHEDULE, JITTER, Decision, Policy, decide

HOPELESS = {ErrorKind.FORBIDDEN_ADDRESS, ErrorKind.TEMPLATE}
LAST_CHANCE = 1 - 2**-53


NOW = 784_111_777.5  # half a second past Sun, 06 Nov 1994 08:49:37 GMT


def again(schedule: tuple[float, ...], attempt: int, outcome: Outcome, chance: float) -> Decision:
    return decide(Policy(schedule=schedule), attempt, outcome, NOW, chance)


def answered(status: int, *headers: tuple[str, str]) -> Outcome:
    return Outcome(duration_us=1, response=Response(status=status, headers=headers, body=b""))


def busy(retry_after: str, *, status: int = 429) -> Outcome:
    return answered(status, ("Retry-After", retry_after))


def failed(kind: ErrorKind) -> Outcome:
    return Outcome(duration_us=1, failure=Failure(kind=kind, message=f"it was {kind}"))


schedules = st.lists(st.floats(0, 86_400), max_size=12).map(tuple)
chances = st.floats(0, LAST_CHANCE)
successes = st.integers(200, 299).map(answered)
retryable = st.one_of(
    st.integers(100, 199).map(answered),
    st.integers(300, 599).filter(lambda status: status != 410).map(answered),
    st.sampled_from([kind for kind in ErrorKind if kind not in HOPELESS]).map(failed),
)
final = st.one_of(st.just(answered(410)), st.sampled_from(sorted(HOPELESS)).map(failed))


@given(schedules, st.integers(1, 20), successes, chances)
def test_any_2xx_delivers(schedule: tuple[float, ...], attempt: int, outcome: Outcome, chance: float) -> None:
    assert again(schedule, attempt, outcome, chance) == Decision(status=DeliveryStatus.DELIVERED)


@given(schedules, st.integers(1, 20), chances)
def test_410_fails_and_disables_the_watch(schedule: tuple[float, ...], attempt: int, chance: float) -> None:
    assert again(schedule, attempt, answered(410), chance) == Decision(
        status=DeliveryStatus.FAILED, reason="the endpoint answered 410 Gone", disable="gone"
    )


@pytest.mark.parametrize("kind", sorted(HOPELESS))
def test_what_cannot_get_better_fails_at_once_with_its_reason(kind: ErrorKind) -> None:
    assert again((5,), 1, failed(kind), 0.5) == Decision(status=DeliveryStatus.FAILED, reason=f"it was {kind}")


@given(schedules, retryable, st.data())
def test_anything_else_is_retried_while_the_schedule_lasts(
    schedule: tuple[float, ...], outcome: Outcome, data: st.DataObject
) -> None:
    attempt = data.draw(st.integers(1, len(schedule) + 3))
    expected = DeliveryStatus.RETRYING if attempt <= len(schedule) else DeliveryStatus.FAILED
    assert expected is again(schedule, attempt, outcome, 0.5).status


@given(st.lists(st.floats(0, 86_400), min_size=1, max_size=12).map(tuple), retryable, chances, st.data())
def test_a_wait_is_that_of_the_schedule_give_or_take_a_fifth(
    schedule: tuple[float, ...], outcome: Outcome, chance: float, data: st.DataObject
) -> None:
    attempt = data.draw(st.integers(1, len(schedule)))
    wait = again(schedule, attempt, outcome, chance).wait
    assert wait is not None
    assert wait == pytest.approx(schedule[attempt - 1], rel=JITTER + 1e-9)


@pytest.mark.parametrize(("chance", "wait"), [(0, 80), (0.25, 90), (0.5, 100), (0.75, 110), (LAST_CHANCE, 120)])
def test_chance_spreads_a_wait_evenly(chance: float, wait: float) -> None:
    assert again((100,), 1, answered(500), chance).wait == pytest.approx(wait)


@given(schedules, st.lists(retryable, max_size=14), successes | final, st.lists(chances, min_size=15, max_size=15))
def test_no_sequence_of_outcomes_loses_or_doubles_a_retry(
    schedule: tuple[float, ...], failures: list[Outcome], last: Outcome, luck: list[float]
) -> None:
    waits = 0
    for attempt, (outcome, chance) in enumerate(zip([*failures, last], luck, strict=False), start=1):
        decision = again(schedule, attempt, outcome, chance)
        # Either it goes on and says when, or it has ended.
        assert (decision.wait is not None) == (decision.status is DeliveryStatus.RETRYING)
        if decision.wait is None:
            break
        waits += 1
    assert min(len(failures), len(schedule)) == waits


@given(schedules, st.integers(1, 14), retryable | successes | final, chances)
def test_a_delivery_that_failed_says_why_and_no_other_does(
    schedule: tuple[float, ...], attempt: int, outcome: Outcome, chance: float
) -> None:
    decision = again(schedule, attempt, outcome, chance)
    assert (decision.status is DeliveryStatus.FAILED) == bool(decision.reason)


@given(schedules, st.lists(retryable, min_size=13, max_size=13))
def test_a_delivery_that_never_succeeds_makes_one_attempt_more_than_there_are_waits(
    schedule: tuple[float, ...], outcomes: list[Outcome]
) -> None:
    statuses = [again(schedule, attempt, outcome, 0.5).status for attempt, outcome in enumerate(outcomes, start=1)]
    assert len(schedule) == statuses.index(DeliveryStatus.FAILED)


@pytest.mark.parametrize(
    ("schedule", "reason"), [((), "no success in 1 attempt"), ((5.0, 5.0), "no success in 3 attempts")]
)
def test_the_last_failure_says_how_often_it_was_tried(schedule: tuple[float, ...], reason: str) -> None:
    assert again(schedule, len(schedule) + 1, answered(500), 0.5).reason == reason


def test_the_default_schedule_is_that_of_the_contract() -> None:
    minute, hour = 60, 3600
    assert (
        5,
        5 * minute,
        30 * minute,
        2 * hour,
        5 * hour,
        10 * hour,
        14 * hour,
        20 * hour,
        24 * hour,
    ) == DEFAULT_SCHEDULE


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("asked", "wait"), [("60", 60), ("0060", 60), ("Sun, 06 Nov 1994 08:50:37 GMT", 59.5)])
def test_an_endpoint_that_asks_for_time_is_left_alone_for_as_long(status: int, asked: str, wait: float) -> None:
    decision = again((5,), 1, busy(asked, status=status), 0.5)
    assert decision == Decision(status=DeliveryStatus.RETRYING, wait=wait, hold=wait)


def test_the_longer_of_what_was_asked_and_the_schedule_counts() -> None:
    decision = again((300,), 1, busy("60"), 0.5)
    assert (decision.wait, decision.hold) == (300, 60)


@pytest.mark.parametrize("asked", ["", "0", "-5", "+5", "1.5", "5 s", "soon", "Sun, 06 Nov 1994 08:49:37 GMT"])
def test_what_asks_for_nothing_changes_nothing(asked: str) -> None:
    assert again((5,), 1, busy(asked), 0.5) == again((5,), 1, answered(500), 0.5)


def test_no_endpoint_is_left_alone_for_more_than_a_day() -> None:
    decision = again((5,), 1, busy("9" * 5000), 0.5)
    assert (decision.wait, decision.hold) == (86_400, 86_400)


def test_the_last_attempt_fails_and_the_watch_is_held_all_the_same() -> None:
    assert again((), 1, busy("60"), 0.5) == Decision(
        status=DeliveryStatus.FAILED, reason="no success in 1 attempt", hold=60
    )


@given(st.integers(300, 599).filter(lambda status: status not in (410, 429, 503)), chances)
def test_retry_after_means_nothing_with_any_other_status(status: int, chance: float) -> None:
    assert again((5,), 1, busy("60", status=status), chance) == again((5,), 1, answered(status), chance)


@given(schedules, st.integers(1, 14), st.sampled_from([429, 503]), st.text() | st.integers().map(str), chances)
def test_whatever_an_endpoint_asks_for_a_wait_is_within_its_bounds(
    schedule: tuple[float, ...], attempt: int, status: int, asked: str, chance: float
) -> None:
    decision = again(schedule, attempt, busy(asked, status=status), chance)
    assert 0 <= decision.hold <= 86_400
    if decision.wait is not None:
        assert decision.wait >= decision.hold
        assert decision.wait >= schedule[attempt - 1] * (1 - JITTER) * (1 - 1e-9)
        assert decision.wait <= max(86_400, schedule[attempt - 1] * (1 + JITTER)) * (1 + 1e-9)
