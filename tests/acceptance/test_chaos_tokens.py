"""Workers killed and Valkey emptied while tokens are asked for: no rotation is lost, and nothing stays behind."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import Any

import pytest

from tests.acceptance.oauth import Crowd, authorization, minted
from tests.peers import Peer, needs_node
from tests.service import Service, wait_until

pytestmark = [needs_node, pytest.mark.chaos, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("kind", ["refresh_token", "client_credentials"])
async def test_workers_killed_while_they_ask_are_asked_for_again(kind: str, four_workers: Service, mock: Peer) -> None:
    """The server never got to the request of the dead: the refresh token in the row is the one it knows."""
    crowd = Crowd(four_workers, mock, kind)
    await crowd.four(authorization(mock, refresh_token=await minted(mock) if kind == "refresh_token" else None))
    await mock.ask(do="fail", failures=["hang"])
    await crowd.publish(4)
    await wait_until(lambda: _asked(mock), every=0.01)
    before = four_workers.workers
    for worker in before:
        four_workers.kill(worker)
    await four_workers.worker_replaced(before)
    counts = await crowd.arrived({kind: 16})
    assert (counts["asked"], counts["reused"]) == (2, 0)
    await crowd.delivered(16)


def _replaced(service: Service, killed: int) -> bool:
    return len(service.workers) == 4 and killed not in service.workers


async def _asked(mock: Peer) -> bool:
    return bool((await mock.ask(do="counts"))["asked"])


async def test_a_worker_killed_in_a_burst_costs_no_rotation(four_workers: Service, oidc: Peer) -> None:
    crowd = Crowd(four_workers, oidc, "killed")
    await crowd.four(authorization(oidc, "shared", refresh_token=await minted(oidc, "shared")))
    for number in range(1, 6):
        await crowd.burst(1)  # all is quiet after: what is killed does not ask for a token just now
        await crowd.publish(20)
        killed = four_workers.workers[0]
        four_workers.kill(killed)
        await crowd.delivered(84 * number)
        crowd.expected = {name: counts["ok"] for name, counts in (await oidc.ask(do="counts"))["resource"].items()}
        assert await oidc.ask(do="end") == 1
        await wait_until(partial(_replaced, four_workers, killed))
    counts = await oidc.ask(do="counts")
    assert (counts["asked"], counts["errors"], counts["revoked"]) == ({"shared refresh_token": 5}, {}, 0)


async def test_a_flush_of_valkey_in_the_middle_loses_no_rotation(four_workers: Service, oidc: Peer) -> None:
    crowd = Crowd(four_workers, oidc, "flushed")
    await crowd.four(authorization(oidc, "shared", refresh_token=await minted(oidc, "shared")))
    async with four_workers.queue() as queue:
        flushing = asyncio.create_task(_flush(queue))
        for _ in range(10):
            await crowd.burst(4)
            await oidc.ask(do="end")
        flushing.cancel()
        await asyncio.wait({flushing})
    counts = await oidc.ask(do="counts")
    assert (counts["errors"], counts["revoked"]) == ({}, 0)
    await crowd.delivered(160)


async def test_while_valkey_is_away_tokens_are_got_without_it_and_no_rotation_is_lost(
    four_workers: Service, oidc: Peer
) -> None:
    """It stands still: no worker can share a token, so each may ask for one of its own."""
    crowd = Crowd(four_workers, oidc, "away")
    await crowd.four(authorization(oidc, "shared", refresh_token=await minted(oidc, "shared")))
    await crowd.burst(2)
    valkey, since = four_workers.valkey, four_workers.log.stat().st_size
    four_workers.kill(valkey, signal.SIGSTOP)
    try:
        for _ in range(3):
            await oidc.ask(do="end")
            await crowd.burst(4)
        machine = Crowd(four_workers, oidc, "machine")
        await machine.four(authorization(oidc))  # whose first token is asked for meanwhile
        await machine.burst(2)
    finally:
        four_workers.kill(valkey, signal.SIGCONT)
    await oidc.ask(do="end")
    counts = await crowd.burst(2)
    assert (counts["errors"], counts["revoked"]) == ({}, 0)
    assert counts["asked"]["shared refresh_token"] >= 5
    assert b"tokens.valkey_away" in four_workers.log.read_bytes()[since:]
    await crowd.delivered(64)
    await machine.delivered(8)


async def _flush(queue: Any) -> None:
    while True:
        await queue.flushall()
        await asyncio.sleep(0.01)
