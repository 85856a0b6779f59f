"""Endpoint: everything about a watch that its deliveries need, computed once; and how it is built."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

import msgspec

from hookward.application.crypto_keys.ports import SigningKeys
from hookward.application.delivery.task import LoadedEvent
from hookward.application.ports import Clock, Sealer
from hookward.application.records import KeyRecord, WatchRecord
from hookward.domain.crypto_keys.model import Algorithm, KeyDefinition, SignatureFormat, Signer, kid_of
from hookward.domain.delivery.masking import SecretMask
from hookward.domain.delivery.model import Payload, StoreBodies
from hookward.domain.delivery.request import RequestHeaders
from hookward.domain.delivery.retry import Policy
from hookward.domain.durations import parse_duration
from hookward.domain.errors import HookwardError
from hookward.domain.events.document import DocumentOptions
from hookward.domain.ids import CryptoKeyId, IdPrefix, to_text
from hookward.domain.oauth.model import OAuthDefinition, TokenGrant, variant_of
from hookward.domain.redaction import MASK
from hookward.domain.resource_types.model import BodyShape
from hookward.domain.sealing import key_subject
from hookward.domain.signing.request_signer import RequestSigner
from hookward.domain.templates.addresses import AddressTemplate, compile_address, has_placeholder
from hookward.domain.templates.template import Template, compile_template
from hookward.domain.watches.model import WatchDefinition, WatchMethod, WatchSecrets, WatchStatus

_ORIGIN = re.compile(r"[^/?#]*//[^/?#]*")

LiveKey: TypeAlias = tuple[bytes | Signer, int | None]
"""A key, and until when it signs (microseconds since 1970; ``None``: no end). HMAC secrets of Standard Webhooks sign
as bytes."""


class CompiledWatch(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a watch's definition that take time to compute: compiling a template may take a third of a second.

    ``template`` is ``None`` where the body, if any, is the document, ``address_template`` where the address is
    constant. ``retry_policy`` and ``timeout`` (seconds) are ``None`` where the defaults apply.
    """

    template: Template | None
    address_template: AddressTemplate | None
    retry_policy: Policy | None
    timeout: float | None

    @classmethod
    def compile(cls, definition: WatchDefinition) -> CompiledWatch:
        """Compile a definition. Raises Invalid for a template that could not be saved today."""
        templated = definition.schema is not msgspec.UNSET and definition.method not in WatchMethod.WITHOUT_BODY
        waits = definition.retry
        return cls(
            template=compile_template(definition.schema) if templated else None,
            address_template=compile_address(definition.address) if has_placeholder(definition.address) else None,
            retry_policy=None if waits is None else Policy(schedule=tuple([parse_duration(wait) for wait in waits])),
            timeout=None if definition.timeout is None else parse_duration(definition.timeout),
        )


