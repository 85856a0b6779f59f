"""Manage crypto keys: generate or import, list, rotate without a gap, retire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from hookward.application.aio.limits import FairSemaphore
from hookward.application.crypto_keys.ports import SigningKeys
from hookward.application.ids import make_id
from hookward.application.ports import Clock, Random, Sealer
from hookward.application.records import KeyRecord, PreviousSecret, WatchRecord
from hookward.domain.crypto_keys.model import Algorithm, KeyDefinition, Material
from hookward.domain.crypto_keys.rules import DEFAULT_OVERLAP, Rotation, read_key, read_rotation
from hookward.domain.errors import Conflict, Invalid, NotFound, Problem
from hookward.domain.ids import AccountId, CryptoKeyId, IdPrefix, to_text
from hookward.domain.sealing import key_subject
from hookward.domain.signing.standard_webhooks import secret_to_text

NEW_SECRET_BYTES = 32
MAX_OLD_SECRETS = 4
"""Former secrets of a key that may sign at a time: each adds 48 bytes to every request."""
KEYS_AT_A_TIME = 2
"""Keys that are generated or read at the same time, in threads."""

_NAMED = 10
_NO_KEY = "there is no such crypto key"
_encode = msgspec.json.Encoder(decimal_format="number").encode
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


class KeyQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A query for keys of an account, oldest first, after ``after``; with ``owner``, only those of that owner."""

    account: AccountId
    owner: str | None = None
    name: str | None = None
    after: CryptoKeyId | None = None
    limit: int


class CryptoKeyStore(Protocol):
    """Where crypto keys are stored. With ``owner``, only keys of that owner are found; retired keys never are."""

    async def add_key(self, key: KeyRecord) -> KeyRecord: ...

    async def key(self, account: AccountId, id_: CryptoKeyId, *, owner: str | None) -> KeyRecord | None: ...

    async def list_keys(self, query: KeyQuery) -> list[KeyRecord]: ...

    async def change_key(
        self,
        account: AccountId,
        id_: CryptoKeyId,
        *,
        owner: str | None,
        change: Callable[[KeyRecord, datetime], KeyRecord],
    ) -> KeyRecord | None:
        """Store what ``change`` returns for a key and the store's time, under the lock of all definitions.

        Returns the new record, or ``None`` if there is no such key.
        """
        ...

    async def retire_key(
        self, account: AccountId, id_: CryptoKeyId, *, owner: str | None,
        release: Callable[[Sequence[WatchRecord], set[CryptoKeyId]], Sequence[WatchRecord]],
    ) -> bool:  # fmt: skip
        """Delete a key's secrets, and store the watches that ``release`` returns.

        ``release`` gets the watches that may name the key, and the account's other keys. Returns False when there is no
        such key.
        """
        ...


