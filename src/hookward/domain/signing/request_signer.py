"""The keys of one watch, each signing in its own format."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hookward.domain.crypto_keys.model import SignatureFormat, Signer
from hookward.domain.signing.http_signatures import message_signatures
from hookward.domain.signing.standard_webhooks import signatures


class RequestSigner(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Sign requests with every key of a watch.

    ``secrets`` sign with HMAC by Standard Webhooks, ``standard`` otherwise by Standard Webhooks, ``messages`` by
    RFC 9421. ``slow`` says that one signature takes about a millisecond: such requests are built in a thread.
    """

    secrets: tuple[bytes, ...] = ()
    standard: tuple[Signer, ...] = ()
    messages: tuple[Signer, ...] = ()
    slow: bool = False

    def __repr__(self) -> str:
        return f"<RequestSigner {len(self.secrets)} secrets, {len(self.standard) + len(self.messages)} signers>"

    @classmethod
    def of(cls, keys: Iterable[bytes | Signer]) -> RequestSigner:
        """Return the signer that signs with ``keys``: HMAC secrets of Standard Webhooks, and signers."""
        keys = tuple(keys)
        signers = [key for key in keys if isinstance(key, Signer)]
        return cls(
            secrets=tuple([key for key in keys if isinstance(key, bytes)]),
            standard=tuple([each for each in signers if each.format is SignatureFormat.STANDARD_WEBHOOKS]),
            messages=tuple([each for each in signers if each.format is SignatureFormat.RFC9421]),
            slow=any(each.slow for each in signers),
        )

    def sign(
        self, headers: dict[str, str], *, method: str, address: str, body: bytes | None, content_type: str | None,
        second: int,
    ) -> None:  # fmt: skip
        """Add the signatures to ``headers``, which hold ``webhook-id`` and ``webhook-timestamp``.

        ``second`` is the moment of signing in seconds since 1970.
        """
        if self.secrets or self.standard:
            headers["webhook-signature"] = signatures(
                self.secrets, headers["webhook-id"], second, body or b"", self.standard
            )
        if self.messages:
            fields = [(name, headers[name]) for name in ("webhook-id", "webhook-timestamp")]
            if body is not None and content_type is not None:
                fields.insert(0, ("content-type", content_type))
            headers |= message_signatures(
                self.messages, method=method, address=address, fields=fields, body=body, created=second
            )
