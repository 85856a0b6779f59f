"""``/v1/crypto-keys``: the keys that sign.

The shapes of ``/v1/crypto-keys``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from hookward.application.crypto_keys.service import KeyQuery
from hookward.application.records import KeyRecord
from hookward.domain.crypto_keys.model import Algorithm, SignatureFormat, kid_of
from hookward.domain.ids import CryptoKeyId, IdPrefix, from_text, to_text
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.requests import bad_parameter, check_parameters, limit_of, read_json, together
from hookward.entrypoints.api.http.responses import format_timestamp, json_response, secret_response
from hookward.entrypoints.api.http.schemas import Duration, Input, KeyIdText, Limit, Wire

_PARAMETERS = ("name", "owner", "limit", "cursor")


async def create_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """A crypto key; the secret of an HMAC key is shown this once, a private key never."""
    row, secret = await parts.crypto_keys.service.create(caller.account, await read_json(request), owner=caller.owner)
    response = secret_response(_with(secret, row, parts), 201)
    response.headers["Location"] = f"/v1/crypto-keys/{to_text(IdPrefix.CRYPTO_KEY, row.id)}"
    return response


async def get_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """One crypto key, without its secret."""
    row = await parts.crypto_keys.service.get(caller.account, _key_id(request), owner=caller.owner)
    return json_response(_key_answer(row, parts))


async def list_keys(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Crypto keys, oldest first."""
    _, limit, after, name, owner = together(
        lambda: check_parameters(request, _PARAMETERS),
        lambda: limit_of(request),
        lambda: _cursor(request),
        lambda: _text(request, "name"),
        lambda: _text(request, "owner"),
    )
    if caller.owner is not None and owner not in (None, caller.owner):
        return json_response(KeyList(data=[], next_cursor=None))
    query = KeyQuery(
        account=caller.account, owner=caller.owner or owner, name=name,
        after=after, limit=limit + 1,
    )  # fmt: skip
    rows = await parts.crypto_keys.service.list(query)
    page = rows[:limit]
    cursor = to_text(IdPrefix.CRYPTO_KEY, page[-1].id) if len(rows) > limit else None
    return json_response(KeyList(data=[_key_answer(row, parts) for row in page], next_cursor=cursor))


async def rotate_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """A new secret, shown this once; the former goes on signing beside it for a while."""
    given: Any = await read_json(request) if await request.read() else {}
    row, secret = await parts.crypto_keys.service.rotate(caller.account, _key_id(request), given, owner=caller.owner)
    return secret_response(_with(secret, row, parts))


async def retire_key(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Let a key sign no more; refused while a watch would be left without one."""
    await parts.crypto_keys.service.retire(caller.account, _key_id(request), owner=caller.owner)
    return web.Response(status=204)


def _key_id(request: web.Request) -> CryptoKeyId | None:
    id_ = from_text(IdPrefix.CRYPTO_KEY, request.match_info["keyId"])
    return None if id_ is None else CryptoKeyId(id_)


def _cursor(request: web.Request) -> CryptoKeyId | None:
    if "cursor" not in request.query:
        return None
    after = from_text(IdPrefix.CRYPTO_KEY, request.query["cursor"])
    if after is None:
        raise bad_parameter("cursor", "must be a nextCursor of this list")
    return CryptoKeyId(after)


def _text(request: web.Request, name: str) -> str | None:
    text = request.query.get(name)
    if text is not None and "\0" in text:
        raise bad_parameter(name, "must not hold U+0000")
    return text


def _with(secret: str | None, row: KeyRecord, parts: ApiParts) -> KeyAnswer:
    shown = _key_answer(row, parts)
    return shown if secret is None else msgspec.structs.replace(shown, secret=secret)


def _key_answer(row: KeyRecord, parts: ApiParts) -> KeyAnswer:
    definition = row.read_definition()
    now = datetime.fromtimestamp(parts.clock.now_us() / 1_000_000, UTC)
    id_, named = to_text(IdPrefix.CRYPTO_KEY, row.id), row.public or definition.format is SignatureFormat.RFC9421
    ends = [old.until for old in row.previous if old.until > now]
    return KeyAnswer(
        id=id_,
        name=definition.name,
        algorithm=definition.algorithm,
        format=definition.format,
        created=format_timestamp(row.created),
        owner=row.owner,
        rotated=format_timestamp(row.rotated),
        overlap_until=format_timestamp(max(ends, default=None)),
        public_key=parts.crypto_keys.service.public_text(row),
        kid=kid_of(id_, row.generation) if named else None,
    )


class NewKey(Wire, frozen=True):
    """A crypto key to make, or with ``secret`` to import.

    An imported secret is ``whsec_`` and 24 to 64 bytes in base64 for ``hmac-sha256``, ``whsk_`` and the key in base64
    for ``ed25519``, and for all but HMAC a private key in PEM (PKCS #8). ``ecdsa-p256-sha256`` and ``rsa-pss-sha512``
    sign as ``rfc9421`` only, which then is the default.
    """

    name: str
    algorithm: Algorithm = Algorithm.HMAC_SHA256
    format: SignatureFormat = SignatureFormat.STANDARD_WEBHOOKS
    secret: str | None = None


class KeyRotation(Input, frozen=True):
    """How to rotate: the new secret, where it is not to be made, and how long the former signs beside it."""

    secret: str | None = None
    overlap: Annotated[
        Duration | None, Meta(description="At most 30d; 24 h by default, unless configured otherwise.")
    ] = None


class KeyQueryParameters(Input, frozen=True):
    """Query parameters of the list of crypto keys."""

    name: Annotated[str | UnsetType, Meta(description="A name, whole.")] = UNSET
    owner: Annotated[str | UnsetType, Meta(description="Whose.")] = UNSET
    limit: Limit = 50
    cursor: Annotated[KeyIdText | UnsetType, Meta(description="The nextCursor of the page before.")] = UNSET


class KeyAnswer(Wire, frozen=True, omit_defaults=True):
    """A crypto key; ``secret`` only in the answer that made it, and only of HMAC.

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


class PublicKey(Wire, frozen=True, omit_defaults=True):
    """A public key as a JSON Web Key (RFC 7517, RFC 7518, RFC 8037): ``kty`` says which of the numbers it has."""

    kty: Literal["OKP", "EC", "RSA"]
    kid: str
    use: Literal["sig"]
    alg: Literal["EdDSA", "ES256", "PS512"]
    crv: str | msgspec.UnsetType = msgspec.UNSET
    x: str | msgspec.UnsetType = msgspec.UNSET
    y: str | msgspec.UnsetType = msgspec.UNSET
    n: str | msgspec.UnsetType = msgspec.UNSET
    e: str | msgspec.UnsetType = msgspec.UNSET


class KeySet(Wire, frozen=True):
    """A JSON Web Key Set."""

    keys: list[PublicKey]


class KeySetQuery(Input, frozen=True):
    """Query parameters of the key set."""

    kid: Annotated[str | UnsetType, Meta(description="The kid of a key: only that one's.")] = UNSET


class KeyList(Wire, frozen=True):
    """A page of crypto keys; ``nextCursor`` leads to the next, ``null`` ends."""

    data: list[KeyAnswer]
    next_cursor: str | None
