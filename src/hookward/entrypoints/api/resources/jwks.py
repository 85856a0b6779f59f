"""``/.well-known/jwks.json``: the public keys, for everybody."""

from __future__ import annotations

from hashlib import sha256

from aiohttp import web

from hookward.domain.ids import CryptoKeyId, IdPrefix, from_text
from hookward.entrypoints.api.dependencies import PARTS

_CONTENT_TYPE = "application/jwk-set+json"


async def get_key_set(request: web.Request) -> web.Response:
    """The public keys of asymmetric crypto keys, former ones as long as they sign: the newest 10,000 of the service.

    With ``kid`` those of one crypto key, however many there are; a receiver knows it from ``keyid`` of the signature.
    """
    keys = request.app[PARTS].crypto_keys.published
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
