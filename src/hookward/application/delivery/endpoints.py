"""EndpointCache: what a watch's deliveries have in common, worked out once and kept while it does not change.

CompiledWatches: what it takes time to work out of a watch's definition, kept while the definition is the same.

A template may take a third of a second to compile, and plans are made anew whenever a key changes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Sequence
from copy import copy
from typing import Self, TypeAlias

import msgspec

from hookward.application.crypto_keys.ports import SigningKeys
from hookward.application.ports import Clock, Sealer
from hookward.application.records import KeyRecord, WatchRecord, key_subject
from hookward.application.watches.registry import WatchRegistry
from hookward.domain.crypto_keys.model import Algorithm, KeyDefinition, SignatureFormat, Signer, kid_of
from hookward.domain.delivery.masking import SecretMask
from hookward.domain.durations import parse_duration
from hookward.domain.errors import HookwardError
from hookward.domain.events.document import DocumentOptions
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, CryptoKeyId, IdPrefix, WatchId, from_text, to_text
from hookward.domain.oauth.model import OAuthDefinition, TokenGrant, variant_of
from hookward.domain.redaction import MASK
from hookward.domain.resource_types.model import BodyShape
from hookward.domain.templates.addresses import AddressTemplate, compile_address, has_placeholder
from hookward.domain.templates.template import Template, compile_template
from hookward.domain.watches.model import WatchDefinition, WatchMethod, WatchStatus

_LIMIT = 4096

_ORIGIN = re.compile(r"[^/?#]*//[^/?#]*")


_Live: TypeAlias = tuple[bytes | Signer, int | None]
"""What signs, and until when: microseconds since 1970, or for good. HMAC of Standard Webhooks signs by its secret."""


class Endpoint:
    """How to make the requests of one watch.

    ``headers`` are those that never change, ``shown`` the same with every secret masked, and ``veil`` masks those
    secrets in answers. ``keys`` are the secrets of Standard Webhooks that sign by HMAC, ``signers`` what signs
    otherwise: until the first of them ends at ``until_us`` (microseconds since 1970), if one does. ``party`` is
    whose connections carry the requests: accounts and owners share none. ``grant`` is what access tokens are asked
    for with, where the watch wants them. ``plain`` are the headers without a secret. For ``template``, ``place``,
    ``schedule`` and ``timeout`` see ``CompiledWatch``.
    """

    __slots__ = (
        "address", "bodies", "content_type", "grant", "has_body", "headers", "keys", "lane", "method", "party",
        "perspective", "place", "plain", "schedule", "shown", "signers", "signs_slowly", "status", "template",
        "timeout", "until_us", "veil", "version",
    )  # fmt: skip

    def __init__(
        self, row: WatchRecord, definition: WatchDefinition, *, headers: tuple[tuple[str, str], ...],
        plain: tuple[tuple[str, str], ...], shown: dict[str, str], veil: SecretMask, keys: Sequence[_Live],
        perspective: DocumentOptions, recipe: CompiledWatch, grant: TokenGrant | None = None,
    ) -> None:  # fmt: skip
        self.lane = row.lane
        self.party = f"{row.account}" if row.owner is None else f"{row.account}/{row.owner}"
        self.status = WatchStatus(row.status)
        self.version = row.version
        self.method = definition.method
        self.address = definition.address
        self.has_body = definition.method not in WatchMethod.WITHOUT_BODY
        self.headers = headers
        self.plain = plain
        self.shown = shown
        self.veil = veil
        self.keys = tuple([each for each, _ in keys if isinstance(each, bytes)])
        self.signers = tuple([each for each, _ in keys if isinstance(each, Signer)])
        self.signs_slowly = any(each.slow for each in self.signers)
        self.until_us = min([until for _, until in keys if until], default=None)
        self.content_type = _content_type(headers)
        self.perspective = perspective
        self.bodies = definition.store_bodies
        self.grant = grant
        self.template = recipe.template
        self.place = recipe.place
        self.schedule = recipe.schedule
        self.timeout = recipe.timeout

    def towards(self, address: str) -> Self:
        """This plan for an address that a watch had before: to another server it carries none of today's secrets."""
        if _origin(address) == _origin(self.address):
            return self
        plan = copy(self)
        plan.headers, plan.shown, plan.grant = self.plain, dict(self.plain), None
        plan.content_type = _content_type(self.plain)
        return plan


