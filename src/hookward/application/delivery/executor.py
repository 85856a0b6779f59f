"""AttemptExecutor: makes one attempt of a delivery, and returns what is to be recorded of it."""

from __future__ import annotations

from typing import Protocol

from hookward.application.delivery.authorized import AuthorizedSender, build_request
from hookward.application.delivery.endpoint import Endpoint
from hookward.application.delivery.endpoints import EndpointCache
from hookward.application.delivery.task import DeliveryTask
from hookward.application.oauth.ports import TokenSource
from hookward.application.ports import Clock, Random, Sender
from hookward.domain.delivery.attempt import SentAttempt, conclude
from hookward.domain.delivery.model import DeliveryStatus, DeliveryUpdate, Payload, Wait, WatchEffect
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome
from hookward.domain.delivery.request import SPAN_BYTES, RequestBuilder
from hookward.domain.delivery.retry import Decision, Policy
from hookward.domain.errors import HookwardError, StoreUnavailable, TemplateFailed
from hookward.domain.oauth.model import AUTHORIZATION_REQUIRED_REASON, TokenGrant
from hookward.domain.watches.model import WatchStatus

_US = 1_000_000
UNMAKEABLE_SECONDS = 60.0
NO_STORE_SECONDS = 5.0
UNAUTHORIZED_SECONDS = 1.0


class AttemptLog(Protocol):
    """Writes one wide log line for each attempt."""

    def attempted(self, update: DeliveryUpdate, outcome: Outcome) -> None: ...


class SendWindow(Protocol):
    """The part of a lease that a send needs."""

    def covers(self, seconds: float) -> bool: ...

    async def until_covers(self, seconds: float) -> None: ...


