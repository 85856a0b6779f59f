"""What workers share in Valkey: sealed, bound to what it is for, and never waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from hookward.adapters.clock import SystemClock
from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.adapters.valkey.token_cache import ValkeyTokens, open_token_client
from hookward.application.oauth.ports import NewRefreshToken, TokenCache
from hookward.application.ports import Sealer
from hookward.domain.ids import AccountId, CredentialId
from hookward.domain.oauth.model import AccessToken
from tests.contract.valkeys import Valkey, running_valkey
from tests.fakes.null_log import NullLog
from tests.fakes.oauth import ACCOUNT, CREDENTIAL, FakeTokenCache, new_grant

GRANT = new_grant(secret="hush-hush")
ROTATION = NewRefreshToken(base=1, generation=2, token="canary-refresh")
SEALER = AesGcmSealer(b"k" * 32)
SECOND_US = 1_000_000


@pytest.fixture
async def valkey(tmp_path) -> AsyncIterator[Valkey]:
    async with running_valkey(tmp_path) as running:
        yield running


@pytest.fixture
async def client(valkey) -> AsyncIterator[Redis]:
    client = open_token_client(valkey.url)
    yield client
    await client.aclose(close_connection_pool=True)


def shelf_on(client, sealer: Sealer = SEALER, log: NullLog | None = None) -> ValkeyTokens:
    return ValkeyTokens(client, sealer, clock=SystemClock(), log=log or NullLog())


def token(value: str = "canary-access", *, seconds: float = 60.0) -> AccessToken:
    return AccessToken(value=value, until_us=SystemClock().now_us() + int(seconds * SECOND_US))


async def value_of(cache: TokenCache) -> str:
    found = await cache.token(GRANT)
    assert found is not None
    return found.value


@pytest.fixture(params=["valkey", "fake"])
def cache(request, client):
    return FakeTokenCache() if request.param == "fake" else shelf_on(client)


async def test_what_is_put_there_is_found_by_who_asks_for_the_same(cache):
    put = token()
    await cache.put_token(GRANT, put)
    assert await cache.token(GRANT) == put


@pytest.mark.parametrize(
    "other",
    [
        new_grant(secret="another"),
        new_grant(secret=None),
        new_grant(secret="hush-hush", scope="more"),
        new_grant(secret="hush-hush", credential=CredentialId(b"another---------")),
    ],
)
async def test_who_asks_for_anything_else_finds_nothing(cache, other):
    await cache.put_token(GRANT, token())
    assert await cache.token(other) is None


async def test_the_last_token_is_the_one(cache):
    for value in ("first", "second"):
        await cache.put_token(GRANT, token(value))
    assert await value_of(cache) == "second"


async def test_a_rotation_is_kept_until_it_is_dropped(cache):
    assert await cache.refresh_token(ACCOUNT, CREDENTIAL) is None
    await cache.put_refresh_token(ACCOUNT, CREDENTIAL, ROTATION)
    assert await cache.refresh_token(ACCOUNT, CREDENTIAL) == ROTATION
    await cache.drop_refresh_token(ACCOUNT, CREDENTIAL)
    assert await cache.refresh_token(ACCOUNT, CREDENTIAL) is None


async def test_another_account_finds_nothing(client):
    cache, foreign = shelf_on(client), new_grant(secret="hush-hush", account=AccountId(2))
    await cache.put_token(GRANT, token())
    await cache.put_refresh_token(ACCOUNT, CREDENTIAL, ROTATION)
    found = (await cache.token(foreign), await cache.refresh_token(AccountId(2), CREDENTIAL))
    assert found == (None, None)


async def test_nothing_in_valkey_can_be_read_or_guessed_from(client):
    cache = shelf_on(client)
    await cache.put_token(GRANT, token())
    await cache.put_refresh_token(ACCOUNT, CREDENTIAL, ROTATION)
    keys = await client.keys("*")
    dump = b"\n".join([*keys, *[await client.get(key) for key in keys]])
    assert len(keys) == 2
    assert [word for word in (b"canary", b"hush", GRANT.variant, GRANT.variant.hex().encode()) if word in dump] == []


async def test_two_secrets_of_one_client_do_not_differ_in_what_valkey_shows(client):
    cache = shelf_on(client)
    for secret in ("hush-hush", "another"):
        await cache.put_token(new_grant(secret=secret), token())
    assert len(await client.keys("*")) == 1


async def test_a_token_moved_to_another_place_does_not_open(client):
    cache, other = shelf_on(client), new_grant(secret="hush-hush", scope="more")
    await cache.put_token(GRANT, token())
    [key] = await client.keys("*")
    await cache.put_token(other, token())
    [moved] = [each for each in await client.keys("*") if each != key]
    await client.set(moved, await client.get(key))
    assert await cache.token(other) is None


async def test_what_another_master_key_sealed_or_a_stranger_wrote_is_not_there(client):
    cache = shelf_on(client)
    await shelf_on(client, AesGcmSealer(b"o" * 32)).put_token(GRANT, token())
    assert await cache.token(GRANT) is None
    [key] = await client.keys("*")
    await client.set(key, b"nonsense")
    assert await cache.token(GRANT) is None
    subject = f"account:1/credential:{CREDENTIAL.hex()}/token:{GRANT.variant.hex()}"
    for value in (b"{}", b"nonsense", msgspec.json.encode({"value": "a"})):
        await client.set(key, SEALER.seal(value, subject))
        assert await cache.token(GRANT) is None


async def test_valkey_forgets_a_token_when_it_is_no_longer_to_be_used(client):
    cache = shelf_on(client)
    await cache.put_token(GRANT, token(seconds=30.0))
    [key] = await client.keys("*")
    assert 25_000 < await client.pttl(key) <= 30_000
    await cache.put_token(new_grant(scope="more"), token(seconds=0.0))
    assert await client.keys("*") == [key]


async def test_after_a_flush_there_is_nothing_and_the_next_is_kept(client):
    cache = shelf_on(client)
    await cache.put_token(GRANT, token())
    await client.flushall()
    assert await cache.token(GRANT) is None
    await cache.put_token(GRANT, token("next"))
    assert await value_of(cache) == "next"


async def test_without_valkey_nothing_is_there_and_nothing_fails(valkey, client):
    log = NullLog()
    cache = shelf_on(client, log=log)
    await cache.put_token(GRANT, token())
    await valkey.stop()
    await cache.put_token(GRANT, token())
    await cache.put_refresh_token(ACCOUNT, CREDENTIAL, ROTATION)
    await cache.drop_refresh_token(ACCOUNT, CREDENTIAL)
    assert (await cache.token(GRANT), await cache.refresh_token(ACCOUNT, CREDENTIAL)) == (None, None)
    assert log.events == ["tokens.valkey_away"]


async def test_valkey_that_has_come_back_is_used_again(valkey, client):
    cache = shelf_on(client)
    await valkey.stop()
    assert await cache.token(GRANT) is None
    await valkey.start()
    while await cache.token(GRANT) is None:
        await cache.put_token(GRANT, token("back"))
    assert await value_of(cache) == "back"