class EndpointCache:
    """EndpointCache by watch, made when first needed, at most a few thousand at a time (G12)."""

    def __init__(
        self, definitions: WatchRegistry, sealer: Sealer, keys: SigningKeys, *, clock: Clock, user_agent: str
    ) -> None:
        self._definitions = definitions
        self._sealer = sealer
        self._signing_keys = keys
        self._clock = clock
        self._user_agent = user_agent
        self._plans: OrderedDict[WatchId, tuple[int, Endpoint]] = OrderedDict()
        self._recipes = CompiledWatches()
        definitions.on_change(self._forget_keys)
        self._keys: dict[CryptoKeyId, tuple[_Live, ...]] = {}

    def get(self, watch: WatchId) -> Endpoint | None:
        """The plan of a watch; ``None`` when it is gone or disabled."""
        row = self._definitions.watch(watch)
        if row is None or row.status == WatchStatus.DISABLED:
            return None
        known = self._plans.get(watch)
        if known is not None and known[0] == row.version:
            until_us = known[1].until_us
            if until_us is None or self._clock.now_us() < until_us:
                return known[1]
        plan = self._make(row)
        self._plans[watch] = (row.version, plan)
        self._plans.move_to_end(watch)
        if len(self._plans) > _LIMIT:
            self._plans.popitem(last=False)
        return plan

    def account_zone(self, account: AccountId) -> str | None:
        """The time zone of an account, if it has one."""
        return self._definitions.account_zone(account)

    def why_none(self, watch: WatchId) -> str:
        """Why ``get`` answers none."""
        row = self._definitions.watch(watch)
        return (row.status_reason if row else None) or "the watch is disabled or was deleted"

    def shape(self, event: ChangeEvent) -> BodyShape:
        """How the document of an event is laid out."""
        return self._definitions.shape(event)

    def _forget_keys(self) -> None:
        self._plans.clear()
        self._keys.clear()

    def _make(self, row: WatchRecord) -> Endpoint:
        definition, secrets = row.read_definition(), row.read_secrets(self._sealer)
        fixed = [("User-Agent", self._user_agent)]
        if definition.method not in WatchMethod.WITHOUT_BODY:
            fixed.append(("Content-Type", "application/json"))
        own = {name.lower() for name in definition.header_names}
        headers = [(name, value) for name, value in fixed if name.lower() not in own]
        shown = list(headers)
        for name in definition.header_names:
            headers.append((name, secrets.headers[name]))
            shown.append((name, MASK))
        hidden = [secrets.client_secret or "", *secrets.headers.values()]
        if definition.username is not None:
            basic = basic_credentials(definition.username, secrets.password or "")
            hidden += [basic, secrets.password or ""]
            headers.append(("Authorization", basic))
            shown.append(("Authorization", f"Basic {MASK}"))
        keys = self._keys_of(definition)
        return Endpoint(
            row,
            definition,
            headers=tuple(headers),
            plain=tuple(fixed),
            shown=dict(shown),
            veil=_veil(hidden + [b64encode(each).decode() for each, _ in keys if isinstance(each, bytes)]),
            keys=keys,
            perspective=self._definitions.perspective(row, definition),
            recipe=self._recipes.get(row.id, row.version, definition),
            grant=_grant(row, definition.oauth, secrets.client_secret),
        )

    def _keys_of(self, definition: WatchDefinition) -> Sequence[_Live]:
        """What still signs of each key, newest first; raises where a watch that signs has none."""
        if not definition.signed:
            return ()
        ids = [from_text(IdPrefix.CRYPTO_KEY, text) for text in definition.key_ids]
        rows = [self._definitions.key(CryptoKeyId(id_)) for id_ in ids if id_ is not None]
        now_us = self._clock.now_us()
        known = [each for row in rows if row is not None for each in self._live_of(row)]
        live = [(each, until) for each, until in known if until is None or until > now_us]
        if not live:
            raise SigningKeyMissing("none of its crypto keys is left to sign with")
        return live

    def _live_of(self, row: KeyRecord) -> tuple[_Live, ...]:
        known = self._keys.get(row.id)
        if known is None:
            definition, subject = row.read_definition(), key_subject(row)
            olds = [(old.secret, int(old.until.timestamp() * 1_000_000)) for old in row.previous]
            sealed: list[tuple[bytes, int | None]] = [(row.secret, None), *olds]
            secrets = [(self._sealer.unseal(each, subject), until) for each, until in sealed]
            known = self._keys[row.id] = tuple(
                [
                    (self._signs(row, definition, row.generation - index, secret), until)
                    for index, (secret, until) in enumerate(secrets)
                ]
            )
        return known

    def _signs(self, row: KeyRecord, definition: KeyDefinition, generation: int, secret: bytes) -> bytes | Signer:
        standard = definition.format is SignatureFormat.STANDARD_WEBHOOKS
        if standard and definition.algorithm is Algorithm.HMAC_SHA256:
            return secret
        return Signer(
            kid=kid_of(to_text(IdPrefix.CRYPTO_KEY, row.id), generation),
            algorithm=definition.algorithm,
            format=definition.format,
            sign=self._signing_keys.signer(definition.algorithm, secret),
            slow=definition.algorithm is Algorithm.RSA_PSS_SHA512,
        )


