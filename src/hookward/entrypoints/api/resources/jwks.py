"""``/.well-known/jwks.json``: the public keys of the crypto keys, for receivers."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from hookward.domain.ids import CryptoKeyId, IdPrefix, from_text
from hookward.entrypoints.api.dependencies import PARTS_KEY
from hookward.entrypoints.api.http.schemas import Input, Wire
from hookward.entrypoints.api.route import Route

_CONTENT_TYPE = "application/jwk-set+json"


class PublicKeyOut(Wire, frozen=True, omit_defaults=True):
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


class KeySetOut(Wire, frozen=True):
    """A JSON Web Key Set."""

    keys: list[PublicKeyOut]


class KeySetParams(Input, frozen=True):
    """Query parameters of the key set."""

    kid: Annotated[str | UnsetType, Meta(description="The kid of a key: only that one's.")] = UNSET


async def get_key_set(request: web.Request) -> web.Response:
    """Return the public keys of asymmetric crypto keys, former ones as long as they sign: the 10,000 newest of all.

    With ``kid`` those of one crypto key, however many there are; a receiver knows it from ``keyid`` of the signature.
    """
    keys = request.app[PARTS_KEY].crypto_keys.published
    kid = request.query.get("kid")
    if kid is None:
        body = await keys.every()
    else:
        id_ = from_text(IdPrefix.CRYPTO_KEY, kid.partition(".")[0])
        body = b'{"keys":[]}' if id_ is None else await keys.of(CryptoKeyId(id_))
    etag = sha256(body).hexdigest()[:32]
    headers = {"ETag": f'"{etag}"', "Cache-Control": "public, max-age=60", "Access-Control-Allow-Origin": "*"}
    if any(each.value in (etag, "*") for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers={**headers, "Content-Type": _CONTENT_TYPE})


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/.well-known/jwks.json",
        scope=None,
        handler=get_key_set,
        status=200,
        returns=KeySetOut,
        summary="The public keys of those that sign",
        query=KeySetParams,
        also=((304, None),),
        refuses=(503,),
        reads=("If-None-Match",),
        gives=("ETag", "Cache-Control"),
        media=("application/jwk-set+json",),
    ),
)
