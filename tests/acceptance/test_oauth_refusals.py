"""Authorization servers that fail, and consent that is taken back."""

from __future__ import annotations

from functools import partial
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.acceptance.oauth import Crowd, authorization, minted
from tests.peers import Peer, needs_node
from tests.service import Service, wait_until

pytestmark = [needs_node, pytest.mark.asyncio(loop_scope="session")]

FAILURES = {
    "error": "answered 500, server_error.",
    "broken": "answered 200 with something else than a JSON object",
    "tokenless": "answered 200 without an access_token.",
    "lost": "did not answer: The server closed the connection before it answered.",
}


async def test_what_a_token_endpoint_does_wrong_costs_attempts_and_no_delivery(
    four_workers: Service, mock: Peer
) -> None:
    crowd = Crowd(four_workers, mock, "wrong")
    id_ = await crowd.watch(authorization(mock, refresh_token=await minted(mock)))
    await mock.ask(do="fail", failures=[*FAILURES, "slow"])
    await crowd.burst(1)
    assert await crowd.delivered(1) == len(FAILURES) + 1
    (found,) = await four_workers.deliveries(watchId=id_)
    shown = await four_workers.ask("GET", f"/v1/deliveries/{found['id']}", expect=200)
    errors = [attempt["error"] for attempt in shown["attempts"]]
    assert [error and error["type"] for error in errors] == [*["oauth"] * len(FAILURES), None]
    for error, told in zip(errors, FAILURES.values(), strict=False):
        assert told in error["message"]
        assert mock.told["token"] in error["message"]


async def test_a_slow_token_endpoint_is_waited_for_once_by_all(four_workers: Service, mock: Peer) -> None:
    crowd = Crowd(four_workers, mock, "slow")
    await crowd.four(authorization(mock, refresh_token=await minted(mock)))
    await mock.ask(do="fail", failures=["slow"])
    counts = await crowd.burst(16)
    assert counts["asked"] == 1
    assert await crowd.delivered(64) == 64


async def test_a_lost_consent_pauses_the_watch_until_a_new_refresh_token_comes(
    four_workers: Service, mock: Peer
) -> None:
    crowd = Crowd(four_workers, mock, "lost")
    id_ = await crowd.watch(authorization(mock, refresh_token=await minted(mock)))
    await crowd.burst(1)
    await mock.ask(do="end")
    await mock.ask(do="fail", failures=["invalid_grant"] * 100)
    await crowd.publish(6)
    paused = await wait_until(partial(_paused, four_workers, id_))
    assert paused["statusReason"] == "authorization required"
    await crowd.publish(4)
    await wait_until(partial(_waiting, four_workers, id_, 10))
    assert (await mock.ask(do="counts"))["resource"]["lost"]["ok"] == 1

    await mock.ask(do="fail")
    fresh = {"status": "enabled", "oauth2Auth": {"refreshToken": await minted(mock)}}
    enabled = await four_workers.ask("PATCH", f"/v1/watches/{id_}", expect=200, json=fresh)
    assert (enabled["status"], enabled.get("statusReason")) == ("enabled", None)
    counts = await crowd.arrived({"lost": 11})
    assert counts["reused"] == 0
    assert await crowd.delivered(11) <= 12  # no attempt was spent on waiting


async def test_two_watches_with_one_lost_consent_are_both_paused_and_both_helped(
    four_workers: Service, mock: Peer
) -> None:
    crowd = Crowd(four_workers, mock, "both")
    token = await minted(mock)
    for company in ("1", "2"):
        await crowd.watch(authorization(mock, refresh_token=token), company=company)
    await mock.ask(do="fail", failures=["invalid_grant"])
    await crowd.publish(2)
    for id_ in crowd.watches:
        await wait_until(partial(_paused, four_workers, id_))
    assert (await mock.ask(do="counts"))["asked"] == 1
    given = {"status": "enabled", "oauth2Auth": {"refreshToken": await minted(mock)}}
    for id_ in crowd.watches:
        await four_workers.ask("PATCH", f"/v1/watches/{id_}", expect=200, json=given)
    counts = await crowd.arrived({"both": 4})
    assert (counts["asked"], counts["reused"]) == (2, 0)
    await crowd.delivered(4)


async def test_a_consent_given_in_a_browser_lets_go_what_waited(four_workers: Service, oidc: Peer) -> None:
    crowd = Crowd(four_workers, oidc, "browser")
    given = {**authorization(oidc), "grantType": "refresh_token", "authUrl": oidc.told["authorize"]}
    id_ = await crowd.watch(given)
    await crowd.publish(3)
    await wait_until(partial(_waiting, four_workers, id_, 3))
    paused = await _paused(four_workers, id_)
    assert paused is not None
    assert paused["statusReason"] == "authorization required"
    begun = await four_workers.ask("POST", f"/v1/watches/{id_}/oauth2/authorize", expect=200)
    await _browse(URL(begun["url"]))
    await crowd.arrived({"browser": 3})
    assert await oidc.ask(do="end") > 0  # what the code was exchanged for rotates as well
    await crowd.publish(1)
    counts = await crowd.arrived({"browser": 4})
    assert (counts["errors"], counts["revoked"]) == ({}, 0)
    await crowd.delivered(4)


async def _browse(address: URL) -> None:
    """Follow redirects, with cookies, to a page that is well."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        for _ in range(8):
            async with browser.get(address, allow_redirects=False) as answer:
                if answer.status == 200:
                    return
                assert answer.status == 303, f"{address}: {answer.status} {await answer.text()}"
                address = address.join(URL(answer.headers["Location"]))
    raise AssertionError(f"redirected for ever, now to {address}")


async def _paused(service: Service, id_: str) -> dict[str, Any] | None:
    found: dict[str, Any] = await service.ask("GET", f"/v1/watches/{id_}", expect=200)
    return found if found["status"] == "paused" else None


async def _waiting(service: Service, id_: str, count: int) -> bool:
    waiting = [await service.deliveries(watchId=id_, status=status) for status in ("pending", "retrying")]
    return sum(map(len, waiting)) == count