class DocumentView(msgspec.Struct, frozen=True, kw_only=True):
    """How a watch sees its events: the options of their documents, with the account's time zone filled in.

    Events that were accepted under one of the ``merged_versions`` of their type have the options ``merged``.
    """

    options: DocumentOptions
    merged: DocumentOptions
    merged_versions: Collection[int] = frozenset()

    @classmethod
    def of(
        cls, options: DocumentOptions, *, home: str | None, merged_versions: Collection[int] = frozenset()
    ) -> DocumentView:
        """Return the view of a watch with these ``options`` in an account whose time zone is ``home``."""
        options = msgspec.structs.replace(options, zone=options.zone or home)
        return cls(options=options, merged=options.with_shape(BodyShape.MERGED), merged_versions=merged_versions)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how the deliveries of one watch are sent.

    ``lane``, ``version`` and ``status`` are those of the watch that it was built from. Accounts and owners
    (``connection_owner``) share no connection. ``token_grant`` is what access tokens are requested with, where the
    watch wants them. ``mask`` masks the secrets of the watch in responses. From ``valid_until_us`` on (microseconds
    since 1970) one of its keys signs no longer, and it has to be built again.
    """

    lane: int
    version: int
    status: WatchStatus
    connection_owner: str
    method: str
    address: str
    has_body: bool
    store_bodies: StoreBodies
    compiled: CompiledWatch
    view: DocumentView
    headers: RequestHeaders
    mask: SecretMask
    signer: RequestSigner | None = None
    token_grant: TokenGrant | None = None
    valid_until_us: int | None = None

    def __repr__(self) -> str:
        return f"<Endpoint of lane {self.lane} v{self.version}>"

    def render(self, event: LoadedEvent, second: int) -> Payload:
        """Return method, address and body for an event at ``second`` (since 1970). Raises TemplateFailed."""
        view, address, body = self.view, self.address, None
        options = view.merged if event.change.type_version in view.merged_versions else view.options
        template, address_template = self.compiled.template, self.compiled.address_template
        if template is None and self.has_body:
            body = options.body(event.change, second)
        if template is not None or address_template is not None:
            document = event.document(options, second)
            if template is not None:
                body = template.render(document)
            if address_template is not None:
                address = address_template.fill(document)
        return Payload(method=self.method, address=address, body=body)

    def for_former_address(self, address: str) -> Endpoint:
        """Return this endpoint for an address that the watch had before.

        Another server gets none of today's secrets, and no access token.
        """
        if _origin(address) == _origin(self.address):
            return self
        return msgspec.structs.replace(self, headers=self.headers.without_secrets(), token_grant=None)


class EndpointBuilder:
    """Builds endpoints from watches and keys as the store holds them. Keys that several watches share are opened once.

    ``user_agent`` is the header that requests have unless their watch sets its own.
    """

    def __init__(self, sealer: Sealer, signing_keys: SigningKeys, *, clock: Clock, user_agent: str) -> None:
        self._sealer = sealer
        self._signing_keys = signing_keys
        self._clock = clock
        self._user_agent = user_agent
        self._opened: dict[CryptoKeyId, tuple[LiveKey, ...]] = {}

    def forget_keys(self) -> None:
        """Forget opened keys: they may have been rotated or retired."""
        self._opened.clear()

    def build(
        self,
        watch: WatchRecord,
        definition: WatchDefinition,
        compiled: CompiledWatch,
        *,
        keys: Iterable[KeyRecord],
        view: DocumentView,
    ) -> Endpoint:
        """Build the endpoint of a watch; ``keys`` are those of its keys that exist and are not retired.

        Raises DecryptionFailed when its secrets cannot be opened, SigningKeyMissing when it signs and no key is left,
        and CredentialMissing when it wants access tokens and has no credential.
        """
        secrets = watch.read_secrets(self._sealer)
        live = self._live_keys(keys) if definition.signed else ()
        headers, hidden = self._headers(definition, secrets)
        hidden += [b64encode(key).decode() for key, _ in live if isinstance(key, bytes)]
        return Endpoint(
            lane=watch.lane,
            version=watch.version,
            status=WatchStatus(watch.status),
            connection_owner=f"{watch.account}" if watch.owner is None else f"{watch.account}/{watch.owner}",
            method=definition.method,
            address=definition.address,
            has_body=definition.method not in WatchMethod.WITHOUT_BODY,
            store_bodies=definition.store_bodies,
            compiled=compiled,
            view=view,
            headers=headers,
            mask=_mask(hidden),
            signer=RequestSigner.of(key for key, _ in live) if live else None,
            token_grant=_token_grant(watch, definition.oauth, secrets.client_secret),
            valid_until_us=min([until for _, until in live if until], default=None),
        )

    def _headers(self, definition: WatchDefinition, secrets: WatchSecrets) -> tuple[RequestHeaders, list[str]]:
        """Return the headers of a watch, and the secrets that responses must not show."""
        public = [("User-Agent", self._user_agent)]
        if definition.method not in WatchMethod.WITHOUT_BODY:
            public.append(("Content-Type", "application/json"))
        own = {name.lower() for name in definition.header_names}
        sent = [(name, value) for name, value in public if name.lower() not in own]
        masked = dict(sent)
        for name in definition.header_names:
            sent.append((name, secrets.headers[name]))
            masked[name] = MASK
        hidden = [secrets.client_secret or "", *secrets.headers.values()]
        if definition.username is not None:
            basic = basic_credentials(definition.username, secrets.password or "")
            hidden += [basic, secrets.password or ""]
            sent.append(("Authorization", basic))
            masked["Authorization"] = f"Basic {MASK}"
        return RequestHeaders.of(tuple(sent), public=tuple(public), masked=masked), hidden

    def _live_keys(self, keys: Iterable[KeyRecord]) -> Sequence[LiveKey]:
        """Return the secrets that still sign, newest first for each key. Raises SigningKeyMissing when none is left."""
        now_us = self._clock.now_us()
        opened = [live for key in keys for live in self._open(key)]
        live = [(key, until) for key, until in opened if until is None or until > now_us]
        if not live:
            raise SigningKeyMissing("none of its crypto keys is left to sign with")
        return live

    def _open(self, key: KeyRecord) -> tuple[LiveKey, ...]:
        known = self._opened.get(key.id)
        if known is None:
            definition, subject = key.read_definition(), key_subject(key)
            sealed: list[tuple[bytes, int | None]] = [(key.secret, None)]
            sealed += [(old.secret, int(old.until.timestamp() * 1_000_000)) for old in key.previous]
            secrets = [(self._sealer.unseal(each, subject), until) for each, until in sealed]
            known = self._opened[key.id] = tuple(
                [
                    (self._signing_key(key, definition, key.generation - index, secret), until)
                    for index, (secret, until) in enumerate(secrets)
                ]
            )
        return known

    def _signing_key(self, key: KeyRecord, definition: KeyDefinition, generation: int, secret: bytes) -> bytes | Signer:
        standard = definition.format is SignatureFormat.STANDARD_WEBHOOKS
        if standard and definition.algorithm is Algorithm.HMAC_SHA256:
            return secret
        return Signer(
            kid=kid_of(to_text(IdPrefix.CRYPTO_KEY, key.id), generation),
            algorithm=definition.algorithm,
            format=definition.format,
            sign=self._signing_keys.signer(definition.algorithm, secret),
            slow=definition.algorithm is Algorithm.RSA_PSS_SHA512,
        )


def basic_credentials(username: str, password: str) -> str:
    """Return ``Basic …`` with name and password as UTF-8 (RFC 7617)."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def _origin(address: str) -> str:
    """Return scheme and authority, which hold no placeholder."""
    found = _ORIGIN.match(address)
    return address if found is None else found[0].lower()


def _mask(secrets: Sequence[str]) -> SecretMask:
    """Return the mask of secrets: whole, and without the scheme that an ``Authorization`` header begins with."""
    return SecretMask((*secrets, *(secret.partition(" ")[2] for secret in secrets)))


def _token_grant(watch: WatchRecord, oauth: OAuthDefinition | None, client_secret: str | None) -> TokenGrant | None:
    if oauth is None:
        return None
    if watch.credential is None:
        raise CredentialMissing("its oauth2Auth has no credential")
    return TokenGrant(
        account=watch.account,
        credential=watch.credential,
        definition=oauth,
        client_secret=client_secret,
        variant=variant_of(oauth, client_secret),
    )


class CredentialMissing(HookwardError):
    """A watch wants access tokens and has no credential: nothing may be sent."""


class SigningKeyMissing(HookwardError):
    """A watch wants its requests signed and has no key left: nothing may be sent."""
