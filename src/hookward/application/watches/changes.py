"""Change and delete watches: all of a change or nothing, and never over somebody else's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from hookward.application.oauth.credentials import StoredCredential
from hookward.application.ports import Clock, Sealer
from hookward.application.records import KeyRecord, WatchRecord, seal_subject
from hookward.application.watches.credentials import CredentialChoice, initial_status
from hookward.application.watches.service import Watches, WatchStore
from hookward.domain.errors import NotFound, PreconditionFailed
from hookward.domain.ids import AccountId, IdPrefix, WatchId, to_text
from hookward.domain.oauth.model import AUTHORIZATION_REQUIRED
from hookward.domain.resource_types.model import CompiledType
from hookward.domain.watches.changes import patched, read_changed_watch
from hookward.domain.watches.model import WatchDefinition, WatchSecrets, WatchStatus
from hookward.domain.watches.rules import WatchRequest

DISABLED = "the watch was disabled"
DELETED = "the watch was deleted"
_encode = msgspec.json.Encoder(decimal_format="number").encode


FindType = Callable[[AccountId, str], Awaitable[CompiledType | None]]
"""How to find a resource type of an account by its name."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The watch that is meant, and at which of its versions; with ``owner`` only one of that owner's."""

    account: AccountId
    id: WatchId | None
    owner: str | None = None
    at: Callable[[int], bool] = lambda _version: True


class WatchChanges:
    """What happens to watches after they were made.

    A change is worked out from the watch as it was read, and stored only if it still is as it was read; else it is
    worked out again. So none is lost, whoever else changes the watch meanwhile.
    """

    def __init__(self, store: WatchStore, watches: Watches, sealer: Sealer, *, clock: Clock) -> None:
        self._store = store
        self._watches = watches
        self._sealer = sealer
        self._clock = clock

    async def find(self, target: Target) -> WatchRecord:
        """The watch; raises NotFound, or PreconditionFailed when it is not at the version that is meant."""
        row = await self._watches.get(target.account, target.id, owner=target.owner)
        if not target.at(row.version):
            raise PreconditionFailed("the watch is not what If-Match or If-None-Match asks for; read it again")
        return row

    async def replace(self, target: Target, given: Any, types: FindType) -> tuple[WatchRecord, str | None]:
        """Put ``given`` in the watch's place; answers it, with the secret of a key that was made for it."""
        return await self._change(target, lambda _row: given, types)

    async def patch(
        self, target: Target, patch: Any, types: FindType, shown: Callable[[WatchRecord], dict[str, Any]]
    ) -> tuple[WatchRecord, str | None]:
        """Merge ``patch`` (RFC 7396) into the watch as it reads back (``shown``)."""
        return await self._change(target, lambda row: patched(shown(row), patch), types)

    async def delete(self, target: Target) -> None:
        """Delete a watch; what waits for it is cancelled."""
        while True:
            row = await self.find(target)
            if await self._store.delete_watch(target.account, row.id, reason=DELETED, version=row.version):
                return

    async def _change(
        self, target: Target, make: Callable[[WatchRecord], Any], types: FindType
    ) -> tuple[WatchRecord, str | None]:
        while True:
            row = await self.find(target)
            secrets = row.read_secrets(self._sealer)
            given = make(row)
            known = await types(target.account, row.resource_type)
            if known is None:
                raise NotFound("the resource type of the watch is gone")
            before = row.read_definition()
            held = None
            if row.credential is not None:
                held = await self._store.credential(target.account, row.credential)
            read = partial(
                read_changed_watch, given, before, secrets, known.type,
                second=self._clock.now_us() // 1_000_000, bounds=self._watches.bounds,
                check_key=self._watches.check_key, has_token=self._has_token(row, held),
            )  # fmt: skip
            request = await self._watches.checked(target.account, given, read, owner=target.owner, named=before.key_ids)
            choice = self._watches.credentials.resolve(row.account, row.owner, request, before.oauth, held)
            changed, key, secret = self._changed(row, request, choice)
            if choice.new is None and _gist(changed) == _gist(row) and request.secrets == secrets:
                return row, None
            stored = await self._store.change_watch(
                changed,
                slots=request.definition.concurrency,
                paused=changed.status == WatchStatus.PAUSED,
                reason=DISABLED,
                key=key,
                credential=choice.new,
            )
            if stored is not None:
                return stored, secret

    def _has_token(self, row: WatchRecord, held: StoredCredential | None) -> bool:
        return self._watches.credentials.open(row.account, held).token is not None

    def _changed(
        self, row: WatchRecord, request: WatchRequest, choice: CredentialChoice
    ) -> tuple[WatchRecord, KeyRecord | None, str | None]:
        key, secret = None, None
        definition = request.definition
        if request.make_key:
            key, secret = self._watches.new_key(row.account, definition, owner=row.owner)
            definition = msgspec.structs.replace(definition, key_ids=(to_text(IdPrefix.CRYPTO_KEY, key.id),))
        sealed = None
        if request.secrets != WatchSecrets():
            sealed = self._sealer.seal(_encode(request.secrets), seal_subject(row))
        status, reason = initial_status(request.status, definition.oauth, choice)
        if reason is None and status == row.status and (choice.keeps or row.status_reason != AUTHORIZATION_REQUIRED):
            reason = row.status_reason
        changed = msgspec.structs.replace(
            row,
            status=status,
            status_reason=reason,
            definition=_encode(definition),
            secrets=sealed,
            credential=choice.keeps,
        )
        return changed, key, secret


def _gist(row: WatchRecord) -> tuple[int, str | None, WatchDefinition, bytes | None]:
    """What may change of a watch, to be compared; its template as JSON, for to Python ``{"a": 1} == {"a": True}``."""
    definition = row.read_definition()
    template = None if definition.schema is msgspec.UNSET else _encode(definition.schema)
    return row.status, row.status_reason, msgspec.structs.replace(definition, schema=msgspec.UNSET), template
