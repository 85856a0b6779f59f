"""Tokens of several processes over a real PostgreSQL and a real Valkey, and an endpoint that revokes on reuse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from hookward.adapters.clock import SystemClock, SystemRandom
from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.adapters.postgres.credentials import PostgresCredentials
from hookward.adapters.postgres.pool import ConnectionPool, open_pool
from hookward.adapters.valkey.token_cache import ValkeyTokens, open_token_client
from hookward.application.oauth.credentials import CredentialState, credential_subject, read_state, write_state
from hookward.application.oauth.tokens import Tokens
from hookward.domain.errors import StoreUnavailable
from hookward.domain.ids import CredentialId
from hookward.domain.oauth.model import AuthorizationRequired, TokenGrant, TokenResponse
from tests.contract.breaking import BreakingDatabase
from tests.contract.valkeys import Valkey, running_valkey
from tests.contract.world import ACCOUNT, World, new_id, opened_world
from tests.fakes.null_log import NullLog
from tests.fakes.oauth import new_grant

PROCESSES = 4
ROUNDS = 100
SEALER = AesGcmSealer(b"k" * 32)


class TokenServer:
    """A strict authorization server over HTTP: it rotates refresh tokens, and revokes all when one comes twice."""

    def __init__(self) -> None:
        self.current = "r0"
        self.revoked = False
        self.asked: list[str] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        form = await request.post()
        came = str(form["refresh_token"])
        self.asked.append(came)
        if self.revoked or came != self.current:
            self.revoked = True
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.current = f"r{len(self.asked)}"
        return web.json_response(
            {"access_token": f"a{len(self.asked)}", "expires_in": 3600, "refresh_token": self.current}
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[TokenServer]:
        app = web.Application()
        app.router.add_post("/token", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
        try:
            yield self
        finally:
            await runner.cleanup()


class PlainEndpoint:
    """The least of a TokenEndpoint."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def refresh(self, _grant: TokenGrant, refresh_token: str | None) -> TokenResponse:
        async with self._session.post(self._url, data={"refresh_token": refresh_token or ""}) as response:
            said = await response.json()
        if response.status == 400:
            raise AuthorizationRequired("invalid_grant")
        return TokenResponse(
            access_token=said["access_token"], lifetime=said["expires_in"], refresh_token=said["refresh_token"]
        )

    async def exchange(self, grant: TokenGrant, *, code: str, verifier: str, redirect_uri: str) -> TokenResponse:
        raise NotImplementedError


class LaterClock(SystemClock):
    """A wall clock that all processes share and that can be put on, so that tokens expire."""

    ahead_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.ahead_us


class Fleet:
    """Processes that share a credential."""

    def __init__(self, world: World, valkey: Valkey, server: TokenServer, session: ClientSession) -> None:
        self.world = world
        self.valkey = valkey
        self.server = server
        self.clock = LaterClock()
        self.log = NullLog()
        self.grant = new_grant(credential=CredentialId(new_id()))
        self.databases: list[BreakingDatabase] = []
        self.tokens: list[Tokens] = []
        self._endpoint = PlainEndpoint(session, server.url)

    async def begin(self, stack: AsyncExitStack) -> None:
        """Store the credential, and start the processes."""
        state = SEALER.seal(
            write_state(CredentialState(original_token="r0", token="r0")),
            credential_subject(ACCOUNT, self.grant.credential),
        )
        await self.world.value(
            "INSERT INTO credential (id, account_id, digest, state) VALUES ($1, $2, 'digest', $3)",
            self.grant.credential, ACCOUNT, state,
        )  # fmt: skip
        for number in range(PROCESSES):
            opened = await stack.enter_async_context(open_pool(self.world.dsn, name=f"process {number}", size=3))
            database = BreakingDatabase(opened._pool, acquire_timeout=5)
            self.databases.append(database)
            self.tokens.append(await self._process(stack, database))

    async def _process(self, stack: AsyncExitStack, database: ConnectionPool) -> Tokens:
        client = open_token_client(self.valkey.url)
        stack.push_async_callback(client.aclose, close_connection_pool=True)
        tokens = Tokens(
            PostgresCredentials(database), ValkeyTokens(client, SEALER, clock=self.clock, log=self.log),
            self._endpoint, SEALER, timeout=5.0, clock=self.clock, random=SystemRandom(), log=self.log,
        )  # fmt: skip
        stack.push_async_callback(tokens.close, seconds=5.0)
        return tokens

    async def get(self, *, each: int = 3) -> set[str]:
        """Let every process want a token several times at once."""
        wanted = [tokens.get(self.grant, seconds=20.0) for tokens in self.tokens for _ in range(each)]
        return {token.value for token in await asyncio.gather(*wanted)}

    def expire(self) -> None:
        """Let all tokens expire."""
        self.clock.ahead_us += 3600 * 1_000_000

    async def stored(self) -> str | None:
        """The refresh token in the row."""
        state = await self.world.value("SELECT state FROM credential WHERE id = $1", self.grant.credential)
        return read_state(SEALER.unseal(state, credential_subject(ACCOUNT, self.grant.credential))).token

    async def stored_is_current(self) -> None:
        """Wait until the row has what the server wants to see next."""
        while await self.stored() != self.server.current:
            await asyncio.sleep(0.02)


