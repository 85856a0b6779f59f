"""``/v1/crypto-keys``: the keys that sign deliveries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from hookward.application.crypto_keys.service import CryptoKeys, KeyQuery
from hookward.application.ports import Clock
from hookward.application.records import KeyRecord
from hookward.domain.access.callers import Scope
from hookward.domain.crypto_keys.model import Algorithm, SignatureFormat, kid_of
from hookward.domain.ids import CryptoKeyId, IdPrefix, from_text, to_text
from hookward.domain.watches.blocks import Duration, KeyIdText
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.listing import ListParams, next_page
from hookward.entrypoints.api.http.requests import read_json
from hookward.entrypoints.api.http.responses import format_timestamp, json_response, secret_response
from hookward.entrypoints.api.http.schemas import Input, Limit, Wire
from hookward.entrypoints.api.route import Route


class CryptoKeyCreate(Wire, frozen=True):
    """A crypto key to create, or with ``secret`` to import.

    An imported secret is ``whsec_`` and 24 to 64 bytes in base64 for ``hmac-sha256``, ``whsk_`` and the key in base64
    for ``ed25519``, and for all but HMAC a private key in PEM (PKCS #8). ``ecdsa-p256-sha256`` and ``rsa-pss-sha512``
    sign as ``rfc9421`` only, which then is the default.
    """

    name: str
    algorithm: Algorithm = Algorithm.HMAC_SHA256
    format: SignatureFormat = SignatureFormat.STANDARD_WEBHOOKS
    secret: str | None = None


class CryptoKeyRotate(Input, frozen=True):
    """Options of a rotation: a secret to import instead of a new one, and how long the former also signs."""

    secret: str | None = None
    overlap: Annotated[
        Duration | None, Meta(description="At most 30d; 24 h by default, unless configured otherwise.")
    ] = None


class CryptoKeyListParams(Input, frozen=True):
    """Query parameters of the list of crypto keys."""

    name: Annotated[str | UnsetType, Meta(description="A name, whole.")] = UNSET
    owner: Annotated[str | UnsetType, Meta(description="Whose.")] = UNSET
    limit: Limit = 50
    cursor: Annotated[KeyIdText | UnsetType, Meta(description="The nextCursor of the page before.")] = UNSET


class CryptoKeyOut(Wire, frozen=True, omit_defaults=True):
    """A crypto key; ``secret`` only in the response that created it, and only of HMAC.

    ``overlapUntil``: when its last former secret ends. ``kid`` names what it signs with now to receivers, where they
    need it: ``keyid`` of HTTP Message Signatures, ``kid`` of the key set.
    """

    id: str
    name: str
    algorithm: Algorithm
    format: SignatureFormat
    kid: str | None = None
    public_key: str | None = None
    created: str | None = None
    owner: str | None = None
    rotated: str | None = None
    overlap_until: str | None = None
    secret: str | msgspec.UnsetType = msgspec.UNSET


class CryptoKeyListOut(Wire, frozen=True):
    """A page of crypto keys; ``nextCursor`` leads to the next, ``null`` ends."""

    data: list[CryptoKeyOut]
    next_cursor: str | None


async def create_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Create or import a crypto key; only this response shows the secret of an HMAC key, none shows a private key."""
    record, secret = await parts.crypto_keys.service.create(
        caller.account, await read_json(request), owner=caller.owner
    )
    shown = _present(record, parts.crypto_keys.service, parts.clock, secret=secret)
    return secret_response(shown, 201, location=f"/v1/crypto-keys/{shown.id}")


async def get_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Read one crypto key, without its secret."""
    record = await parts.crypto_keys.service.get(caller.account, _key_id(request), owner=caller.owner)
    return json_response(_present(record, parts.crypto_keys.service, parts.clock))


async def list_keys(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """List crypto keys, oldest first."""
    params = ListParams(request)
    params.check_names(("name", "owner", "limit", "cursor"))
    limit, after = params.limit(), params.cursor(IdPrefix.CRYPTO_KEY)
    name, owner = params.read("name", _text), params.read("owner", _text)
    params.check()
    if caller.owner is not None and owner not in (None, caller.owner):
        return json_response(CryptoKeyListOut(data=[], next_cursor=None))
    query = KeyQuery(
        account=caller.account,
        owner=caller.owner or owner,
        name=name,
        after=None if after is None else CryptoKeyId(after),
        limit=limit + 1,
    )
    keys = parts.crypto_keys.service
    page, cursor = next_page(await keys.list(query), limit, lambda last: to_text(IdPrefix.CRYPTO_KEY, last.id))
    return json_response(
        CryptoKeyListOut(data=[_present(each, keys, parts.clock) for each in page], next_cursor=cursor)
    )


async def rotate_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Give a crypto key a new secret, which only this response shows; the former one also signs for a while."""
    given: Any = await read_json(request) if await request.read() else {}
    record, secret = await parts.crypto_keys.service.rotate(caller.account, _key_id(request), given, owner=caller.owner)
    return secret_response(_present(record, parts.crypto_keys.service, parts.clock, secret=secret))


async def retire_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Retire a crypto key, which then signs no more; refused while a watch would be left without a key."""
    await parts.crypto_keys.service.retire(caller.account, _key_id(request), owner=caller.owner)
    return web.Response(status=204)


def _present(record: KeyRecord, keys: CryptoKeys, clock: Clock, *, secret: str | None = None) -> CryptoKeyOut:
    """Return a crypto key as it is shown, with its secret where it was just created."""
    definition = record.read_definition()
    now = datetime.fromtimestamp(clock.now_us() / 1_000_000, UTC)
    id_, named = to_text(IdPrefix.CRYPTO_KEY, record.id), record.public or definition.format is SignatureFormat.RFC9421
    ends = [old.until for old in record.previous if old.until > now]
    return CryptoKeyOut(
        id=id_,
        name=definition.name,
        algorithm=definition.algorithm,
        format=definition.format,
        created=format_timestamp(record.created),
        owner=record.owner,
        rotated=format_timestamp(record.rotated),
        overlap_until=format_timestamp(max(ends, default=None)),
        public_key=keys.public_text(record),
        kid=kid_of(id_, record.generation) if named else None,
        secret=msgspec.UNSET if secret is None else secret,
    )


def _key_id(request: web.Request) -> CryptoKeyId | None:
    id_ = from_text(IdPrefix.CRYPTO_KEY, request.match_info["keyId"])
    return None if id_ is None else CryptoKeyId(id_)


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold U+0000")
    return text


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/v1/crypto-keys",
        scope=Scope.WATCHES,
        handler=create_key,
        status=201,
        returns=CryptoKeyOut,
        summary="Make or import a crypto key",
        takes=CryptoKeyCreate,
        refuses=(409,),
        gives=("Location", "Cache-Control"),
    ),
    Route(
        method="GET",
        path="/v1/crypto-keys",
        scope=Scope.WATCHES,
        handler=list_keys,
        status=200,
        returns=CryptoKeyListOut,
        summary="List crypto keys",
        query=CryptoKeyListParams,
    ),
    Route(
        method="GET",
        path="/v1/crypto-keys/{keyId}",
        scope=Scope.WATCHES,
        handler=get_key,
        status=200,
        returns=CryptoKeyOut,
        summary="Read a crypto key",
    ),
    Route(
        method="POST",
        path="/v1/crypto-keys/{keyId}/rotate",
        scope=Scope.WATCHES,
        handler=rotate_key,
        status=200,
        returns=CryptoKeyOut,
        summary="Rotate a crypto key; the former secret also signs for a while",
        takes=CryptoKeyRotate | None,
        refuses=(409,),
        gives=("Cache-Control",),
    ),
    Route(
        method="DELETE",
        path="/v1/crypto-keys/{keyId}",
        scope=Scope.WATCHES,
        handler=retire_key,
        status=204,
        returns=None,
        summary="Retire a crypto key",
    ),
)
