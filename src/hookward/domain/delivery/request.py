"""The HTTP request of one attempt: what a watch's requests have in common, and how one is built and signed."""

from __future__ import annotations

import re

import msgspec

from hookward.domain.delivery.model import Payload
from hookward.domain.ids import DeliveryId, IdPrefix, to_text
from hookward.domain.redaction import MASK, redacted_repr
from hookward.domain.signing.request_signer import RequestSigner

SPAN_BYTES = 8


class OutgoingRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request as it goes on the wire; the sender rewrites nothing.

    ``address`` is an absolute http(s) URL whose path and query are already percent-encoded. ``headers`` are pairs in
    the order to send: those that the attempts at this address have in common, which are encoded once for all of them;
    ``changing`` follow them and belong to this attempt. ``body`` is ``None`` where the method sends none. Connections
    are never shared between two ``connection_owner``s. Headers and query hold secrets and the body is a customer's
    data, so the repr shows only where the request goes.
    """

    method: str
    address: str
    headers: tuple[tuple[str, str], ...]
    changing: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    connection_owner: str = ""

    def __repr__(self) -> str:
        size = 0 if self.body is None else len(self.body)
        origin = "/".join(re.split("[?#]", self.address, maxsplit=1)[0].split("/", 3)[:3]).rpartition("@")[2]
        return (
            f"<OutgoingRequest {self.method} {origin} {len(self.headers) + len(self.changing)} headers, {size} bytes>"
        )


class RequestHeaders(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The headers that all requests of a watch have in common.

    ``sent`` go on the wire, in this order; ``public`` are those of them without a secret. ``masked`` are the sent ones
    for the delivery log, with every secret masked.
    """

    sent: tuple[tuple[str, str], ...]
    public: tuple[tuple[str, str], ...]
    masked: dict[str, str]
    content_type: str | None

    def __repr__(self) -> str:
        return f"<RequestHeaders {len(self.sent)}>"

    @classmethod
    def of(
        cls, sent: tuple[tuple[str, str], ...], *, public: tuple[tuple[str, str], ...], masked: dict[str, str]
    ) -> RequestHeaders:
        """Return the headers with the content type that ``sent`` names, if it names one."""
        content_type = next((value for name, value in sent if name.lower() == "content-type"), None)
        return cls(sent=sent, public=public, masked=masked, content_type=content_type)

    def without_secrets(self) -> RequestHeaders:
        """Return only the public headers, for a server that may not see the secrets of today."""
        return self.of(self.public, public=self.public, masked=dict(self.public))


class RequestBuilder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All that the requests of one attempt have in common: an attempt with an access token may send up to three.

    ``event_name`` is ``type.kind``. ``number`` is the attempt's. ``span`` is ``SPAN_BYTES`` random bytes for
    ``traceparent``. ``replay_of`` is the delivery that a replay with an id of its own repeats; ``test`` marks a test
    send.
    """

    payload: Payload
    headers: RequestHeaders
    signer: RequestSigner | None
    connection_owner: str
    event_name: str
    id: DeliveryId
    number: int
    span: bytes
    replay_of: DeliveryId | None = None
    test: bool = False

    __repr__ = redacted_repr

    @property
    def signs_slowly(self) -> bool:
        """Whether building takes about a millisecond, and so belongs in a thread."""
        return self.signer is not None and self.signer.slow

    def build(self, second: int, token: str | None = None) -> tuple[OutgoingRequest, dict[str, str]]:
        """Return the request, signed at ``second`` (since 1970), and all its headers with secrets masked.

        ``token`` is the access token that authorizes it (RFC 6750 section 2.1).
        """
        payload, headers = self.payload, self.headers
        changing = {
            "webhook-id": to_text(IdPrefix.DELIVERY, self.id),
            "webhook-timestamp": str(second),
            "hookward-event": self.event_name,
            "hookward-attempt": str(self.number),
            "traceparent": f"00-{self.id.hex()}-{self.span.hex()}-01",
        }
        if self.signer is not None:
            self.signer.sign(
                changing, method=payload.method, address=payload.address, body=payload.body,
                content_type=headers.content_type, second=second,
            )  # fmt: skip
        if self.replay_of is not None:
            changing["hookward-replay-of"] = to_text(IdPrefix.DELIVERY, self.replay_of)
        if self.test:
            changing["hookward-test"] = "true"
        masked = headers.masked | changing
        if token is not None:
            changing["Authorization"] = f"Bearer {token}"
            masked["Authorization"] = f"Bearer {MASK}"
        request = OutgoingRequest(
            method=payload.method,
            address=payload.address,
            headers=headers.sent,
            changing=tuple(changing.items()),
            body=payload.body,
            connection_owner=self.connection_owner,
        )
        return request, masked
