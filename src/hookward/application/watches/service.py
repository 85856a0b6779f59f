"""Create, read and list watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import msgspec

from hookward.application.crypto_keys.service import NEW_SECRET_BYTES
from hookward.application.ids import make_ids
from hookward.application.oauth.credentials import NewCredential, StoredCredential
from hookward.application.ports import Clock, Random, Sealer
from hookward.application.records import KeyRecord, WatchRecord
from hookward.application.resource_types.cache import MAX_TYPE_CHANGES, TYPE_KEEPS_CHANGING
from hookward.application.watches.credentials import Credentials, initial_status
from hookward.application.watches.registry import WatchQuery
from hookward.application.watches.validation import WatchValidator
from hookward.domain.access.callers import Caller
from hookward.domain.errors import NotFound, StoreUnavailable, TypeChanged
from hookward.domain.ids import AccountId, CredentialId, CryptoKeyId, WatchId
from hookward.domain.resource_types.model import CompiledType, ResourceType
from hookward.domain.sealing import key_subject, watch_subject
from hookward.domain.watches.model import WatchBounds, WatchDefinition, WatchSecrets, WatchStatus
from hookward.domain.watches.new_watch import read_new_watch, read_new_watch_at, with_new_key
from hookward.domain.watches.oauth_rules import KeyCheck, no_keys
from hookward.domain.watches.rules import DEFAULT_BOUNDS, WatchRequest

_NO_WATCH = "there is no such watch"
_encode = msgspec.json.Encoder(decimal_format="number").encode


class ResourceTypeLookup(Protocol):
    """Where the resource types of an account are looked up."""

    async def find(self, account: AccountId, name: Any) -> CompiledType | None: ...

    def names(self, account: AccountId) -> Sequence[str]: ...


class WatchStore(Protocol):
    """Where watches are stored, and crypto keys are looked up."""

    async def add_watch(
        self,
        watch: WatchRecord,
        *,
        slots: int | None,
        paused: bool,
        key: KeyRecord | None,
        validated_with_version: int,
        credential: NewCredential | None,
    ) -> WatchRecord: ...

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


class StoredWatch(msgspec.Struct, frozen=True, kw_only=True):
    """A watch that was created or changed: its record, its definition, and the secret of a key created with it."""

    record: WatchRecord
    definition: WatchDefinition
    secret: str | None = None

    def __repr__(self) -> str:
        return f"<StoredWatch {self.record.id.hex()}>"


class Watches:
    """Creates, reads and lists watches. A caller with an owner creates and sees only watches of that owner.

    ``bounds`` is what a watch may ask for, ``check_key`` validates private keys of OAuth2 clients.
    """

    def __init__(
        self,
        store: WatchStore,
        types: ResourceTypeLookup,
        sealer: Sealer,
        *,
        clock: Clock,
        random: Random,
        bounds: WatchBounds = DEFAULT_BOUNDS,
        check_key: KeyCheck = no_keys,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._random = random
        self.types = types
        self.credentials = Credentials(sealer, clock=clock, random=random)
        self.validator = WatchValidator(store, clock=clock, bounds=bounds, check_key=check_key)

    async def create(self, caller: Caller, given: Any) -> StoredWatch:
        """Validate and store a watch on the type and scope that ``given`` names.

        Raises Invalid with every problem. When the type changes in between, the watch is validated with the newest
        version (G5); after ``MAX_TYPE_CHANGES`` times StoreUnavailable is raised.
        """
        for _ in range(MAX_TYPE_CHANGES):
            with suppress(TypeChanged):
                return await self._create_named(caller, given)
        raise StoreUnavailable(TYPE_KEEPS_CHANGING)

    async def _create_named(self, caller: Caller, given: Any) -> StoredWatch:
        name = given.get("resourceType") if isinstance(given, dict) else None
        known = await self.types.find(caller.account, name)
        resource_type = None if known is None else known.type
        names = self.types.names(caller.account) if known is None else ()
        return await self._create(caller, given, resource_type, partial(read_new_watch, given, resource_type, names))

    async def create_at(
        self, caller: Caller, given: Any, resource_type: ResourceType, parameters: Mapping[str, str]
    ) -> StoredWatch:
        """Validate and store a watch on the type and scope that a path names by its ``parameters``.

        Raises Invalid with every problem, and TypeChanged when ``resource_type`` is no longer the newest version.
        """
        return await self._create(
            caller, given, resource_type, partial(read_new_watch_at, given, resource_type, parameters)
        )

    async def _create(
        self, caller: Caller, given: Any, resource_type: ResourceType | None, read: Callable[..., WatchRequest]
    ) -> StoredWatch:
        account, owner = caller.account, caller.owner
        request = await self.validator.validate(account, owner, given, read)
        assert resource_type is not None, "a type that does not exist is among the problems"
        choice = self.credentials.resolve(account, owner, request, None, None)
        status, reason = initial_status(request.status, request.definition.oauth, choice)
        id_, key_id = make_ids(self._clock, self._random, 2)
        definition, key, secret = request.definition, None, None
        if request.make_key:
            material = self._random.bytes(NEW_SECRET_BYTES)
            definition, new_key = with_new_key(definition, account, owner, CryptoKeyId(key_id), material)
            key = KeyRecord(
                id=new_key.id,
                account=account,
                owner=owner,
                definition=_encode(new_key.definition),
                secret=self._sealer.seal(material, key_subject(new_key)),
            )
            secret = new_key.secret_text
        record = WatchRecord(
            id=WatchId(id_),
            account=account,
            resource_type=resource_type.name,
            status=status,
            status_reason=reason,
            definition=_encode(definition),
            secrets=None,
            owner=owner,
        )
        if request.secrets != WatchSecrets():
            sealed = self._sealer.seal(_encode(request.secrets), watch_subject(record))
            record = msgspec.structs.replace(record, secrets=sealed)
        stored = await self._store.add_watch(
            record,
            slots=definition.concurrency,
            paused=status is WatchStatus.PAUSED,
            key=key,
            validated_with_version=resource_type.version,
            credential=choice.new,
        )
        return StoredWatch(record=stored, definition=definition, secret=secret)

    async def get(self, account: AccountId, id_: WatchId | None, *, owner: str | None = None) -> WatchRecord:
        """Return a watch of this account; with ``owner`` only one of that owner. Raises NotFound."""
        record = None if id_ is None else await self._store.watch(account, id_, owner=owner)
        if record is None:
            raise NotFound(_NO_WATCH)
        return record

    async def list(self, query: WatchQuery) -> list[WatchRecord]:
        """Return the watches that ``query`` selects, oldest first."""
        return await self._store.watches(query)
