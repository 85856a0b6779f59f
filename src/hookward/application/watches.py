"""Manage watches and crypto keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from hookward.application.definitions import KeyRow, WatchQuery, WatchRow
from hookward.application.plans import key_subject, seal_subject
from hookward.application.ports import Chance, Clock, Sealer
from hookward.domain.errors import Invalid, NotFound, Problem, pointer_to
from hookward.domain.ids import AccountId, CryptoKeyId, Prefix, WatchId, from_text, to_text, uuid7
from hookward.domain.resource_type import ResourceType
from hookward.domain.signing import MAX_SECRET_BYTES, MIN_SECRET_BYTES, secret_from_text, secret_to_text
from hookward.domain.watch import KeyDefinition, WatchDefinition, WatchSecrets, WatchStatus
from hookward.domain.watch_rules import WatchRequest, read_watch

NEW_SECRET_BYTES = 32
MAX_KEY_NAME = 255
_encode = msgspec.json.Encoder(decimal_format="number").encode


class DefinitionStore(Protocol):
    """Where watches and keys are kept."""

    async def add_watch(self, watch: WatchRow, *, slots: int | None, paused: bool, key: KeyRow | None) -> WatchRow: ...

    async def watch(self, account: AccountId, id_: WatchId, *, owner: str | None) -> WatchRow | None: ...

    async def watches(self, query: WatchQuery) -> list[WatchRow]: ...

    async def change_watch(
        self, watch: WatchRow, *, slots: int | None, paused: bool, reason: str, key: KeyRow | None
    ) -> WatchRow | None: ...

    async def delete_watch(
        self, account: AccountId, id_: WatchId, *, reason: str, owner: str | None = None, version: int | None = None
    ) -> bool: ...

    async def add_key(self, key: KeyRow) -> KeyRow: ...

    async def zone(self, account: AccountId) -> str | None: ...

    async def keys(self, account: AccountId, ids: Sequence[CryptoKeyId], *, owner: str | None) -> list[KeyRow]: ...


class Watches:
    """The use cases of integrators. With an ``owner`` they stamp what is made and reach what is that owner's alone."""

    def __init__(self, store: DefinitionStore, sealer: Sealer, *, clock: Clock, chance: Chance) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._chance = chance

    async def create(
        self,
        account: AccountId,
        given: Any,
        resource_type: ResourceType,
        scope: Mapping[str, str],
        *,
        owner: str | None = None,
    ) -> tuple[WatchRow, str | None]:
        """Check and store a watch; answers it, with the secret of a key that was made for it."""
        request = read_watch(given, resource_type, scope, second=self._clock.now_us() // 1_000_000)
        await self.check_keys(account, request, owner)
        key, secret = None, None
        definition = request.definition
        if request.make_key:
            key, secret = self.new_key(
                account, KeyDefinition(name=definition.name or definition.address[:MAX_KEY_NAME]), owner=owner
            )
            definition = msgspec.structs.replace(definition, key_ids=(to_text(Prefix.CRYPTO_KEY, key.id),))
        row = WatchRow(
            id=WatchId(self._new_id()),
            account=account,
            resource_type=resource_type.name,
            status=request.status,
            definition=_encode(definition),
            secrets=None,
            owner=owner,
        )
        if request.secrets != WatchSecrets():
            sealed = self._sealer.seal(_encode(request.secrets), seal_subject(row))
            row = msgspec.structs.replace(row, secrets=sealed)
        paused = request.status is WatchStatus.PAUSED
        return await self._store.add_watch(row, slots=None, paused=paused, key=key), secret

    async def get(self, account: AccountId, id_: WatchId | None, *, owner: str | None = None) -> WatchRow:
        """A watch of this account; raises NotFound."""
        row = None if id_ is None else await self._store.watch(account, id_, owner=owner)
        if row is None:
            raise NotFound(_NO_WATCH)
        return row

    async def list(self, query: WatchQuery) -> list[WatchRow]:
        return await self._store.watches(query)

    async def create_key(self, account: AccountId, given: Any, *, owner: str | None = None) -> tuple[KeyRow, str]:
        """Check and store a crypto key; answers it with its secret, which is shown once."""
        definition, secret = _read_key(given)
        row, text = self.new_key(account, definition, secret, owner=owner)
        return await self._store.add_key(row), text

    async def check_keys(self, account: AccountId, request: WatchRequest, owner: str | None) -> None:
        """Raises Invalid when a key that signs does not exist, or is not of ``owner``."""
        texts = request.definition.key_ids
        ids = [CryptoKeyId(from_text(Prefix.CRYPTO_KEY, text) or b"") for text in texts]
        known = {row.id for row in await self._store.keys(account, ids, owner=owner)} if ids else set()
        problems = tuple(
            Problem(message="there is no such crypto key", pointer=pointer_to("signature", "cryptoKeyIds", index))
            for index, id_ in enumerate(ids)
            if id_ not in known
        )
        if problems:
            raise Invalid("the watch has problems", problems)

    def new_key(
        self, account: AccountId, definition: KeyDefinition, secret: bytes | None = None, *, owner: str | None
    ) -> tuple[KeyRow, str]:
        """A key that is not stored yet, with its secret as an integrator keeps it."""
        secret = secret or self._chance.bytes(NEW_SECRET_BYTES)
        row = KeyRow(
            id=CryptoKeyId(self._new_id()), account=account, definition=_encode(definition), secret=b"", owner=owner
        )
        sealed = self._sealer.seal(secret, key_subject(row))
        return msgspec.structs.replace(row, secret=sealed), secret_to_text(secret)

    def _new_id(self) -> bytes:
        return uuid7(self._clock.now_us() // 1000, self._chance.bytes(10))


def _read_key(given: Any) -> tuple[KeyDefinition, bytes | None]:
    problems: list[Problem] = []
    if not isinstance(given, dict):
        raise Invalid(_NO_KEY, (Problem(message=_NO_KEY, pointer=""),))
    known = ("name", "algorithm", "format", "secret")
    problems += [
        Problem(message=f"{name} is unknown; a crypto key holds {', '.join(known)}", pointer=pointer_to(name))
        for name in given
        if name not in known
    ]
    name = given.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_KEY_NAME:
        problems.append(Problem(message=f"name must be a text of 1 to {MAX_KEY_NAME} characters", pointer="/name"))
    for what, only in (("algorithm", "hmac-sha256"), ("format", "standard-webhooks")):
        if given.get(what) not in (None, only):
            problems.append(Problem(message=f"only {only} is supported yet", pointer=pointer_to(what)))
    secret = None
    if given.get("secret") is not None:
        secret = secret_from_text(given["secret"]) if isinstance(given["secret"], str) else None
        if secret is None:
            message = f"secret must be whsec_ and {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes in base64"
            problems.append(Problem(message=message, pointer="/secret"))
    if problems:
        raise Invalid("the crypto key has problems", tuple(problems))
    return KeyDefinition(name=str(name)), secret


_NO_WATCH = "there is no such watch"
_NO_KEY = "a crypto key must be a JSON object with at least a name"


def definition_of(row: WatchRow) -> WatchDefinition:
    """A watch's definition, decoded."""
    return _decoder.decode(row.definition)


_decoder = msgspec.json.Decoder(WatchDefinition)
