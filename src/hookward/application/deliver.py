"""Deliver: render, sign and send one attempt, and say what follows from its outcome."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from hookward.application.parcel import Parcel
from hookward.application.plans import MASK, Plan, Plans
from hookward.application.ports import Chance, Clock
from hookward.application.recorder import Recorder
from hookward.domain.delivery import Attempt, Consequence, DeliveryStatus, Entry, Payload, Wait
from hookward.domain.document import body_without_template, document
from hookward.domain.errors import HookwardError, TemplateFailed
from hookward.domain.ids import Prefix, to_text
from hookward.domain.outcome import Answer, ErrorKind, Failure, Outcome
from hookward.domain.outgoing import OutgoingRequest
from hookward.domain.retry import Decision, Policy, decide
from hookward.domain.signing import signatures

_encode = msgspec.json.Encoder().encode
_US = 1_000_000
UNMAKEABLE_SECONDS = 60.0
MAX_LOGGED_HEADERS = 16 << 10
_SECRET_ANSWERS = frozenset({"set-cookie", "authorization", "proxy-authorization", "www-authenticate"})


class Sender(Protocol):
    """Sends one HTTP request; ``timeout`` is seconds for all of it. Never raises for what an endpoint does."""

    async def send(self, request: OutgoingRequest, *, timeout: float) -> Outcome: ...  # noqa: ASYNC109


class AttemptLog(Protocol):
    """One wide line an attempt."""

    def attempted(self, entry: Entry, outcome: Outcome) -> None: ...


class Until(Protocol):
    """The part of a lease that a send needs."""

    def covers(self, seconds: float) -> bool: ...

    async def until_covers(self, seconds: float) -> None: ...


class Courier:
    """Makes the attempts of one worker. ``timeout`` is seconds, ``schedule`` the waits between attempts."""

    def __init__(
        self, plans: Plans, sender: Sender, *, timeout: float, schedule: tuple[float, ...],
        clock: Clock, chance: Chance, log: AttemptLog,
    ) -> None:  # fmt: skip
        self._plans = plans
        self._sender = sender
        self._timeout = timeout
        self._policy = Policy(schedule=schedule)
        self._clock = clock
        self._chance = chance
        self._log = log

    async def deliver(self, parcel: Parcel, recorder: Recorder, lease: Until) -> bool:
        """Make one attempt and hand what became of it to ``recorder``; cancelled, it leaves no trace.

        Answers whether its watch is to be left alone from now on: held, or disabled.
        """
        if not lease.covers(self._timeout):
            await lease.until_covers(self._timeout)
        try:
            plan = self._plans.get(parcel.watch)
        except HookwardError as error:  # its secrets do not open, say: no attempt is spent on it
            recorder.settle(parcel, _later(parcel, error))
            return False
        if plan is None:
            reason = self._plans.why_none(parcel.watch)
            recorder.settle(parcel, parcel.entry(DeliveryStatus.CANCELLED, attempts=parcel.number - 1, reason=reason))
            return False
        sent_us = self._clock.now_us()
        try:
            payload = parcel.payload or self._render(parcel, plan, sent_us // _US)
        except TemplateFailed as error:
            payload = Payload(method=plan.method, address=plan.address, body=None)
            failure = Failure(kind=ErrorKind.TEMPLATE, message=str(error))
            outcome = Outcome(duration_us=0, failure=failure)
            recorder.settle(parcel, self._entry(parcel, plan, payload, {}, sent_us, outcome))
            return False
        changing = self._changing_headers(parcel, plan, payload.body, sent_us // _US)
        request = OutgoingRequest(
            method=payload.method,
            address=payload.address,
            headers=plan.headers,
            changing=tuple(changing.items()),
            body=payload.body,
        )
        outcome = await self._sender.send(request, timeout=self._timeout)
        entry = self._entry(parcel, plan, payload, plan.shown | changing, sent_us, outcome)
        recorder.settle(parcel, entry)
        self._log.attempted(entry, outcome)
        return entry.consequence is not None

    def _render(self, parcel: Parcel, plan: Plan, second: int) -> Payload:
        change = parcel.event.change
        body: bytes | None = None
        zone = change.zone or self._plans.account_zone(change.account) or "UTC"
        if plan.has_body and plan.template is None:
            body = body_without_template(change, shape=plan.shape, second=second, zone=zone)
        elif plan.has_body and plan.template is not None:
            resource = parcel.event.resource()
            body = plan.template.render(document(change, resource, shape=plan.shape, second=second, zone=zone))
        return Payload(method=plan.method, address=plan.address, body=body)

    def _changing_headers(self, parcel: Parcel, plan: Plan, body: bytes | None, second: int) -> dict[str, str]:
        change = parcel.event.change
        id_ = to_text(Prefix.DELIVERY, parcel.id)
        headers = {
            "webhook-id": id_,
            "webhook-timestamp": str(second),
            "hookward-event": f"{change.resource_type}.{change.kind.word}",
            "hookward-attempt": str(parcel.number),
            "traceparent": f"00-{parcel.id.hex()}-{self._chance.bytes(8).hex()}-01",
        }
        if plan.keys:
            headers["webhook-signature"] = signatures(plan.keys, id_, second, body or b"")
        return headers

    def _entry(
        self, parcel: Parcel, plan: Plan, payload: Payload, shown: dict[str, str], sent_us: int, outcome: Outcome
    ) -> Entry:
        now = self._clock.now_us() / _US
        decision = decide(self._policy, parcel.number, outcome, now, self._chance.fraction())
        again = decision.wait is not None
        first = parcel.payload is None
        return parcel.entry(
            decision.status,
            reason=decision.reason.replace("\0", "") if decision.reason else None,
            attempts=parcel.number,
            attempt=_attempt(parcel.number, payload, shown, sent_us, outcome, with_body=first),
            wait=_wait(decision, parcel.number),
            payload=payload if first and again else None,
            consequence=_consequence(decision, plan, payload) if decision.hold or decision.disable else None,
        )


def _consequence(decision: Decision, plan: Plan, payload: Payload) -> Consequence | None:
    """What the decision means for the watch.

    A retry keeps its address (G11): what an old one answers says nothing of a watch that has another by now.
    """
    if payload.address != plan.address and "${" not in plan.address:
        return None
    return Consequence(hold=decision.hold, disable=decision.disable, version=plan.version)


def _later(parcel: Parcel, error: HookwardError) -> Entry:
    status = DeliveryStatus.PENDING if parcel.number == 1 else DeliveryStatus.RETRYING
    wait = Wait(seconds=UNMAKEABLE_SECONDS, number=parcel.number)
    reason = f"its request cannot be made: {error}".replace("\0", "")
    return parcel.entry(status, attempts=parcel.number - 1, reason=reason, wait=wait)


def _wait(decision: Decision, number: int) -> Wait | None:
    return None if decision.wait is None else Wait(seconds=decision.wait, number=number + 1)


def _attempt(
    number: int, payload: Payload, shown: dict[str, str], sent_us: int, outcome: Outcome, *, with_body: bool
) -> Attempt:
    answer, failure = outcome.answer, outcome.failure
    request: dict[str, Any] = {"method": payload.method, "address": payload.address, "headers": shown}
    headers, cut = _logged_headers(answer)
    return Attempt(
        number=number,
        sent_us=sent_us,
        duration_us=outcome.duration_us,
        request=_encode(request),
        request_body=payload.body if with_body else None,
        code=answer.status if answer else None,
        response=_encode(headers) if answer else None,
        response_body=answer.body if answer else None,
        truncated=cut or (answer.truncated if answer else False),
        error=failure.kind if failure else None,
        message=failure.message.replace("\0", "") if failure else None,
        remote=outcome.remote,
    )


def _logged_headers(answer: Answer | None) -> tuple[dict[str, str], bool]:
    """The answer's headers, secrets masked, as many as the log takes; and whether some were left out."""
    logged: dict[str, str] = {}
    size = 0
    for name, value in answer.headers if answer else ():
        size += len(name) + len(value)
        if size > MAX_LOGGED_HEADERS:
            return logged, True
        logged[name] = MASK if name.lower() in _SECRET_ANSWERS else value
    return logged, False
