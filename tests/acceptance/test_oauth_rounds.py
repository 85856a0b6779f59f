"""Four workers and tokens that end: one token request for each end, however many workers notice."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.oauth import Crowd, askers, authorization, minted
from tests.peers import Peer, needs_node
from tests.service import Service

pytestmark = [needs_node, pytest.mark.asyncio(loop_scope="session")]

REFRESH, OWN = "refresh_token", "client_credentials"
CLIENTS = ("basic", "post", "none", "rsa", "pss", "ec", "ed")
ROUNDS = 100


async def test_every_grant_delivers_with_every_client_authentication(four_workers: Service, oidc: Peer) -> None:
    crowd = Crowd(four_workers, oidc, "every")
    for client in CLIENTS:
        token = await minted(oidc, client)
        await crowd.watch(authorization(oidc, client, refresh_token=token), resource=f"-{client}-refresh")
        if client != "none":  # who only says who it is has no credentials of its own
            await crowd.watch(authorization(oidc, client), resource=f"-{client}-own")
    for _ in range(3):
        await crowd.burst(3)
        assert await oidc.ask(do="end") == len(crowd.watches)
    counts = await oidc.ask(do="counts")
    refreshed = {f"{client} {REFRESH}": 3 for client in CLIENTS}
    assert counts["granted"] == refreshed | {f"{client} {OWN}": 3 for client in CLIENTS if client != "none"}
    assert (counts["asked"], counts["errors"], counts["revoked"]) == (counts["granted"], {}, 0)
    await crowd.delivered(9 * len(crowd.watches))


async def test_in_a_hundred_rounds_each_end_of_a_token_costs_one_request(four_workers: Service, oidc: Peer) -> None:
    """Each round ends all access tokens, then has something to send for four watches of each of two credentials."""
    crowd = Crowd(four_workers, oidc, "rounds")
    await crowd.four(authorization(oidc, "shared", refresh_token=await minted(oidc, "shared")), resource="-shared")
    await crowd.four(authorization(oidc, "basic"), resource="-own")
    logged = four_workers.log.stat().st_size
    async with four_workers.queue() as queue:
        for number in range(1, ROUNDS + 1):
            counts = await crowd.burst(2)
            assert counts["granted"] == {f"shared {REFRESH}": number, f"basic {OWN}": number}
            assert await oidc.ask(do="end") == 2
            if number % 10 == 0:
                await queue.flushall()
    counts = await oidc.ask(do="counts")
    assert (counts["asked"], counts["errors"], counts["revoked"]) == (counts["granted"], {}, 0)
    assert counts["resource"]["rounds-shared"]["refused"] > ROUNDS  # several deliveries at a time find out
    assert await crowd.delivered(16 * ROUNDS) == 16 * ROUNDS  # each with its first attempt
    assert len(askers(four_workers, logged)) > 1


async def test_tokens_that_end_by_themselves_are_replaced_in_time_and_not_sooner(
    four_workers: Service, mock: Peer
) -> None:
    await mock.ask(do="live", seconds=1)
    crowd = Crowd(four_workers, mock, "soon")
    await crowd.four(authorization(mock, refresh_token=await minted(mock)))
    counts: dict[str, Any] = {"asked": 0}
    while counts["asked"] < 8:
        counts = await crowd.burst(1)
    await crowd.delivered(counts["resource"]["soon"]["ok"])
    counts = await mock.ask(do="counts")
    assert (counts["needless"], counts["reused"]) == (0, 0)


async def test_a_strict_server_s_short_tokens_are_replaced_without_losing_a_rotation(
    four_workers: Service, oidc: Peer
) -> None:
    await oidc.ask(do="live", client="brief", seconds=2)
    crowd = Crowd(four_workers, oidc, "brief")
    await crowd.four(authorization(oidc, "brief", refresh_token=await minted(oidc, "brief")))
    counts: dict[str, Any] = {"granted": {}}
    while counts["granted"].get(f"brief {REFRESH}", 0) < 4:
        counts = await crowd.burst(1)
    await crowd.delivered(counts["resource"]["brief"]["ok"])
    counts = await oidc.ask(do="counts")
    assert (counts["errors"], counts["revoked"]) == ({}, 0)
