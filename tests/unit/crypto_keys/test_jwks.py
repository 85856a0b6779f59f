"""The key set that receivers fetch, and what a worker signs with while keys of each kind are rotated."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.application.crypto_keys.jwks import KEPT_SECONDS, MAX_PUBLISHED, PublishedKey, PublishedKeys
from hookward.domain.crypto_keys.model import Algorithm, KeyDefinition
from hookward.domain.ids import CryptoKeyId, IdPrefix, to_text

pytestmark = pytest.mark.virtual_time

KEYS = CipherSigningKeys()
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = CryptoKeyId(b"k" * 16)
NAME = to_text(IdPrefix.CRYPTO_KEY, ID)


class ManualClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def now_us(self) -> int:
        return int(self.now.timestamp() * 1_000_000)

    def monotonic(self) -> float:
        return self.now.timestamp()


class Shelf:
    """Public keys in memory, and how often they were asked for."""

    def __init__(self) -> None:
        self.rows: list[PublishedKey] = []
        self.now_version = 1
        self.asked: list[tuple[CryptoKeyId | None, int]] = []

    async def published(self, id_: CryptoKeyId | None, *, limit: int) -> list[PublishedKey]:
        self.asked.append((id_, limit))
        return [row for row in self.rows if id_ in (None, row.id)][:limit]

    async def version(self) -> int:
        return self.now_version


def row(algorithm: Algorithm = Algorithm.ED25519, id_: CryptoKeyId = ID, generation: int = 1) -> PublishedKey:
    public = KEYS.generate(algorithm).public
    assert public is not None
    definition = msgspec.json.encode(KeyDefinition(name="k", algorithm=algorithm))
    return PublishedKey(id=id_, definition=definition, generation=generation, public=public)


def kids(body: bytes) -> list[str]:
    return [key["kid"] for key in msgspec.json.decode(body)["keys"]]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def hand() -> ManualClock:
    return ManualClock()


@pytest.fixture
def published(shelf: Shelf, hand: ManualClock) -> PublishedKeys:
    return PublishedKeys(shelf, KEYS, clock=hand)


async def test_a_rotated_key_is_there_under_both_names_until_its_overlap_is_over(
    published: PublishedKeys, shelf: Shelf, hand: ManualClock
) -> None:
    former = row().public
    shelf.rows = [
        msgspec.structs.replace(row(generation=3), previous=[(former, START + timedelta(hours=1)), (former, START)])
    ]
    assert kids(await published.of(ID)) == [f"{NAME}.3", f"{NAME}.2"]
    hand.now += timedelta(hours=1)
    assert kids(await published.of(ID)) == [f"{NAME}.3"]


async def test_the_set_is_made_again_when_a_key_has_changed_or_a_minute_has_passed(
    published: PublishedKeys, shelf: Shelf, hand: ManualClock
) -> None:
    assert await published.every() == b'{"keys":[]}'
    shelf.rows = [row(algorithm) for algorithm in (Algorithm.ECDSA_P256_SHA256, Algorithm.RSA_PSS_SHA512)]
    assert await published.every() == b'{"keys":[]}'
    shelf.now_version = 2
    assert kids(await published.every()) == [NAME, NAME]
    hand.now += timedelta(seconds=KEPT_SECONDS)
    await published.every()
    assert shelf.asked == [(None, MAX_PUBLISHED)] * 3


async def test_the_set_is_made_once_however_many_ask_meanwhile(published: PublishedKeys, shelf: Shelf) -> None:
    shelf.rows = [row()]
    ready = asyncio.Event()
    read = shelf.published

    async def slowly(id_: CryptoKeyId | None, *, limit: int) -> list[PublishedKey]:
        await ready.wait()
        return await read(id_, limit=limit)

    shelf.published = slowly  # type: ignore[method-assign]
    asking = [asyncio.ensure_future(published.every()) for _ in range(20)]
    await asyncio.sleep(0)
    ready.set()
    assert {tuple(kids(each)) for each in await asyncio.gather(*asking)} == {(NAME,)}
    assert shelf.asked == [(None, MAX_PUBLISHED)]


async def test_keys_that_did_not_change_are_not_read_again(shelf: Shelf, hand: ManualClock) -> None:
    read: list[str] = []

    class Counted(CipherSigningKeys):
        def jwk(self, algorithm: Algorithm, public: bytes, kid: str) -> dict[str, str]:
            read.append(kid)
            return super().jwk(algorithm, public, kid)

    published = PublishedKeys(shelf, Counted(), clock=hand)
    other = CryptoKeyId(b"o" * 16)
    shelf.rows = [row()]
    await published.every()
    shelf.rows, shelf.now_version = [*shelf.rows, row(id_=other)], 2
    assert kids(await published.every()) == [NAME, to_text(IdPrefix.CRYPTO_KEY, other)] == read
    shelf.rows, shelf.now_version = shelf.rows[:1], 3
    assert kids(await published.every()) == [NAME]


async def test_one_key_is_asked_for_by_its_id_alone(published: PublishedKeys, shelf: Shelf) -> None:
    other = CryptoKeyId(b"o" * 16)
    shelf.rows = [row(), row(id_=other)]
    assert kids(await published.of(other)) == [to_text(IdPrefix.CRYPTO_KEY, other)]
    assert shelf.asked == [(other, 1)]
