"""Change and delete watches. A change is stored whole or not at all, and overwrites no change that it has not read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from hookward.application.crypto_keys.service import NEW_SECRET_BYTES
from hookward.application.ids import make_id
from hookward.application.oauth.credentials import StoredCredential
from hookward.application.ports import Clock, Random, Sealer
from hookward.application.records import KeyRecord, WatchRecord
from hookward.application.watches.credentials import CredentialChoice, initial_status
from hookward.application.watches.service import StoredWatch, Watches, WatchStore
from hookward.domain.errors import NotFound, PreconditionFailed
from hookward.domain.ids import AccountId, CryptoKeyId, WatchId
from hookward.domain.oauth.model import AUTHORIZATION_REQUIRED_REASON
from hookward.domain.sealing import key_subject, watch_subject
from hookward.domain.watches.changes import patched, read_changed_watch, readable
from hookward.domain.watches.model import WatchDefinition, WatchSecrets, WatchStatus
from hookward.domain.watches.new_watch import with_new_key
from hookward.domain.watches.rules import WatchRequest

DISABLED = "the watch was disabled"
DELETED = "the watch was deleted"
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Which watch to read or change, and whether it may be ``at`` a version; with ``owner`` only that owner's."""

    account: AccountId
    id: WatchId | None
    owner: str | None = None
    at: Callable[[int], bool] = lambda _version: True


class _Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change that is ready to be stored."""

    record: WatchRecord
    definition: WatchDefinition
    key: KeyRecord | None = None
    secret: str | None = None

    def __repr__(self) -> str:
        return f"<_Change of {self.record.id.hex()}>"


class WatchChanges:
    """Replaces, patches and deletes watches.

    A change is computed from the watch as it was read, and stored only if it still has that version; otherwise it is
    computed again. So no change is lost when two are made at once.
    """

    def __init__(self, store: WatchStore, watches: Watches, sealer: Sealer, *, clock: Clock, random: Random) -> None:
        self._store = store
        self._watches = watches
        self._sealer = sealer
        self._clock = clock
        self._random = random

    async def find(self, target: Target) -> WatchRecord:
        """Return the watch. Raises NotFound, and PreconditionFailed when ``target`` asks for another version."""
        record = await self._watches.get(target.account, target.id, owner=target.owner)
        if not target.at(record.version):
            raise PreconditionFailed("the watch is not what If-Match or If-None-Match asks for; read it again")
        return record

    async def replace(self, target: Target, given: Any) -> StoredWatch:
        """Replace all properties of a watch. Raises as ``find`` does, and Invalid with every problem."""
        return await self._change(target, lambda _record, _definition: given)

    async def patch(self, target: Target, patch: Any) -> StoredWatch:
        """Merge ``patch`` (RFC 7396) into a watch as it reads back. Raises as ``replace`` does."""

        def merged(record: WatchRecord, definition: WatchDefinition) -> Any:
            status = WatchStatus(record.status)
            return patched(readable(definition, resource_type=record.resource_type, status=status), patch)

        return await self._change(target, merged)

    async def delete(self, target: Target) -> None:
        """Delete a watch and cancel what waits for it. Raises as ``find`` does."""
        while True:
            record = await self.find(target)
            if await self._store.delete_watch(target.account, record.id, reason=DELETED, version=record.version):
                return

    async def _change(self, target: Target, make: Callable[[WatchRecord, WatchDefinition], Any]) -> StoredWatch:
        while True:
            record = await self.find(target)
            stored = await self._change_once(target, record, make)
            if stored is not None:
                return stored

    async def _change_once(
        self, target: Target, record: WatchRecord, make: Callable[[WatchRecord, WatchDefinition], Any]
    ) -> StoredWatch | None:
        """Return the watch after the change; ``None`` if another change was stored since ``record`` was read."""
        before, secrets = record.read_definition(), record.read_secrets(self._sealer)
        given = make(record, before)
        known = await self._watches.types.find(target.account, record.resource_type)
        if known is None:
            raise NotFound("the resource type of the watch is gone")
        held = None
        if record.credential is not None:
            held = await self._store.credential(target.account, record.credential)
        read = partial(read_changed_watch, given, before, secrets, known.type, has_token=self._has_token(record, held))
        request = await self._watches.validator.validate(
            target.account, target.owner, given, read, named=before.key_ids
        )
        choice = self._watches.credentials.resolve(record.account, record.owner, request, before.oauth, held)
        change = self._changed(record, request, choice)
        if choice.new is None and _content(change.record) == _content(record) and request.secrets == secrets:
            return StoredWatch(record=record, definition=before)
        stored = await self._store.change_watch(
            change.record,
            slots=request.definition.concurrency,
            paused=change.record.status == WatchStatus.PAUSED,
            reason=DISABLED,
            key=change.key,
            credential=choice.new,
        )
        if stored is None:
            return None
        return StoredWatch(record=stored, definition=change.definition, secret=change.secret)

    def _has_token(self, record: WatchRecord, held: StoredCredential | None) -> bool:
        return self._watches.credentials.open(record.account, held).token is not None

    def _changed(self, record: WatchRecord, request: WatchRequest, choice: CredentialChoice) -> _Change:
        definition, key, secret = request.definition, None, None
        if request.make_key:
            material = self._random.bytes(NEW_SECRET_BYTES)
            id_ = CryptoKeyId(make_id(self._clock, self._random))
            definition, new_key = with_new_key(definition, record.account, record.owner, id_, material)
            key = KeyRecord(
                id=id_,
                account=record.account,
                owner=record.owner,
                definition=_encode(new_key.definition),
                secret=self._sealer.seal(material, key_subject(new_key)),
            )
            secret = new_key.secret_text
        sealed = None
        if request.secrets != WatchSecrets():
            sealed = self._sealer.seal(_encode(request.secrets), watch_subject(record))
        status, reason = initial_status(request.status, definition.oauth, choice)
        had_authorization = choice.keeps or record.status_reason != AUTHORIZATION_REQUIRED_REASON
        if reason is None and status == record.status and had_authorization:
            reason = record.status_reason
        changed = msgspec.structs.replace(
            record,
            status=status,
            status_reason=reason,
            definition=_encode(definition),
            secrets=sealed,
            credential=choice.keeps,
        )
        return _Change(record=changed, definition=definition, key=key, secret=secret)


def _content(record: WatchRecord) -> tuple[int, str | None, WatchDefinition, bytes | None]:
    """Return what a change may change, to be compared. The template is JSON: in Python ``{"a": 1} == {"a": True}``."""
    definition = record.read_definition()
    template = None if definition.schema is msgspec.UNSET else _encode(definition.schema)
    return record.status, record.status_reason, msgspec.structs.replace(definition, schema=msgspec.UNSET), template
