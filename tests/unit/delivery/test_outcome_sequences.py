"""Whatever endpoints answer and whatever happens to workers, no retry is lost and none is made twice without need."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import event, given, settings
from hypothesis import strategies as st

from hookward.application.delivery.lanes import SLOW_WAIT_SECONDS
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome, Response
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.delivery.retry import JITTER
from tests.fakes.virtual_time import VirtualTimeLoop
from tests.fakes.worker_harness import WorkerHarness

HERE = "http://a.test/"
SCHEDULE = (1.0, 4.0, 2.0)
MOMENT = 0.5  # what a poll, a record or an upkeep may take
ENDED = {DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.CANCELLED}


@dataclass(frozen=True)
class Reply:
    """What an endpoint does with one request: a status or a kind of failure, after some seconds."""

    status: int = 200
    kind: ErrorKind | None = None
    retry_after: int | None = None
    seconds: float = 0.0

    def outcome(self) -> Outcome:
        if self.kind is not None:
            return Outcome(duration_us=1000, failure=Failure(kind=self.kind, message=f"it was {self.kind}"))
        headers = () if self.retry_after is None else (("Retry-After", str(self.retry_after)),)
        return Outcome(duration_us=1000, response=Response(status=self.status, headers=headers, body=b""))

    @property
    def hold(self) -> float:
        return float(self.retry_after or 0) if self.kind is None and self.status in (429, 503) else 0.0


@dataclass
class Sent:
    """A request as it arrived. Times are in seconds."""

    id: str
    number: int
    reply: Reply
    at: float
    answered: float | None = None


@dataclass
class Scripted:
    """The Sender port: each request takes the next reply, and when none is left a 200."""

    harness: WorkerHarness
    replies: list[Reply]
    sent: list[Sent] = field(default_factory=list)

    async def send(self, request: OutgoingRequest, *, timeout: float) -> Outcome:
        headers = dict(request.changing)
        reply = self.replies.pop(0) if self.replies else Reply()
        now = self.harness.clock.monotonic
        sent = Sent(headers["webhook-id"], int(headers["hookward-attempt"]), reply, now())
        self.sent.append(sent)
        await asyncio.sleep(reply.seconds)
        sent.answered = now()
        return reply.outcome()


retryable = [kind for kind in ErrorKind if kind not in (ErrorKind.FORBIDDEN_ADDRESS, ErrorKind.TEMPLATE)]
delays = st.sampled_from([0.0, 0.0, 0.01, 0.3, 2.0])
replies = st.one_of(
    st.builds(Reply, status=st.sampled_from([200, 204, 301, 400, 500, 503]), seconds=delays),
    st.builds(Reply, status=st.sampled_from([429, 503]), retry_after=st.integers(0, 20), seconds=delays),
    st.builds(Reply, kind=st.sampled_from(retryable), seconds=delays),
    st.builds(Reply, kind=st.just(ErrorKind.FORBIDDEN_ADDRESS)),
    st.builds(Reply, status=st.just(410), seconds=delays),
)
disturbances = st.lists(
    st.tuples(st.sampled_from(["killed", "robbed", "unanswered", "outage"]), st.sampled_from([0.005, 0.2, 1.5, 6.0])),
    max_size=2,
)


async def play(
    count: int, script: list[Reply], disturbed: list[tuple[str, float]], slots: int
) -> tuple[WorkerHarness, Scripted]:
    harness = WorkerHarness(schedule=SCHEDULE, slots=slots)
    scripted = Scripted(harness, list(script))
    harness.endpoints = scripted  # type: ignore[assignment]
    harness.watch(HERE)
    harness.start_worker()
    harness.publish(count, together=count % 2 == 0)
    for what, after in disturbed:
        await asyncio.sleep(after)
        if what == "unanswered":
            harness.store.lost.add("record")
            continue
        if what == "outage":
            harness.store.down = True
            await asyncio.sleep(1)
            harness.store.down = False
            continue
        if what == "killed":
            await kill(harness)
        for token in list(harness.store.leases):
            await harness.store.abandon(token)
        await harness.store.take_over()
        if what == "killed":
            harness.start_worker()
    harness.store.lost.clear()
    end = harness.clock.monotonic() + 600
    while harness.store.outbox or harness.store.waiting:
        assert harness.clock.monotonic() < end, "something waits for ever"
        await asyncio.sleep(0.25)
    await harness.close()
    return harness, scripted


async def kill(harness: WorkerHarness) -> None:
    """End the worker as ``kill -9`` would."""
    harness.store.down = True
    [task] = harness.tasks
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for left in asyncio.all_tasks() - {asyncio.current_task()}:  # what a cancelled worker leaves behind
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
    harness.tasks.clear()
    harness.workers.clear()
    harness.store.down = False


def waits_of(sent: list[Sent]) -> list[tuple[Sent, Sent]]:
    """Each attempt of one delivery with the one after it; of an attempt that was sent again, the last time."""
    last = {each.number: each for each in sent}
    first = {each.number: each for each in reversed(sent)}
    return [(last[number], first[number + 1]) for number in sorted(last) if number + 1 in first]


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(1, 8), script=st.lists(replies, max_size=24), disturbed=disturbances,
    slots=st.sampled_from([1, 3, 16]),
)  # fmt: skip
def test_no_sequence_of_outcomes_loses_or_doubles_a_retry(
    count: int, script: list[Reply], disturbed: list[tuple[str, float]], slots: int
) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        harness, scripted = runner.run(play(count, script, disturbed, slots))
    log = list(harness.store.log.values())
    by_delivery: defaultdict[str, list[Sent]] = defaultdict(list)
    for sent in scripted.sent:
        by_delivery[sent.id].append(sent)
    gone = any(sent.reply.status == 410 for sent in scripted.sent)
    event(f"{'disturbed' if disturbed else 'undisturbed'}, {'gone' if gone else 'not gone'}")

    # Every delivery has ended once, with all its attempts, none of them twice.
    assert len(log) == count or (gone and disturbed and len(log) < count)
    for logged in log:
        numbers = [attempt.number for attempt in logged.attempts]
        assert logged.status in ENDED
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) <= len(SCHEDULE) + 1
        arrived = [attempt.code is not None and 200 <= attempt.code < 300 for attempt in logged.attempts]
        assert (logged.status is DeliveryStatus.DELIVERED) == any(arrived[-1:])
        assert not any(arrived[:-1])
        assert logged.status is DeliveryStatus.DELIVERED or logged.reason

    # What was sent more often than it is in the log was in flight when something happened.
    twice = len(scripted.sent) - sum(len(logged.attempts) for logged in log)
    assert twice == 0 or disturbed
    for several in by_delivery.values():
        numbers = sorted({each.number for each in several})
        assert numbers == list(range(1, len(numbers) + 1))

    # A wait is never shorter than the policy says, and not longer but for holds and slots.
    holds = sum(each.reply.hold for each in scripted.sent)
    for several in by_delivery.values():
        for one, other in waits_of(several):
            assert one.answered is not None
            waited = other.at - one.answered
            due = max(SCHEDULE[one.number - 1] * (1 - JITTER), one.reply.hold)
            assert waited >= due - 1e-6
            if not disturbed and slots == 16:
                assert waited <= SCHEDULE[one.number - 1] * (1 + JITTER) + holds + SLOW_WAIT_SECONDS + MOMENT

    # A watch that asked to be left alone is left alone.
    if not disturbed:
        for told in scripted.sent:
            assert told.answered is not None
            within = [
                each for each in scripted.sent if told.answered < each.at < told.answered + told.reply.hold - 1e-6
            ]
            assert within == []
            if told.reply.status == 410:
                assert [each for each in scripted.sent if each.at > told.answered] == []
