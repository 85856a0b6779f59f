"""Deliver: render, sign and send one attempt, and say what follows from its outcome."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import msgspec

from hookward.application.delivery.authorized import AuthorizedSender, Sender
from hookward.application.delivery.endpoints import Endpoint, EndpointCache
from hookward.application.delivery.recorder import Recorder
from hookward.application.delivery.request import SPAN_BYTES, attempt_of, composed, render
from hookward.application.delivery.task import DeliveryTask
from hookward.application.oauth.ports import TokenSource
from hookward.application.ports import Clock, Random
from hookward.domain.delivery.model import NOT_KEPT, DeliveryStatus, DeliveryUpdate, Payload, Wait, WatchEffect
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome
from hookward.domain.delivery.retry import Decision, Policy, decide
from hookward.domain.errors import HookwardError, StoreUnavailable, TemplateFailed
from hookward.domain.oauth.model import AUTHORIZATION_REQUIRED
from hookward.domain.watches.model import StoreBodies, WatchStatus

_US = 1_000_000
UNMAKEABLE_SECONDS = 60.0
NO_STORE_SECONDS = 5.0
UNAUTHORIZED_SECONDS = 1.0


class AttemptLog(Protocol):
    """One wide line an attempt."""

    def attempted(self, entry: DeliveryUpdate, outcome: Outcome) -> None: ...


class SendWindow(Protocol):
    """The part of a lease that a send needs."""

    def covers(self, seconds: float) -> bool: ...

    async def until_covers(self, seconds: float) -> None: ...


class AttemptExecutor:
    """Makes the attempts of one worker.

    ``timeout`` is seconds, ``schedule`` the waits between attempts: the defaults. ``max_timeout`` is what a lease
    leaves room for, whatever a watch was once allowed to ask.
    """

    def __init__(
        self, plans: EndpointCache, sender: Sender, tokens: TokenSource, *, timeout: float, schedule: tuple[float, ...],
        clock: Clock, random: Random, log: AttemptLog, max_timeout: float = 30.0,
    ) -> None:  # fmt: skip
        self._plans = plans
        self._sender = sender
        self._exchanges = AuthorizedSender(sender, tokens, clock=clock)
        self._timeout = timeout
        self._max_timeout = max_timeout
        self._policy = Policy(schedule=schedule)
        self._clock = clock
        self._random = random
        self._log = log

    async def deliver(self, parcel: DeliveryTask, recorder: Recorder, lease: SendWindow) -> bool:
        """Make one attempt and hand what became of it to ``recorder``; cancelled, it leaves no trace.

        Answers whether its watch is to be left alone from now on: held, paused or disabled.
        """
        found = await self._plan(parcel, recorder, lease)
        if found is None:
            return False
        plan, timeout = found
        sent_us = self._clock.now_us()
        try:
            payload = parcel.payload or self._render(parcel, plan, sent_us // _US)
        except TemplateFailed as error:
            payload = Payload(method=plan.method, address=plan.address, body=None)
            failure = Failure(kind=ErrorKind.TEMPLATE, message=str(error))
            outcome = Outcome(duration_us=0, failure=failure)
            recorder.settle(parcel, self._entry(parcel, plan, payload, {}, sent_us, outcome))
            return False
        if parcel.payload is not None:
            plan = plan.towards(payload.address)
        make = partial(
            composed, plan, parcel.event.change, payload,
            id_=parcel.id, number=parcel.number, span=self._random.bytes(SPAN_BYTES), replay_of=parcel.replay_of,
        )  # fmt: skip
        if plan.grant is None:
            request, shown = await make(second=sent_us // _US)
            outcome = await self._sender.send(request, timeout=timeout)
        else:
            try:
                exchange = await self._exchanges.make(plan.grant, make, seconds=timeout)
            except HookwardError as error:  # our own stores: no attempt is spent on that either
                recorder.settle(parcel, _later(parcel, error))
                return False
            if exchange.unauthorized:
                recorder.settle(parcel, _unauthorized(parcel, plan, payload if exchange.reached else None))
                return True
            sent_us, shown, outcome = exchange.sent_us, exchange.shown, exchange.outcome
        entry = self._entry(parcel, plan, payload, shown, sent_us, outcome)
        recorder.settle(parcel, entry)
        self._log.attempted(entry, outcome)
        return entry.watch_effect is not None

    async def _plan(self, parcel: DeliveryTask, recorder: Recorder, lease: SendWindow) -> tuple[Endpoint, float] | None:
        """How its request is made, and how long that may take, in seconds; ``None`` when there is nothing to send."""
        while True:
            try:
                plan = self._plans.get(parcel.watch)
            except HookwardError as error:  # its secrets do not open, say: no attempt is spent on it
                recorder.settle(parcel, _later(parcel, error))
                return None
            if plan is None or plan.lane != parcel.lane:  # or it was disabled, and is enabled again
                reason = self._plans.why_none(parcel.watch) if plan is None else "the watch was disabled"
                entry = parcel.entry(DeliveryStatus.CANCELLED, attempts=parcel.number - 1, reason=reason)
                recorder.settle(parcel, entry)
                return None
            if plan.status is WatchStatus.PAUSED:
                recorder.settle(parcel, parcel.parked(held=False))
                return None
            timeout = self._timeout if plan.timeout is None else min(plan.timeout, self._max_timeout)
            if lease.covers(timeout):
                return plan, timeout
            await lease.until_covers(timeout)  # the watch may be another one by then

    def _render(self, parcel: DeliveryTask, plan: Endpoint, second: int) -> Payload:
        change = parcel.event.change
        zone, shape = self._plans.account_zone(change.account), self._plans.shape(change)
        return render(plan, parcel.event, second=second, zone=zone, shape=shape)

    def _entry(
        self,
        parcel: DeliveryTask,
        plan: Endpoint,
        payload: Payload,
        shown: dict[str, str],
        sent_us: int,
        outcome: Outcome,
    ) -> DeliveryUpdate:
        policy = self._policy if plan.schedule is None else Policy(schedule=plan.schedule)
        now = self._clock.now_us() / _US
        decision = decide(policy, parcel.number - parcel.base, outcome, now, self._random.uniform())
        again = decision.wait is not None
        first = parcel.payload is None
        attempt = attempt_of(parcel.number, payload, shown, sent_us, outcome, with_body=first, veil=plan.veil)
        if not _keeps_bodies(plan.bodies, decision.status):
            attempt = msgspec.structs.replace(attempt, request_body=NOT_KEPT, response_body=None)
        return parcel.entry(
            decision.status,
            reason=decision.reason.replace("\0", "") if decision.reason else None,
            attempts=parcel.number,
            attempt=attempt,
            wait=_wait(decision, parcel.number),
            payload=payload if first and again else None,
            watch_effect=_consequence(decision, plan, payload) if decision.hold or decision.disable else None,
        )


def _consequence(decision: Decision, plan: Endpoint, payload: Payload) -> WatchEffect | None:
    """What the decision means for the watch.

    A retry keeps its address (G11): what an old one answers says nothing of a watch that has another by now.
    """
    if payload.address != plan.address and "${" not in plan.address:
        return None
    return WatchEffect(hold=decision.hold, disable=decision.disable, version=plan.version)


def _later(parcel: DeliveryTask, error: HookwardError) -> DeliveryUpdate:
    seconds = NO_STORE_SECONDS if isinstance(error, StoreUnavailable) else UNMAKEABLE_SECONDS
    wait = Wait(seconds=seconds, number=parcel.number)
    reason = f"its request cannot be made: {error}".replace("\0", "")
    return parcel.entry(parcel.standing, attempts=parcel.number - 1, reason=reason, wait=wait)


def _unauthorized(parcel: DeliveryTask, plan: Endpoint, sent: Payload | None) -> DeliveryUpdate:
    """It waits until somebody authorizes, and so does its watch; what was ``sent`` once stays as it is (G11)."""
    return parcel.entry(
        parcel.standing,
        attempts=parcel.number - 1,
        reason=AUTHORIZATION_REQUIRED,
        wait=Wait(seconds=UNAUTHORIZED_SECONDS, number=parcel.number),
        payload=sent if parcel.payload is None else None,
        watch_effect=WatchEffect(pause=AUTHORIZATION_REQUIRED, version=plan.version),
    )


def _keeps_bodies(bodies: StoreBodies, status: DeliveryStatus) -> bool:
    return bodies is StoreBodies.ALL or (bodies is StoreBodies.FAILED and status is not DeliveryStatus.DELIVERED)


def _wait(decision: Decision, number: int) -> Wait | None:
    return None if decision.wait is None else Wait(seconds=decision.wait, number=number + 1)
