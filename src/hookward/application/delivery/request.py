"""Compose: a plan and an event as one HTTP request, and what the log keeps of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from hookward.application.delivery.endpoints import Endpoint
from hookward.application.delivery.task import LoadedEvent
from hookward.domain.crypto_keys.model import SignatureFormat
from hookward.domain.delivery.masking import NO_MASK, SecretMask
from hookward.domain.delivery.model import Attempt, Payload
from hookward.domain.delivery.outcome import Outcome, Response
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import DeliveryId, IdPrefix, to_text
from hookward.domain.oauth.model import AccessToken
from hookward.domain.redaction import MASK
from hookward.domain.resource_types.model import BodyShape
from hookward.domain.signing.http_signatures import message_signatures
from hookward.domain.signing.standard_webhooks import signatures

MAX_LOGGED_HEADERS = 16 << 10
SPAN_BYTES = 8
_SECRET_ANSWERS = frozenset({"set-cookie", "authorization", "proxy-authorization", "www-authenticate"})
_encode = msgspec.json.Encoder().encode


def render(plan: Endpoint, event: LoadedEvent, *, second: int, zone: str | None, shape: BodyShape) -> Payload:
    """Method, address and body at a moment (seconds since 1970); raises TemplateFailed.

    ``zone`` is the account's time zone, for an event and a watch that name none; ``shape`` that of the event's type.
    """
    body: bytes | None = None
    perspective = plan.perspective.with_shape(shape)
    address, place, template = plan.address, plan.place, plan.template
    if plan.has_body and template is None:
        body = perspective.body(event.change, second, zone)
    if place is not None or template is not None:
        document = perspective.build(event, second, zone)
        body = body if template is None else template.render(document)
        address = address if place is None else place.fill(document)
    return Payload(method=plan.method, address=address, body=body)


def compose(
    plan: Endpoint, change: ChangeEvent, payload: Payload, *, id_: DeliveryId, number: int, second: int, span: bytes,
    replay_of: DeliveryId | None = None, test: bool = False, token: AccessToken | None = None,
) -> tuple[OutgoingRequest, dict[str, str]]:  # fmt: skip
    """The request of attempt ``number``, signed at ``second``, and its headers with secrets masked.

    ``span`` is ``SPAN_BYTES`` random bytes for ``traceparent``; a ``test`` says that it is one, and a replay with
    an id of its own what it repeats (``replay_of``). A ``token`` authorizes it (RFC 6750 §2.1).
    """
    webhook_id = to_text(IdPrefix.DELIVERY, id_)
    changing = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(second),
        "hookward-event": f"{change.resource_type}.{change.kind.word}",
        "hookward-attempt": str(number),
        "traceparent": f"00-{id_.hex()}-{span.hex()}-01",
    }
    if plan.keys or plan.signers:
        _sign(plan, payload, changing, second)
    if replay_of is not None:
        changing["hookward-replay-of"] = to_text(IdPrefix.DELIVERY, replay_of)
    if test:
        changing["hookward-test"] = "true"
    shown = plan.shown | changing
    if token is not None:
        changing["Authorization"] = f"Bearer {token.value}"
        shown["Authorization"] = f"Bearer {MASK}"
    request = OutgoingRequest(
        method=payload.method,
        address=payload.address,
        headers=plan.headers,
        changing=tuple(changing.items()),
        body=payload.body,
        connection_owner=plan.party,
    )
    return request, shown


async def composed(plan: Endpoint, *given: Any, **named: Any) -> tuple[OutgoingRequest, dict[str, str]]:
    """What ``compose`` makes; where signing takes a while, away from the loop."""
    if plan.signs_slowly:
        return await asyncio.to_thread(compose, plan, *given, **named)
    return compose(plan, *given, **named)


def _sign(plan: Endpoint, payload: Payload, changing: dict[str, str], second: int) -> None:
    """Add what signs a request: it is signed by every key of the watch, each in its own format."""
    standard = [each for each in plan.signers if each.format is SignatureFormat.STANDARD_WEBHOOKS]
    if plan.keys or standard:
        body = payload.body or b""
        changing["webhook-signature"] = signatures(plan.keys, changing["webhook-id"], second, body, standard)
    messages = [each for each in plan.signers if each.format is SignatureFormat.RFC9421]
    if messages:
        fields = [(name, changing[name]) for name in ("webhook-id", "webhook-timestamp")]
        if payload.body is not None and plan.content_type is not None:
            fields.insert(0, ("content-type", plan.content_type))
        changing |= message_signatures(
            messages, method=payload.method, address=payload.address, fields=fields, body=payload.body, created=second
        )


def attempt_of(
    number: int, payload: Payload, shown: dict[str, str], sent_us: int, outcome: Outcome, *, with_body: bool,
    veil: SecretMask = NO_MASK,
) -> Attempt:  # fmt: skip
    """What the log keeps of one request; ``shown`` are its headers with secrets masked.

    An endpoint may answer with what it was sent: ``veil`` masks that too.
    """
    answer, failure = outcome.response, outcome.failure
    own = (payload.body or b"") if number > 1 else payload.body  # empty: none, unlike the attempt before
    request: dict[str, Any] = {"method": payload.method, "address": payload.address, "headers": shown}
    headers, cut = _logged_headers(answer, veil)
    return Attempt(
        number=number,
        sent_us=sent_us,
        duration_us=outcome.duration_us,
        request=_encode(request),
        request_body=own if with_body else None,
        code=answer.status if answer else None,
        response=_encode(headers) if answer else None,
        response_body=veil.mask_bytes(answer.body, cut=answer.truncated) if answer else None,
        truncated=cut or (answer.truncated if answer else False),
        error=failure.kind if failure else None,
        message=failure.message.replace("\0", "") if failure else None,
        remote=outcome.remote,
    )


def _logged_headers(answer: Response | None, veil: SecretMask) -> tuple[dict[str, str], bool]:
    """The answer's headers, secrets masked, as many as the log takes; and whether some were left out."""
    logged: dict[str, str] = {}
    size = 0
    for name, value in answer.headers if answer else ():
        size += len(name) + len(value)
        if size > MAX_LOGGED_HEADERS:
            return veil.mask_headers(logged), True
        logged[name] = MASK if name.lower() in _SECRET_ANSWERS else value
    return veil.mask_headers(logged), False
