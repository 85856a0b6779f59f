"""Re-sealing on PostgreSQL: while others change rows, and after a kill."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from hookward.adapters.clock import SystemClock, SystemRandom
from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.adapters.postgres import migrate
from hookward.adapters.postgres.pool import ConnectionPool
from hookward.adapters.postgres.sealed import SEALED, PostgresSealed
from hookward.application.crypto_keys.service import new_key as new_crypto_key
from hookward.application.oauth.credentials import (
    CredentialState,
    credential_subject,
    digested,
    read_state,
    write_state,
)
from hookward.application.records import KeyRecord, PreviousSecret, WatchRecord
from hookward.application.sealing.key_check import verify_master_keys
from hookward.application.sealing.rotation import PAGE, MasterKeyRotation, Resealed, SealedField
from hookward.domain.crypto_keys.model import KeyDefinition, Material
from hookward.domain.errors import ConfigError
from hookward.domain.ids import CredentialId, CryptoKeyId
from hookward.domain.sealing import key_subject, watch_subject
from tests.contract.world import ACCOUNT, World, new_id, new_watch

A, B = (bytes([byte]) * 32 for byte in b"AB")
OLD, RING, NEW = AesGcmSealer(A), AesGcmSealer(B, A), AesGcmSealer(B)


async def add_watch(world: World, secret: bytes = b"{}", owner: str | None = None) -> WatchRecord:
    row = msgspec.structs.replace(new_watch(), owner=owner)
    row = msgspec.structs.replace(row, secrets=OLD.seal(secret, watch_subject(row)))
    return await world.definitions.add_watch(row, slots=None, paused=False, key=None)


async def add_key(world: World, owner: str | None = None) -> KeyRecord:
    row = new_crypto_key(
        ACCOUNT, KeyDefinition(name="k"), Material(secret=b"n" * 32), owner=owner, sealer=OLD, clock=SystemClock(),
        random=SystemRandom(),
    )  # fmt: skip
    return await world.crypto_keys.add_key(row)


def resealer(database: ConnectionPool) -> MasterKeyRotation:
    return MasterKeyRotation(RING, PostgresSealed(database), setting="security.master_key")


def silent(_done: int, _total: int) -> None: ...


async def secrets_of(world: World, row: WatchRecord) -> bytes:
    return bytes(await world.value("SELECT secrets FROM watch WHERE id = $1", row.id))


def test_every_column_that_the_schema_calls_sealed_is_in_the_list() -> None:
    schema = Path(migrate.__file__).parent.joinpath("migrations/versions/0001_core.sql").read_text("utf-8")
    found = {
        f"{table}.{column}"
        for table, columns in re.findall(r"^CREATE TABLE (\w+) \($(.*?)^\)", schema, re.MULTILINE | re.DOTALL)
        for column in re.findall(r"^  (\w+) bytea.*--.*\bsealed\b", columns, re.MULTILINE)
    }
    assert found - {"authorization_flow.sealed"} == {each.name for each in SEALED}  # which lives for minutes


async def test_every_sealed_column_is_sealed_again_and_nothing_else_changes(world: World) -> None:
    rows = [await add_watch(world, b"secret %d" % number, owner="o'1") for number in range(PAGE + 5)]
    bare = await world.definitions.add_watch(
        msgspec.structs.replace(new_watch(), secrets=None), slots=None, paused=False, key=None
    )
    keys = [await add_key(world, owner) for owner in (None, "b")]

    def rotated(row: KeyRecord, now: datetime) -> KeyRecord:
        olds = (PreviousSecret(secret=row.secret, until=now), *row.previous)
        return msgspec.structs.replace(row, secret=OLD.seal(b"m" * 32, key_subject(row)), previous=olds)

    for _ in range(2):
        await world.crypto_keys.change_key(ACCOUNT, keys[1].id, owner=None, change=rotated)
    retired = await add_key(world)
    await world.crypto_keys.retire_key(ACCOUNT, retired.id, owner=None, release=lambda _watches, _left: [])
    everything = "SELECT id, definition, version, updated, status, owner FROM watch ORDER BY id"
    before = await world.rows(everything), await world.value("SELECT version FROM definition_version")

    report = await resealer(world.database).rotate(silent)

    assert (report.resealed, report.complete, report.unreadable) == (len(rows) + 4, True, ())
    assert (await world.rows(everything), await world.value("SELECT version FROM definition_version")) == before
    for number, row in enumerate(rows):
        assert NEW.unseal(await secrets_of(world, row), watch_subject(row)) == b"secret %d" % number
    assert await world.value("SELECT secrets FROM watch WHERE id = $1", bare.id) is None
    for key, secrets in zip(keys, ([b"n" * 32], [b"m" * 32, b"m" * 32, b"n" * 32]), strict=True):
        stored = await world.crypto_keys.key(ACCOUNT, key.id, owner=None)
        assert stored is not None
        sealed = [stored.secret, *(old.secret for old in stored.previous)]
        assert [NEW.unseal(each, key_subject(key)) for each in sealed] == secrets
    assert await world.value("SELECT secret FROM crypto_key WHERE id = $1", CryptoKeyId(retired.id)) == b""


async def add_credential(world: World, sealer: AesGcmSealer, given: str) -> CredentialId:
    id_, state = (
        CredentialId(new_id()),
        CredentialState(original_token=given, token="now", sharing_key=("url", "client")),
    )
    await world.rows(
        "INSERT INTO credential (id, account_id, digest, state) VALUES ($1, $2, $3, $4)",
        id_,
        ACCOUNT,
        sealer.fingerprint(*digested(ACCOUNT, state)),
        sealer.seal(write_state(state), credential_subject(ACCOUNT, id_)),
    )
    return id_


async def test_what_asks_for_tokens_is_sealed_again_and_found(world: World) -> None:
    id_ = await add_credential(world, OLD, "given")
    assert (await resealer(world.database).rotate(silent)).complete
    [(digest, sealed)] = await world.rows("SELECT digest, state FROM credential")
    state = read_state(NEW.unseal(sealed, credential_subject(ACCOUNT, id_)))
    assert (state.original_token, state.token) == ("given", "now")
    assert digest == NEW.fingerprint(*digested(ACCOUNT, state))


async def test_two_rows_of_the_same_secret_do_not_stop_a_rotation(world: World) -> None:
    """A process with the old key alone has not found the first."""
    for sealer in (NEW, OLD):
        await add_credential(world, sealer, "given")
    report = await resealer(world.database).rotate(silent)
    assert (report.resealed, report.complete) == (1, True)
    digests = {row[0] for row in await world.rows("SELECT digest FROM credential")}
    assert len(digests) == 2


async def test_a_row_that_is_being_changed_is_neither_waited_for_nor_overwritten(world: World) -> None:
    row, other = await add_watch(world), await add_watch(world)
    async with world.session() as session:
        change = session.transaction()
        await change.start()
        fresh = OLD.seal(b"changed meanwhile", watch_subject(row))
        await session.execute("UPDATE watch SET secrets = $2 WHERE id = $1", row.id, fresh)
        rotating = asyncio.create_task(resealer(world.database).rotate(silent))
        while not (await secrets_of(world, other)).startswith(NEW.key_prefixes[0]):
            await asyncio.sleep(0.01)
        assert not rotating.done()
        await change.commit()
        report = await rotating
    assert (report.resealed, report.complete) == (2, True)
    assert NEW.unseal(await secrets_of(world, row), watch_subject(row)) == b"changed meanwhile"


async def test_changes_by_processes_with_either_key_go_on_while_everything_is_sealed_again(world: World) -> None:
    """Each row counts up under version checks; no count is lost, and all opens afterwards."""
    rows = [await add_watch(world, b"0") for _ in range(8)]
    stop = asyncio.Event()
    counts: Counter[bytes] = Counter()

    async def count_up(row: WatchRecord, sealer: AesGcmSealer) -> None:
        while not stop.is_set():
            stored = await world.definitions.watch(ACCOUNT, row.id)
            assert stored is not None
            assert stored.secrets is not None
            number = int(RING.unseal(stored.secrets, watch_subject(stored)))
            changed = msgspec.structs.replace(stored, secrets=sealer.seal(b"%d" % (number + 1), watch_subject(stored)))
            done = await world.definitions.change_watch(changed, slots=None, paused=False, reason="", key=None)
            counts[row.id] += done is not None

    counting = [asyncio.create_task(count_up(row, (RING, OLD)[number % 2])) for number, row in enumerate(rows)]
    while any(counts[row.id] < 5 for row in rows):
        await PostgresSealed(world.database).reseal(
            "watch.secrets", NEW.key_prefixes[0], _again, after=None, limit=PAGE
        )
    stop.set()
    await asyncio.gather(*counting)
    await resealer(world.database).rotate(silent)
    found = [int(NEW.unseal(await secrets_of(world, row), watch_subject(row))) for row in rows]
    assert found == [counts[row.id] for row in rows]


def _again(row: SealedField) -> Resealed:
    return Resealed(values=tuple([RING.seal(RING.unseal(each, row.about), row.about) for each in row.values]))


async def test_what_a_broken_rotation_has_done_stays_and_the_next_does_the_rest(world: World) -> None:
    rows = [await add_watch(world) for _ in range(PAGE + 1)]

    def break_off(done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await resealer(world.database).rotate(break_off)
    report = await resealer(world.database).rotate(silent)
    assert (report.resealed, report.complete) == (1, True)
    assert len(rows) == PAGE + 1


async def test_only_who_has_the_keys_begins(world: World) -> None:
    store = PostgresSealed(world.database)
    await verify_master_keys(OLD, store, setting="s")
    await add_watch(world)
    with pytest.raises(ConfigError, match="wrong key"):
        await verify_master_keys(NEW, store, setting="s")
    await verify_master_keys(RING, store, setting="s")
    with pytest.raises(ConfigError, match="wrong key"):
        await verify_master_keys(OLD, store, setting="s")
    await resealer(world.database).rotate(silent)
    await verify_master_keys(NEW, store, setting="s")
    with pytest.raises(ConfigError, match="wrong key"):
        await verify_master_keys(OLD, store, setting="s")


async def test_of_many_first_starts_with_two_keys_those_with_one_of_them_begin(world: World) -> None:
    store = PostgresSealed(world.database)
    starts = [verify_master_keys(sealer, store, setting="s") for sealer in (OLD, NEW) * 10]
    outcomes = await asyncio.gather(*starts, return_exceptions=True)
    begun = [outcome is None for outcome in outcomes]
    assert begun in ([True, False] * 10, [False, True] * 10)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [ConfigError] * 10
