"""The end of an attempt: what follows for its delivery and its watch, and what the delivery log keeps of it."""

from __future__ import annotations

from typing import Any

import msgspec

from hookward.domain.delivery.masking import SecretMask
from hookward.domain.delivery.model import NOT_KEPT, Attempt, Payload, StoreBodies
from hookward.domain.delivery.outcome import Outcome, Response
from hookward.domain.delivery.retry import Decision, Policy, decide
from hookward.domain.redaction import MASK, redacted_repr

MAX_LOGGED_HEADERS = 16 << 10
_SECRET_RESPONSE_HEADERS = frozenset({"set-cookie", "authorization", "proxy-authorization", "www-authenticate"})
_encode = msgspec.json.Encoder().encode


class SentAttempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attempt as it was sent.

    ``masked_headers`` are the headers of its last request with secrets masked, ``sent_us`` is when that was sent, in
    microseconds since 1970. ``logs_body`` is false for a retry: its request body is that of the attempt before.
    ``mask`` holds the secrets of the watch, which an endpoint may repeat in its response.
    """

    number: int
    payload: Payload
    masked_headers: dict[str, str]
    sent_us: int
    mask: SecretMask
    logs_body: bool = True

    __repr__ = redacted_repr


def record_attempt(sent: SentAttempt, outcome: Outcome) -> Attempt:
    """Return what the delivery log keeps of one attempt."""
    payload, mask = sent.payload, sent.mask
    response, failure = outcome.response, outcome.failure
    body = (payload.body or b"") if sent.number > 1 else payload.body  # empty: none, unlike the attempt before
    request: dict[str, Any] = {"method": payload.method, "address": payload.address, "headers": sent.masked_headers}
    headers, cut = _logged_headers(response, mask)
    return Attempt(
        number=sent.number,
        sent_us=sent.sent_us,
        duration_us=outcome.duration_us,
        request=_encode(request),
        request_body=body if sent.logs_body else None,
        code=response.status if response else None,
        response=_encode(headers) if response else None,
        response_body=mask.mask_bytes(response.body, cut=response.truncated) if response else None,
        truncated=cut or (response.truncated if response else False),
        error=failure.kind if failure else None,
        message=failure.message.replace("\0", "") if failure else None,
        remote=outcome.remote,
    )


def conclude(
    sent: SentAttempt, outcome: Outcome, policy: Policy, *, store_bodies: StoreBodies, base: int, now: float,
    uniform: float,
) -> tuple[Decision, Attempt]:  # fmt: skip
    """Decide what follows from the outcome of an attempt, and return that with the attempt for the delivery log.

    ``base`` is the number of attempts before a replay. ``now`` is seconds since 1970, ``uniform`` a random number in
    [0, 1).
    """
    decision = decide(policy, sent.number - base, outcome, now, uniform)
    attempt = record_attempt(sent, outcome)
    if not store_bodies.keeps(decision.status):
        attempt = msgspec.structs.replace(attempt, request_body=NOT_KEPT, response_body=None)
    return decision, attempt


def _logged_headers(response: Response | None, mask: SecretMask) -> tuple[dict[str, str], bool]:
    """Return a response's headers with secrets masked, up to the log's bound, and whether some were left out."""
    logged: dict[str, str] = {}
    size = 0
    for name, value in response.headers if response else ():
        size += len(name) + len(value)
        if size > MAX_LOGGED_HEADERS:
            return mask.mask_headers(logged), True
        logged[name] = MASK if name.lower() in _SECRET_RESPONSE_HEADERS else value
    return mask.mask_headers(logged), False
