"""One attempt: what it waits for, what it sends, and when there is none."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

import msgspec
import pytest
from standardwebhooks import Webhook

from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.application.delivery.task import LoadedEvent
from hookward.application.records import KeyRecord
from hookward.domain.crypto_keys.model import Algorithm
from hookward.domain.delivery.model import DeliveryStatus
from hookward.domain.ids import AccountId, CryptoKeyId, IdPrefix, to_text
from hookward.domain.signing.standard_webhooks import secret_to_text
from hookward.domain.watches.model import WatchStatus
from tests.fakes.worker_harness import WorkerHarness

pytestmark = pytest.mark.virtual_time

DELIVERED, CANCELLED = DeliveryStatus.DELIVERED, DeliveryStatus.CANCELLED


async def test_a_send_that_could_outlast_the_lease_waits_for_the_renewal(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    await harness.start_session(lease=45.0)
    harness.store.away.add("renew")
    await asyncio.sleep(30)
    harness.publish()
    await asyncio.sleep(5)
    assert harness.endpoints.received == []
    harness.store.away.clear()
    await harness.until(lambda: harness.statuses() == {DELIVERED: 1}, seconds=1.1)


async def test_a_request_goes_on_behalf_of_the_account_and_the_owner_of_its_watch(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/")
    harness.change(harness.watch("http://a.test/"), owner="integrator-7")
    await harness.start_session()
    harness.publish()
    await harness.settled()
    assert {request.connection_owner for request in harness.endpoints.received} == {"1", "1/integrator-7"}


@pytest.mark.parametrize("change", [{"status": WatchStatus.DISABLED}, {"deleted": True}])
async def test_what_is_queued_for_a_watch_that_ends_is_cancelled_with_the_reason(
    harness: WorkerHarness, change: dict[str, object]
) -> None:
    watch = harness.watch("http://a.test/", slots=1)
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.2
    await harness.start_session()
    harness.publish(2)
    await harness.until(lambda: harness.endpoints.in_flight == 1)
    harness.change(watch, **change)
    harness.publish(1)
    await harness.settled()
    reasons = sorted((each.status, each.reason, each.entry.attempts) for each in harness.store.log.values())
    assert reasons == [(DELIVERED, None, 1), (CANCELLED, "the watch is disabled or was deleted", 0)]


async def test_what_is_queued_for_a_watch_that_is_disabled_and_enabled_at_once_is_cancelled(
    harness: WorkerHarness,
) -> None:
    watch = harness.watch("http://a.test/", slots=1)
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.2
    await harness.start_session()
    harness.publish(2)
    await harness.until(lambda: harness.endpoints.in_flight == 1)
    harness.reopen(watch)
    harness.publish(1)
    await harness.settled()
    outcomes = sorted((each.status, each.reason, each.entry.lane) for each in harness.store.log.values())
    assert outcomes == [(DELIVERED, None, 1), (DELIVERED, None, 100), (CANCELLED, "the watch was disabled", 1)]


async def test_what_a_worker_has_slots_for_waits_when_its_watch_is_paused(harness: WorkerHarness) -> None:
    watch = harness.watch("http://a.test/")
    await harness.start_session()
    harness.publish()
    await harness.until(lambda: harness.statuses() == {DELIVERED: 1})  # it still holds slots
    harness.pause(watch)
    harness.publish(3)
    await harness.until(lambda: len(harness.store.waiting) == 3)
    await harness.until(lambda: not harness.store.outbox)
    assert (len(harness.endpoints.received), harness.statuses()) == (1, {DELIVERED: 1, DeliveryStatus.PENDING: 3})
    harness.resume(watch.lane)
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 4}


async def test_what_waits_already_goes_on_waiting_when_its_watch_is_paused(harness: WorkerHarness) -> None:
    watch = harness.watch("http://a.test/", slots=1)
    harness.endpoints.script["http://a.test/"] = lambda _request: 0.2
    await harness.start_session()
    harness.publish(40)
    await harness.until(lambda: len(harness.endpoints.received) == 3)
    harness.pause(watch)
    harness.publish()  # its version tells the worker
    await harness.until(lambda: harness.endpoints.in_flight == 0)
    sent = len(harness.endpoints.received)
    await asyncio.sleep(60)
    assert (len(harness.endpoints.received), len(harness.store.waiting)) == (sent, 41 - sent)
    harness.resume(watch.lane)
    await harness.settled()
    assert harness.statuses() == {DELIVERED: 41}


async def test_each_key_of_a_watch_signs_what_is_sent(harness: WorkerHarness) -> None:
    secrets = [b"a" * 32, b"b" * 32]
    harness.store.keys = [
        KeyRecord(id=CryptoKeyId(secret[:16]), account=AccountId(1), definition=b'{"name":"k"}', secret=secret)
        for secret in secrets
    ]
    ids = tuple(to_text(IdPrefix.CRYPTO_KEY, secret[:16]) for secret in secrets)
    harness.watch("http://a.test/", signed=True, key_ids=ids)
    await harness.start_session()
    harness.publish()
    await harness.settled()
    (request,) = harness.endpoints.received
    headers, body = dict(request.headers + request.changing), (request.body or b"").decode()
    moment = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    expected = [Webhook(secret_to_text(secret)).sign(headers["webhook-id"], moment, body) for secret in secrets]
    assert headers["webhook-signature"].split() == expected


@pytest.mark.parametrize(
    ("algorithm", "format_", "method", "headers"),
    [
        (Algorithm.ED25519, "standard-webhooks", "POST", {"webhook-signature"}),
        (Algorithm.ED25519, "rfc9421", "POST", {"Signature", "Signature-Input", "Content-Digest"}),
        (Algorithm.RSA_PSS_SHA512, "rfc9421", "POST", {"Signature", "Signature-Input", "Content-Digest"}),
        (Algorithm.HMAC_SHA256, "rfc9421", "DELETE", {"Signature", "Signature-Input"}),
    ],
)
async def test_each_key_signs_in_its_own_format(
    harness: WorkerHarness, algorithm: Algorithm, format_: str, method: str, headers: set[str]
) -> None:
    secret, definition = CipherSigningKeys().generate(algorithm).secret, {"name": "k", "algorithm": algorithm}
    id_ = CryptoKeyId(b"k" * 16)
    encoded = msgspec.json.encode({**definition, "format": format_})
    harness.store.keys = [KeyRecord(id=id_, account=AccountId(1), definition=encoded, secret=secret)]
    harness.watch("http://a.test/", signed=True, key_ids=(to_text(IdPrefix.CRYPTO_KEY, id_),), method=method)
    await harness.start_session()
    harness.publish()
    await harness.settled()
    (request,) = harness.endpoints.received
    of_signing = {"webhook-signature", "Signature", "Signature-Input", "Content-Digest"}
    sent = dict(request.changing)
    assert of_signing & sent.keys() == headers
    if format_ == "rfc9421":
        covered = re.findall(r'"([^"]+)"', sent["Signature-Input"].partition(")")[0])
        assert ("content-type" in covered, covered[-2:]) == (method == "POST", ["webhook-id", "webhook-timestamp"])


async def test_a_method_without_a_body_sends_none(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", method="DELETE")
    await harness.start_session()
    harness.publish()
    await harness.settled()
    assert [(request.method, request.body) for request in harness.endpoints.received] == [("DELETE", None)]


async def test_one_event_is_rendered_by_the_template_of_each_watch(harness: WorkerHarness) -> None:
    harness.watch("http://a.test/", schema={"a": "${$.resource.id}"})
    harness.watch("http://b.test/", schema={"b": "${$.resource.id}"})
    await harness.start_session()
    harness.publish()
    await harness.settled()
    bodies = {request.address: msgspec.json.decode(request.body or b"") for request in harness.endpoints.received}
    assert bodies == {"http://a.test/": {"a": "1"}, "http://b.test/": {"b": "1"}}


async def test_a_resource_is_decoded_once_for_all_its_watches(harness: WorkerHarness) -> None:
    event = LoadedEvent(harness.event())
    assert event.resource() is event.resource()


@pytest.mark.parametrize(
    ("event_zone", "account_zone", "shown"),
    [("Asia/Tokyo", "Europe/Paris", "Asia/Tokyo"), (None, "Europe/Paris", "Europe/Paris"), (None, None, "UTC")],
)
async def test_a_date_is_in_the_zone_of_the_event_else_of_the_account_else_in_utc(
    harness: WorkerHarness, event_zone: str | None, account_zone: str | None, shown: str
) -> None:
    harness.store.zones = {AccountId(1): account_zone, AccountId(2): "America/Lima"}
    harness.watch("http://a.test/")
    await harness.start_session()
    harness.store.publish(msgspec.structs.replace(harness.event(), zone=event_zone))
    harness.sessions[0].dispatcher.wake()
    await harness.settled()
    [request] = harness.endpoints.received
    assert msgspec.json.decode(request.body or b"")["date"]["timeZone"] == shown
