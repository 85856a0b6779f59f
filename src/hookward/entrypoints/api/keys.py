"""``/v1/crypto-keys``: the keys that sign."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from hookward.application.crypto_keys import KeyQuery, key_definition_of
from hookward.application.definitions import KeyRow
from hookward.domain.ids import CryptoKeyId, Prefix, from_text, to_text
from hookward.domain.signing_key import SignatureFormat, kid_of
from hookward.entrypoints.api.answers import answer, answer_secret, moment
from hookward.entrypoints.api.requests import bad_parameter, check_parameters, limit_of, read_json, together
from hookward.entrypoints.api.service import Caller, Service
from hookward.entrypoints.api.wire_keys import KeyAnswer, KeyList

_PARAMETERS = ("name", "owner", "limit", "cursor")


async def create_key(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """A crypto key; the secret of an HMAC key is shown this once, a private key never."""
    row, secret = await service.crypto_keys.create(caller.account, await read_json(request), owner=caller.owner)
    response = answer_secret(_with(secret, row, service), 201)
    response.headers["Location"] = f"/v1/crypto-keys/{to_text(Prefix.CRYPTO_KEY, row.id)}"
    return response


async def get_key(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """One crypto key, without its secret."""
    row = await service.crypto_keys.get(caller.account, _key_id(request), owner=caller.owner)
    return answer(_key_answer(row, service))


async def list_keys(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Crypto keys, oldest first."""
    _, limit, after, name, owner = together(
        lambda: check_parameters(request, _PARAMETERS),
        lambda: limit_of(request),
        lambda: _cursor(request),
        lambda: _text(request, "name"),
        lambda: _text(request, "owner"),
    )
    if caller.owner is not None and owner not in (None, caller.owner):
        return answer(KeyList(data=[], next_cursor=None))
    query = KeyQuery(
        account=caller.account, owner=caller.owner or owner, name=name,
        after=after, limit=limit + 1,
    )  # fmt: skip
    rows = await service.crypto_keys.list(query)
    page = rows[:limit]
    cursor = to_text(Prefix.CRYPTO_KEY, page[-1].id) if len(rows) > limit else None
    return answer(KeyList(data=[_key_answer(row, service) for row in page], next_cursor=cursor))


async def rotate_key(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """A new secret, shown this once; the former goes on signing beside it for a while."""
    given: Any = await read_json(request) if await request.read() else {}
    row, secret = await service.crypto_keys.rotate(caller.account, _key_id(request), given, owner=caller.owner)
    return answer_secret(_with(secret, row, service))


async def retire_key(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Let a key sign no more; refused while a watch would be left without one."""
    await service.crypto_keys.retire(caller.account, _key_id(request), owner=caller.owner)
    return web.Response(status=204)


def _key_id(request: web.Request) -> CryptoKeyId | None:
    id_ = from_text(Prefix.CRYPTO_KEY, request.match_info["keyId"])
    return None if id_ is None else CryptoKeyId(id_)


def _cursor(request: web.Request) -> CryptoKeyId | None:
    if "cursor" not in request.query:
        return None
    after = from_text(Prefix.CRYPTO_KEY, request.query["cursor"])
    if after is None:
        raise bad_parameter("cursor", "must be a nextCursor of this list")
    return CryptoKeyId(after)


def _text(request: web.Request, name: str) -> str | None:
    text = request.query.get(name)
    if text is not None and "\0" in text:
        raise bad_parameter(name, "must not hold U+0000")
    return text


def _with(secret: str | None, row: KeyRow, service: Service) -> KeyAnswer:
    shown = _key_answer(row, service)
    return shown if secret is None else msgspec.structs.replace(shown, secret=secret)


def _key_answer(row: KeyRow, service: Service) -> KeyAnswer:
    definition = key_definition_of(row)
    now = datetime.fromtimestamp(service.clock.now_us() / 1_000_000, UTC)
    id_, named = to_text(Prefix.CRYPTO_KEY, row.id), row.public or definition.format is SignatureFormat.RFC9421
    ends = [old.until for old in row.previous if old.until > now]
    return KeyAnswer(
        id=id_,
        name=definition.name,
        algorithm=definition.algorithm,
        format=definition.format,
        created=moment(row.created),
        owner=row.owner,
        rotated=moment(row.rotated),
        overlap_until=moment(max(ends, default=None)),
        public_key=service.crypto_keys.public_text(row),
        kid=kid_of(id_, row.generation) if named else None,
    )