class CryptoKeys:
    """The use cases of signing keys. ``overlap`` is how many seconds a former secret signs by default."""

    def __init__(
        self, store: CryptoKeyStore, sealer: Sealer, keys: SigningKeys, *, clock: Clock, random: Random,
        overlap: float = DEFAULT_OVERLAP,
    ) -> None:  # fmt: skip
        self._store = store
        self._sealer = sealer
        self._keys = keys
        self._making = FairSemaphore(KEYS_AT_A_TIME)
        self._clock = clock
        self._random = random
        self._overlap = overlap

    async def create(self, account: AccountId, given: Any, *, owner: str | None) -> tuple[KeyRecord, str | None]:
        """Validate and store a key. Returns it, and the secret of an HMAC key, which is shown only once.

        Raises Invalid, and Conflict when the account has too many keys.
        """
        async with self._making.turn(account, owner):  # RSA takes a tenth of a second
            definition, imported = await asyncio.to_thread(read_key, given, read=self._keys.read)
            material = imported or await self._generate(definition.algorithm)
        row = new_key(
            account, definition, material, owner=owner, sealer=self._sealer, clock=self._clock, random=self._random
        )
        return await self._store.add_key(row), secret_text(definition.algorithm, material)

    def public_text(self, row: KeyRecord) -> str | None:
        """Return the public key in the form that receivers configure; ``None`` for HMAC."""
        definition = row.read_definition()
        if row.public is None:
            return None
        return self._keys.public_text(definition.algorithm, definition.format, row.public)

    async def get(self, account: AccountId, id_: CryptoKeyId | None, *, owner: str | None) -> KeyRecord:
        """Return a key. Raises NotFound."""
        row = None if id_ is None else await self._store.key(account, id_, owner=owner)
        if row is None:
            raise NotFound(_NO_KEY)
        return row

    async def list(self, query: KeyQuery) -> list[KeyRecord]:
        """Return the keys that the query selects."""
        return await self._store.list_keys(query)

    async def rotate(
        self, account: AccountId, id_: CryptoKeyId | None, given: Any, *, owner: str | None
    ) -> tuple[KeyRecord, str | None]:
        """Give a key a new secret; the former one signs as well until the overlap ends.

        Returns the key, and the new secret of an HMAC key, which is shown only once. Raises NotFound, Invalid and
        Conflict.
        """
        before = await self.get(account, id_, owner=owner)
        algorithm = before.read_definition().algorithm
        async with self._making.turn(account, owner):
            rotation = await asyncio.to_thread(
                read_rotation, given, algorithm=algorithm, overlap=self._overlap, read=self._keys.read
            )
            material = rotation.imported or await self._generate(algorithm)

        def change(row: KeyRecord, now: datetime) -> KeyRecord:
            return self._rotated(row, material, rotation, now)

        row = await self._store.change_key(account, before.id, owner=owner, change=change)
        if row is None:
            raise NotFound(_NO_KEY)
        return row, secret_text(algorithm, material)

    async def retire(self, account: AccountId, id_: CryptoKeyId | None, *, owner: str | None) -> None:
        """Stop signing with a key and delete its secrets; watches with another key go on with that.

        Raises NotFound, and Conflict when a watch would have no key left.
        """

        def release(watches: Sequence[WatchRecord], left: set[CryptoKeyId]) -> Sequence[WatchRecord]:
            return without_key(watches, to_text(IdPrefix.CRYPTO_KEY, id_ or b""), left, owner=owner)

        if id_ is None or not await self._store.retire_key(account, id_, owner=owner, release=release):
            raise NotFound(_NO_KEY)

    async def _generate(self, algorithm: Algorithm) -> Material:
        return await asyncio.to_thread(self._keys.generate, algorithm)

    def _rotated(self, row: KeyRecord, material: Material, rotation: Rotation, now: datetime) -> KeyRecord:
        subject = key_subject(row)
        live = [old for old in row.previous if old.until > now]
        known = [self._sealer.unseal(sealed, subject) for sealed in (row.secret, *(old.secret for old in live))]
        if material.secret in known:
            message = "secret must be a new one; this one signs already"
            raise Invalid("the rotation has problems", (Problem(message=message, pointer="/secret"),))
        end = now + timedelta(seconds=rotation.overlap)
        olds = [PreviousSecret(secret=row.secret, until=end, public=row.public), *live]
        # A shorter overlap than before also ends earlier overlaps: a secret that leaked must stop.
        olds = [msgspec.structs.replace(old, until=min(old.until, end)) for old in olds if rotation.overlap > 0]
        if len(olds) > MAX_OLD_SECRETS:
            earliest = min(old.until for old in live).isoformat(timespec="seconds").replace("+00:00", "Z")
            raise Conflict(
                f"{MAX_OLD_SECRETS} former secrets of this key sign already, the first until {earliest}; wait until "
                'then, or rotate with {"overlap": "0s"} to end them all'
            )
        sealed = self._sealer.seal(material.secret, subject)
        return msgspec.structs.replace(
            row, secret=sealed, public=material.public, generation=row.generation + 1, previous=tuple(olds), rotated=now
        )


def new_key(
    account: AccountId, definition: KeyDefinition, material: Material, *, owner: str | None, sealer: Sealer,
    clock: Clock, random: Random,
) -> KeyRecord:  # fmt: skip
    """Return a new key, not yet stored."""
    id_ = CryptoKeyId(make_id(clock, random))
    row = KeyRecord(
        id=id_, account=account, definition=_encode(definition), secret=b"", public=material.public, owner=owner
    )
    return msgspec.structs.replace(row, secret=sealer.seal(material.secret, key_subject(row)))


def secret_text(algorithm: Algorithm, material: Material) -> str | None:
    """Return an HMAC secret in the form that receivers configure; ``None`` for a private key, which is never shown."""
    return secret_to_text(material.secret) if algorithm is Algorithm.HMAC_SHA256 else None


def without_key(
    watches: Sequence[WatchRecord], key: str, left: set[CryptoKeyId], *, owner: str | None
) -> Sequence[WatchRecord]:
    """Return the watches that name ``key``, without it. Raises Conflict when one that signs has no other of ``left``.

    The error names the watches; those of other owners are only counted.
    """
    rest = {to_text(IdPrefix.CRYPTO_KEY, id_) for id_ in left}
    changed: list[WatchRecord] = []
    stuck: list[WatchRecord] = []
    for watch in watches:
        definition = watch.read_definition()
        if key not in definition.key_ids:
            continue
        others = tuple([each for each in definition.key_ids if each != key])
        if definition.signed and not rest.intersection(others):
            stuck.append(watch)
        parts = {**_parts.decode(watch.definition), "key_ids": msgspec.Raw(_encode(others))}  # the rest to the byte
        changed.append(msgspec.structs.replace(watch, definition=_encode(parts)))
    if stuck:
        raise Conflict(f"no other key signs for {_names(stuck, owner)}; give them another key, or rotate this one")
    return changed


def _names(watches: Sequence[WatchRecord], owner: str | None) -> str:
    seen = [to_text(IdPrefix.WATCH, watch.id) for watch in watches if owner in (None, watch.owner)]
    names = seen[:_NAMED]
    if len(watches) > len(names):
        count = len(watches) - len(names)
        names.append(f"{count} more" if names else f"{count} watch{'es' if count > 1 else ''} of others")
    return ", ".join(names)