class AttemptExecutor:
    """Makes the attempts of one worker.

    ``timeout`` (seconds) and ``schedule`` (waits between attempts) are the defaults. ``max_timeout`` is what a lease
    leaves room for, whatever a watch was once allowed to ask.
    """

    def __init__(
        self,
        endpoints: EndpointCache,
        sender: Sender,
        tokens: TokenSource,
        *,
        timeout: float,
        schedule: tuple[float, ...],
        clock: Clock,
        random: Random,
        log: AttemptLog,
        max_timeout: float = 30.0,
    ) -> None:
        self._endpoints = endpoints
        self._sender = sender
        self._authorized = AuthorizedSender(sender, tokens, clock=clock)
        self._timeout = timeout
        self._max_timeout = max_timeout
        self._policy = Policy(schedule=schedule)
        self._clock = clock
        self._random = random
        self._log = log

    async def execute(self, task: DeliveryTask, window: SendWindow) -> DeliveryUpdate:
        """Make one attempt, once ``window`` covers it, and return the update to record.

        Where no attempt can be made, the update says how the delivery goes on without one. An update with a
        ``watch_effect`` means that its watch is to get no more requests for now. Cancelled, it leaves no trace.
        """
        while True:
            try:
                endpoint = self._endpoints.get(task.watch)
            except HookwardError as error:  # its secrets cannot be opened, for example: that costs no attempt
                return _postponed(task, error)
            if endpoint is None or endpoint.lane != task.lane:  # or it was disabled, and enabled again
                reason = self._endpoints.reason_for_none(task.watch) if endpoint is None else "the watch was disabled"
                return task.update(DeliveryStatus.CANCELLED, attempts=task.number - 1, reason=reason)
            if endpoint.status is WatchStatus.PAUSED:
                return task.wait_for_slot()
            timeout = endpoint.compiled.timeout
            timeout = self._timeout if timeout is None else min(timeout, self._max_timeout)
            if window.covers(timeout):
                return await self._attempt(task, endpoint, timeout)
            await window.until_covers(timeout)  # the watch may have changed by then

    async def _attempt(self, task: DeliveryTask, endpoint: Endpoint, seconds: float) -> DeliveryUpdate:
        sent_us, span = self._clock.now_us(), self._random.bytes(SPAN_BYTES)
        payload = task.payload
        if payload is not None:
            endpoint = endpoint.for_former_address(payload.address)
        else:
            try:
                payload = endpoint.render(task.event, sent_us // _US)
            except TemplateFailed as error:
                payload = Payload(method=endpoint.method, address=endpoint.address, body=None)
                failure = Failure(kind=ErrorKind.TEMPLATE, message=str(error))
                sent = _sent(task, endpoint, payload, sent_us, {})
                return self._conclude(task, endpoint, sent, Outcome(duration_us=0, failure=failure))
        builder = RequestBuilder(
            payload=payload,
            headers=endpoint.headers,
            signer=endpoint.signer,
            connection_owner=endpoint.connection_owner,
            event_name=task.event.change.name,
            id=task.id,
            number=task.number,
            span=span,
            replay_of=task.replay_of,
        )
        if endpoint.token_grant is not None:
            return await self._authorized_attempt(task, endpoint, endpoint.token_grant, builder, seconds)
        if builder.signs_slowly:
            request, masked = await build_request(builder, sent_us // _US)
        else:
            request, masked = builder.build(sent_us // _US)
        outcome = await self._sender.send(request, timeout=seconds)
        update = self._conclude(task, endpoint, _sent(task, endpoint, payload, sent_us, masked), outcome)
        self._log.attempted(update, outcome)
        return update

    async def _authorized_attempt(
        self, task: DeliveryTask, endpoint: Endpoint, grant: TokenGrant, builder: RequestBuilder, seconds: float
    ) -> DeliveryUpdate:
        try:
            made = await self._authorized.send(grant, builder, seconds=seconds)
        except HookwardError as error:  # of our own stores: that costs no attempt either
            return _postponed(task, error)
        if made.unauthorized:
            return _unauthorized(task, endpoint, builder.payload if made.reached else None)
        sent = _sent(task, endpoint, builder.payload, made.sent_us, made.masked_headers)
        update = self._conclude(task, endpoint, sent, made.outcome)
        self._log.attempted(update, made.outcome)
        return update

    def _conclude(self, task: DeliveryTask, endpoint: Endpoint, sent: SentAttempt, outcome: Outcome) -> DeliveryUpdate:
        decision, attempt = conclude(
            sent,
            outcome,
            endpoint.compiled.retry_policy or self._policy,
            store_bodies=endpoint.store_bodies,
            base=task.base,
            now=self._clock.now_us() / _US,
            uniform=self._random.uniform(),
        )
        retries = decision.wait is not None
        return task.update(
            decision.status,
            reason=decision.reason.replace("\0", "") if decision.reason else None,
            attempts=task.number,
            attempt=attempt,
            wait=None if decision.wait is None else Wait(seconds=decision.wait, number=task.number + 1),
            payload=sent.payload if sent.logs_body and retries else None,
            watch_effect=_watch_effect(decision, endpoint, sent) if decision.hold or decision.disable else None,
        )


def _sent(
    task: DeliveryTask, endpoint: Endpoint, payload: Payload, sent_us: int, masked_headers: dict[str, str]
) -> SentAttempt:
    return SentAttempt(
        number=task.number,
        payload=payload,
        masked_headers=masked_headers,
        sent_us=sent_us,
        mask=endpoint.mask,
        logs_body=task.payload is None,
    )


def _watch_effect(decision: Decision, endpoint: Endpoint, sent: SentAttempt) -> WatchEffect | None:
    """Return what the decision means for the watch.

    A retry keeps its address (G11): the response of a former address says nothing about the watch of today.
    """
    if sent.payload.address != endpoint.address and "${" not in endpoint.address:
        return None
    return WatchEffect(hold=decision.hold, disable=decision.disable, version=endpoint.version)


def _postponed(task: DeliveryTask, error: HookwardError) -> DeliveryUpdate:
    """Return the update for a request that could not be made, for a reason of ours."""
    seconds = NO_STORE_SECONDS if isinstance(error, StoreUnavailable) else UNMAKEABLE_SECONDS
    reason = f"its request cannot be made: {error}".replace("\0", "")
    return task.wait_update(Wait(seconds=seconds, number=task.number), reason=reason)


def _unauthorized(task: DeliveryTask, endpoint: Endpoint, sent: Payload | None) -> DeliveryUpdate:
    """Return the update that lets delivery and watch wait for an authorization; what was ``sent`` is kept (G11)."""
    return task.wait_update(
        Wait(seconds=UNAUTHORIZED_SECONDS, number=task.number),
        reason=AUTHORIZATION_REQUIRED_REASON,
        payload=sent if task.payload is None else None,
        watch_effect=WatchEffect(pause=AUTHORIZATION_REQUIRED_REASON, version=endpoint.version),
    )
