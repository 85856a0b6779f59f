"""Manage watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from hookward.application.aio.limits import FairSemaphore
from hookward.application.crypto_keys.service import NEW_SECRET_BYTES, make_key
from hookward.application.ids import make_id
from hookward.application.oauth.credentials import NewCredential, StoredCredential
from hookward.application.ports import Clock, Random, Sealer
from hookward.application.records import KeyRecord, WatchRecord, seal_subject
from hookward.application.watches.credentials import Credentials, initial_status
from hookward.application.watches.registry import WatchQuery
from hookward.domain.crypto_keys.model import KeyDefinition, Material
from hookward.domain.crypto_keys.rules import MAX_KEY_NAME
from hookward.domain.errors import Invalid, NotFound, Problem, pointer_to
from hookward.domain.ids import AccountId, CredentialId, CryptoKeyId, IdPrefix, WatchId, from_text, to_text
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.signing.standard_webhooks import secret_to_text
from hookward.domain.watches.model import WatchBounds, WatchDefinition, WatchSecrets, WatchStatus
from hookward.domain.watches.oauth_rules import KeyCheck, no_keys
from hookward.domain.watches.rules import DEFAULT_BOUNDS, PROBLEMS, WatchRequest, key_ids_in, read_watch

CHECKS = 2
"""Watches that are checked at a time: a template may take a third of a second to compile, away from the loop."""
_encode = msgspec.json.Encoder(decimal_format="number").encode


class WatchStore(Protocol):
    """Where watches are kept, and which keys there are."""

    async def add_watch(
        self, watch: WatchRecord, *, slots: int | None, paused: bool, key: KeyRecord | None, judged_by: int,
        credential: NewCredential | None,
    ) -> WatchRecord: ...  # fmt: skip

    async def credential(self, account: AccountId, id_: CredentialId) -> StoredCredential | None: ...

    async def watch(self, account: AccountId, id_: WatchId, *, owner: str | None) -> WatchRecord | None: ...

    async def watches(self, query: WatchQuery) -> list[WatchRecord]: ...

    async def change_watch(
        self, watch: WatchRecord, *, slots: int | None, paused: bool, reason: str, key: KeyRecord | None,
        credential: NewCredential | None,
    ) -> WatchRecord | None: ...  # fmt: skip

    async def delete_watch(
        self, account: AccountId, id_: WatchId, *, reason: str, owner: str | None = None, version: int | None = None
    ) -> bool: ...

    async def zone(self, account: AccountId) -> str | None: ...

    async def keys(self, account: AccountId, ids: Sequence[CryptoKeyId], *, owner: str | None) -> list[KeyRecord]: ...


class Watches:
    """The use cases of integrators. With an ``owner`` they stamp what is made and reach what is that owner's alone.

    ``bounds`` is what a watch may ask for, ``check_key`` judges the private keys of OAuth2 clients.
    """

    def __init__(
        self, store: WatchStore, sealer: Sealer, *, clock: Clock, random: Random,
        bounds: WatchBounds = DEFAULT_BOUNDS, check_key: KeyCheck = no_keys,
    ) -> None:  # fmt: skip
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._random = random
        self.bounds = bounds
        self.check_key = check_key
        self.credentials = Credentials(sealer, clock=clock, random=random)
        self._checks = FairSemaphore(CHECKS)

    async def create(
        self, account: AccountId, given: Any, resource_type: ResourceType | None, scope: Mapping[str, str], *,
        owner: str | None = None, found: Sequence[Problem] = (),
    ) -> tuple[WatchRecord, str | None]:  # fmt: skip
        """Check and store a watch; answers it, with the secret of a key that was made for it.

        Raises Invalid with every problem: those ``found`` before (a type that is none is one) and all that are here;
        TypeChanged when it was judged by an old version of its type.
        """
        second = self._clock.now_us() // 1_000_000
        read = partial(
            read_watch, given, resource_type, scope, second=second, bounds=self.bounds, check_key=self.check_key
        )
        request = await self.checked(account, given, read, owner=owner, found=found)
        assert resource_type is not None, "a type that is none is among the problems found"
        key, secret = None, None
        definition = request.definition
        if request.make_key:
            key, secret = self.new_key(account, definition, owner=owner)
            definition = msgspec.structs.replace(definition, key_ids=(to_text(IdPrefix.CRYPTO_KEY, key.id),))
        choice = self.credentials.resolve(account, owner, request, None, None)
        status, reason = initial_status(request.status, definition.oauth, choice)
        row = WatchRecord(
            id=WatchId(self._new_id()),
            account=account,
            resource_type=resource_type.name,
            status=status,
            status_reason=reason,
            definition=_encode(definition),
            secrets=None,
            owner=owner,
        )
        if request.secrets != WatchSecrets():
            sealed = self._sealer.seal(_encode(request.secrets), seal_subject(row))
            row = msgspec.structs.replace(row, secrets=sealed)
        stored = await self._store.add_watch(
            row,
            slots=definition.concurrency,
            paused=status is WatchStatus.PAUSED,
            key=key,
            judged_by=resource_type.version,
            credential=choice.new,
        )
        return stored, secret

    async def get(self, account: AccountId, id_: WatchId | None, *, owner: str | None = None) -> WatchRecord:
        """A watch of this account; raises NotFound."""
        row = None if id_ is None else await self._store.watch(account, id_, owner=owner)
        if row is None:
            raise NotFound(_NO_WATCH)
        return row

    async def list(self, query: WatchQuery) -> list[WatchRecord]:
        return await self._store.watches(query)

    async def checked(
        self, account: AccountId, given: Any, read: Callable[[], WatchRequest], *, owner: str | None,
        found: Sequence[Problem] = (), named: Sequence[str] = (),
    ) -> WatchRequest:  # fmt: skip
        """What ``read`` makes of ``given``, away from the loop; raises Invalid with every problem.

        Those are what was ``found`` before, what ``read`` finds, and crypto keys that do not exist or are not of
        ``owner``. Those ``named`` by the watch already may be anybody's: the account may have given it one of its own.
        """
        problems = list(found)
        request = None
        async with self._checks.turn(account, owner):
            try:
                request = await asyncio.to_thread(read)
            except Invalid as error:
                problems += error.problems
        problems += await self._key_problems(account, given, owner, named)
        if problems or request is None:
            raise Invalid(PROBLEMS, tuple(problems))
        return request

    async def _key_problems(
        self, account: AccountId, given: Any, owner: str | None, named: Sequence[str]
    ) -> Sequence[Problem]:
        ids = {
            index: CryptoKeyId(from_text(IdPrefix.CRYPTO_KEY, text) or b"") for index, text in key_ids_in(given).items()
        }
        rows = await self._store.keys(account, list(ids.values()), owner=None) if ids else []
        known = {row.id for row in rows if owner in (None, row.owner) or to_text(IdPrefix.CRYPTO_KEY, row.id) in named}
        return [
            Problem(message="there is no such crypto key", pointer=pointer_to("signature", "cryptoKeyIds", index))
            for index, id_ in ids.items()
            if id_ not in known
        ]

    def new_key(self, account: AccountId, definition: WatchDefinition, *, owner: str | None) -> tuple[KeyRecord, str]:
        """A key for one watch, not stored yet, with its secret as an integrator keeps it."""
        key = KeyDefinition(name=(definition.name or definition.address)[:MAX_KEY_NAME])
        secret = self._random.bytes(NEW_SECRET_BYTES)
        row = make_key(
            account, key, Material(secret=secret), owner=owner, sealer=self._sealer, clock=self._clock,
            random=self._random,
        )  # fmt: skip
        return row, secret_to_text(secret)

    def _new_id(self) -> bytes:
        return make_id(self._clock, self._random)


_NO_WATCH = "there is no such watch"