def _origin(address: str) -> str:
    """Scheme and authority, which no placeholder may stand in."""
    found = _ORIGIN.match(address)
    return address if found is None else found[0].lower()


def _content_type(headers: Sequence[tuple[str, str]]) -> str | None:
    return next((value for name, value in headers if name.lower() == "content-type"), None)


def _grant(row: WatchRecord, oauth: OAuthDefinition | None, client_secret: str | None) -> TokenGrant | None:
    if oauth is None:
        return None
    if row.credential is None:
        raise CredentialMissing("its oauth2Auth has no credential")
    return TokenGrant(
        account=row.account,
        credential=row.credential,
        definition=oauth,
        client_secret=client_secret,
        variant=variant_of(oauth, client_secret),
    )


class CredentialMissing(HookwardError):
    """A watch wants access tokens and has nothing to ask for them with: nothing may be sent."""


class SigningKeyMissing(HookwardError):
    """A watch wants its requests signed and has no key for it: nothing may be sent."""


def _veil(secrets: Sequence[str]) -> SecretMask:
    """What masks secrets: whole, and without the scheme that an ``Authorization`` begins with."""
    return SecretMask((*secrets, *(secret.partition(" ")[2] for secret in secrets)))


def basic_credentials(username: str, password: str) -> str:
    """``Basic …`` with name and password as UTF-8 (RFC 7617)."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


MAX_RECIPES = 4096


class CompiledWatch(msgspec.Struct, frozen=True, kw_only=True):
    """``template`` is ``None`` where the body, if any, is the document itself, ``place`` where the address is fixed.
    ``schedule`` and ``timeout`` (in seconds) are ``None`` where the defaults apply.
    """

    template: Template | None
    place: AddressTemplate | None
    schedule: tuple[float, ...] | None
    timeout: float | None


class CompiledWatches:
    """CompiledWatches by watch, at most a few thousand (G12)."""

    def __init__(self) -> None:
        self._recipes: OrderedDict[WatchId, tuple[int, CompiledWatch]] = OrderedDict()

    def get(self, watch: WatchId, version: int, definition: WatchDefinition) -> CompiledWatch:
        """The recipe of a watch at a version; raises Invalid for what could not be saved today."""
        known = self._recipes.get(watch)
        if known is not None and known[0] == version:
            self._recipes.move_to_end(watch)
            return known[1]
        recipe = _make(definition)
        self._recipes[watch] = (version, recipe)
        self._recipes.move_to_end(watch)
        if len(self._recipes) > MAX_RECIPES:
            self._recipes.popitem(last=False)
        return recipe


def _make(definition: WatchDefinition) -> CompiledWatch:
    templated = definition.schema is not msgspec.UNSET and definition.method not in WatchMethod.WITHOUT_BODY
    return CompiledWatch(
        template=compile_template(definition.schema) if templated else None,
        place=compile_address(definition.address) if has_placeholder(definition.address) else None,
        schedule=None if definition.retry is None else tuple([parse_duration(wait) for wait in definition.retry]),
        timeout=None if definition.timeout is None else parse_duration(definition.timeout),
    )
