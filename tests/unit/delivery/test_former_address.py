"""A retry keeps the address of its first attempt, and what a watch has given since is no business of a former one."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.oauth.model import GrantType, OAuthDefinition
from hookward.domain.watches.model import WatchSecrets
from tests.fakes.oauth import FakeTokens
from tests.fakes.worker_harness import WorkerHarness, status
from tests.unit.delivery.test_holds import once

pytestmark = pytest.mark.virtual_time

SECRETS = WatchSecrets(password="hush", headers={"X-Key": "hush", "Content-Type": "application/hush"})
NAMES = ("X-Key", "Content-Type")


async def sent_again(harness: WorkerHarness, former: str, now: str, **definition: Any) -> tuple[OutgoingRequest, str]:
    """The retry that a watch sends after it moved and was given secrets, and how the log shows it."""
    watch = harness.watch(former)
    harness.endpoints.script[former] = once(status(500))
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: len(harness.store.waiting) == 1)
    other = harness.watch(now, paused=True, header_names=NAMES, **definition)
    harness.change(watch, definition=other.definition, secrets=msgspec.json.encode(SECRETS), credential=b"c" * 16)
    await harness.settled()
    logged = max(harness.store.log.values(), key=lambda each: len(each.attempts))
    return harness.endpoints.received[-1], (logged.attempts[-1].request or b"").decode()


@pytest.mark.parametrize("now", ["http://b.test/", "http://a.test.b.test/", "http://a.test:81/", "https://a.test/"])
async def test_a_retry_to_a_former_server_carries_no_secret_that_a_watch_has_now(
    harness: WorkerHarness, now: str
) -> None:
    request, shown = await sent_again(harness, "http://a.test/?x", now, username="u")
    sent = dict(request.headers) | dict(request.changing)
    assert (request.address, sent["Content-Type"], sent["hookward-attempt"]) == (
        "http://a.test/?x", "application/json", "2",
    )  # fmt: skip
    assert not {"Authorization", "X-Key"} & (sent.keys() | msgspec.json.decode(shown)["headers"].keys())
    assert "hush" not in f"{sent}"


async def test_a_retry_to_a_former_server_asks_for_no_access_token(harness: WorkerHarness) -> None:
    harness.tokens = FakeTokens("token")
    oauth = OAuthDefinition(client_id="c", access_token_url="https://l.test/", grant_type=GrantType.CLIENT_CREDENTIALS)
    request, _ = await sent_again(harness, "http://a.test/", "http://b.test/", oauth=oauth)
    assert (harness.tokens.asked, "Authorization" in dict(request.changing)) == ([], False)


async def test_a_retry_to_another_path_of_the_same_server_is_sent_as_the_watch_is_now(harness: WorkerHarness) -> None:
    request, _ = await sent_again(harness, "http://A.test/old", "http://a.test/new", username="u")
    sent = dict(request.headers)
    assert (request.address, sent["X-Key"]) == ("http://A.test/old", "hush")
    assert sent["Authorization"] == "Basic " + base64.b64encode(b"u:hush").decode()