@pytest.fixture
async def fleet(newest, tmp_path) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(opened_world(newest))
        valkey = await stack.enter_async_context(running_valkey(tmp_path))
        server = await stack.enter_async_context(TokenServer().serving())
        session = await stack.enter_async_context(ClientSession())
        fleet = Fleet(world, valkey, server, session)
        await fleet.begin(stack)
        yield fleet


async def test_a_hundred_expiries_take_one_refresh_each_and_lose_nothing(fleet):
    for number in range(1, ROUNDS + 1):
        assert await fleet.get() == {f"a{number}"}
        fleet.expire()
    assert fleet.server.asked == [f"r{number}" for number in range(ROUNDS)]
    assert (fleet.server.revoked, await fleet.stored()) == (False, f"r{ROUNDS}")


async def test_valkey_that_is_flushed_costs_requests_and_no_refresh_token(fleet):
    client = open_token_client(fleet.valkey.url)
    for _ in range(20):
        await asyncio.gather(fleet.get(), client.flushall())
        fleet.expire()
    await client.aclose(close_connection_pool=True)
    assert (fleet.server.revoked, await fleet.stored()) == (False, fleet.server.current)
    assert len(set(fleet.server.asked)) == len(fleet.server.asked)


async def test_without_valkey_each_process_asks_in_its_turn_and_no_refresh_token_is_lost(fleet):
    await fleet.get()
    await fleet.valkey.stop()
    for _ in range(5):
        fleet.expire()
        assert len(await fleet.get()) == PROCESSES
    await fleet.valkey.start()
    found = set[str]()
    while len(found) != 1:
        fleet.expire()
        found = await fleet.get()
    assert (fleet.server.revoked, await fleet.stored()) == (False, fleet.server.current)
    assert len(set(fleet.server.asked)) == len(fleet.server.asked)


@pytest.mark.parametrize("after", [False, True], ids=["not written", "answer lost"])
async def test_postgres_that_is_away_at_the_moment_of_the_write_costs_no_refresh_token(fleet, after):
    for _ in range(10):
        for database in fleet.databases:
            database.break_at("SET state", after=after)
        assert len(await fleet.get()) == 1
        await fleet.stored_is_current()
        fleet.expire()
    assert (fleet.server.revoked, len(fleet.server.asked)) == (False, 10)


async def test_who_comes_next_uses_a_rotation_that_is_not_written_yet(fleet):
    for database in fleet.databases:
        database.break_at("SET state", after=False)
    first, other, *_ = fleet.tokens
    await first.get(fleet.grant, seconds=10.0)
    await first.close(seconds=0.05)  # before it could write
    fleet.databases[1].text = None
    fleet.expire()
    await other.get(fleet.grant, seconds=20.0)
    assert fleet.server.asked == ["r0", "r1"]
    assert (await fleet.stored(), fleet.server.revoked) == ("r2", False)


async def test_without_postgres_no_worker_asks_and_what_is_known_is_used(fleet):
    first, *others = fleet.tokens
    await first.get(fleet.grant, seconds=10.0)
    for database in fleet.databases:
        database.break_at("UPDATE credential SET holder = $3", after=False)
    assert await fleet.get() == {"a1"}
    fleet.expire()
    with pytest.raises(StoreUnavailable):
        await others[0].get(fleet.grant, seconds=10.0)
    assert fleet.server.asked == ["r0"]


async def test_a_worker_that_dies_while_it_asks_is_waited_for_and_no_longer(fleet):
    row = "UPDATE credential SET holder = $1, held_until = now() + interval '1 second'"
    await fleet.world.value(row, b"it has died-----")
    assert await fleet.get() == {"a1"}


async def test_a_refresh_token_that_was_revoked_is_asked_with_once_by_all(fleet):
    fleet.server.revoked = True
    wanted = [tokens.get(fleet.grant, seconds=20.0) for tokens in fleet.tokens for _ in range(3)]
    said = await asyncio.gather(*wanted, return_exceptions=True)
    assert ({type(each) for each in said}, fleet.server.asked) == ({AuthorizationRequired}, ["r0"])
