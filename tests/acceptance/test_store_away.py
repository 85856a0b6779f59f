"""What the api says while a store is away, and that it goes on by itself when that is back."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from io import BytesIO
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.acceptance.api.callers import new_tenant
from tests.api_surface import Entry, surface
from tests.receiver import Receiver
from tests.service import Service, event, wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="module")]

UNKNOWN_ID = "0" * 32
IDS = {
    "watchId": f"wat_{UNKNOWN_ID}", "eventId": f"evt_{UNKNOWN_ID}", "deliveryId": f"dlv_{UNKNOWN_ID}",
    "keyId": f"key_{UNKNOWN_ID}", "apiKeyId": f"apk_{UNKNOWN_ID}", "accountId": f"acc_{UNKNOWN_ID}",
    "erasureId": f"ers_{UNKNOWN_ID}", "name": "shop.order",
}  # fmt: skip
APPOINTMENT = "/companies/1/appointments"
WATCH = {"address": "https://example.com/"}
NEEDS_THE_STORE: list[tuple[str, str, Any]] = [
    ("POST", "/v1/events", event("away", id="key-away")),
    ("POST", "/v1/events/batch", {"events": [event("1"), event("2")]}),
    ("POST", "/v1/events/batch", {"events": [event("3"), {"resourceType": "none"}]}),
    ("POST", APPOINTMENT, {"id": "1"}),
    ("PUT", f"{APPOINTMENT}/1", {"id": "1"}),
    ("DELETE", f"{APPOINTMENT}/1", None),
    ("POST", "/registrations/1/batch", {"operations": [{"operation": "delete", "id": "r1"}]}),
    ("GET", "/v1/events", None),
    ("GET", f"/v1/events/evt_{UNKNOWN_ID}", None),
    ("GET", "/v1/events/key-away", None),
    ("GET", "/v1/deliveries", None),
    ("GET", "/v1/deliveries?q=text", None),
    ("GET", f"/v1/deliveries/dlv_{UNKNOWN_ID}", None),
    ("POST", f"/v1/deliveries/dlv_{UNKNOWN_ID}/replay", {}),
    ("POST", "/v1/watches", {**WATCH, "resourceType": "appointment", "scope": {}}),
    ("POST", f"{APPOINTMENT}/watch", WATCH),
    ("GET", "/v1/watches", None),
    ("GET", f"/v1/watches/wat_{UNKNOWN_ID}", None),
    ("PUT", f"/v1/watches/wat_{UNKNOWN_ID}", WATCH),
    ("PATCH", f"/v1/watches/wat_{UNKNOWN_ID}", {"name": "new"}),
    ("DELETE", f"/v1/watches/wat_{UNKNOWN_ID}", None),
    ("POST", f"/v1/watches/wat_{UNKNOWN_ID}/test", {}),
    ("GET", "/v1/crypto-keys", None),
    ("GET", "/v1/resource-types", None),
    ("GET", "/v1/api-keys", None),
    ("GET", "/v1/accounts", None),
    ("POST", "/v1/erasures", {"resourceType": "appointment", "resourceId": "1"}),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with Service(tmp_path_factory.mktemp("away") / "data") as service:
        yield service


@asynccontextmanager
async def no_database(service: Service) -> AsyncIterator[None]:
    """PostgreSQL is killed and cannot be started again inside."""
    mark = service.data_dir / "postgres" / "PG_VERSION"
    hidden = mark.rename(mark.with_name("hidden"))
    service.kill(service.postgres)
    try:
        yield
    finally:
        hidden.rename(mark)


@asynccontextmanager
async def no_queue(service: Service) -> AsyncIterator[None]:
    """Valkey stands still inside."""
    pid = service.valkey
    service.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        service.kill(pid, signal.SIGCONT)


async def health(service: Service, path: str) -> tuple[int, str, dict[str, str]]:
    async with aiohttp.ClientSession(service.url) as client, client.get(path) as answer:
        document = await answer.json()
        return answer.status, document["status"], document["checks"]


async def said(service: Service, *expected: object) -> None:
    """Wait until ``/readyz`` says so; ``/livez`` is well all the while."""

    async def as_expected() -> bool:
        assert await health(service, "/livez") == (200, "ok", {})
        return await health(service, "/readyz") == expected

    await wait_until(as_expected, what=f"/readyz says {expected}")


async def test_health_names_what_is_away_and_what_is_not(service: Service) -> None:
    await said(service, 200, "ok", {"database": "ok", "queue": "ok"})
    async with no_queue(service):  # publishing does not need it
        await said(service, 200, "degraded", {"database": "ok", "queue": "away"})
        await service.publish(event("1"))
        async with no_database(service):
            await said(service, 503, "unavailable", {"database": "away", "queue": "away"})
    await said(service, 200, "ok", {"database": "ok", "queue": "ok"})


async def refusal(service: Service, method: str, path: str, body: Any, key: str | None = None) -> dict[str, Any]:
    """The problem that a request is answered with while the store is away."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with service.client.request(method, path, json=body, headers=headers) as answer:
        found = {"status": answer.status, "type": answer.content_type, "after": answer.headers.get("Retry-After")}
        document = json.loads(await answer.read())
        return {**found, "detail": document["detail"], "requestId": document["requestId"]}


async def status_of(service: Service, entry: Entry) -> int:
    path = entry.path
    for name in entry.parameters:
        path = path.replace("{" + name + "}", IDS.get(name, UNKNOWN_ID) if path.startswith("/v1/") else "42")
    body = BytesIO(b"{}") if entry.method in {"POST", "PUT", "PATCH"} else None
    headers = {"Content-Type": "application/json"} if body else {}
    async with service.client.request(entry.method, path, data=body, headers=headers) as answer:
        return answer.status


async def are_delivered(service: Service, count: int) -> bool:
    return len(await service.deliveries(status="delivered")) == count


async def test_everything_that_needs_the_store_answers_503_while_it_is_away_and_goes_on_when_it_is_back(
    service: Service,
) -> None:
    async with Receiver() as receiver:
        tenant = await new_tenant(service)
        await service.create_watch(receiver.url)
        await service.publish(event("before"))
        await wait_until(lambda: len(receiver.requests) == 1)
        async with no_database(service):
            await said(service, 503, "unavailable", {"database": "away", "queue": "ok"})
            given: list[tuple[str, str, Any, str | None]] = [(*each, None) for each in NEEDS_THE_STORE]
            given.append(("GET", "/v1/watches", None, tenant.key))  # whose key was not seen yet: not 401
            guarded = [entry for entry in surface() if entry.scope is not None]
            refused, statuses = await asyncio.gather(
                asyncio.gather(*(refusal(service, *each) for each in given)),
                asyncio.gather(*(status_of(service, entry) for entry in guarded)),
            )
            for each, (method, path, *_) in zip(refused, given, strict=True):
                assert (each["status"], each["type"], each["after"]) == (503, "application/problem+json", "1"), (
                    method, path, each,
                )  # fmt: skip
                assert "nothing was taken, try again" in each["detail"]
                assert each["requestId"]
            broken = {str(entry): status for entry, status in zip(guarded, statuses, strict=True) if status >= 500}
            assert set(broken.values()) == {503}, broken
        await said(service, 200, "ok", {"database": "ok", "queue": "ok"})
        again = [event("away", id="key-away"), event("1"), event("2")]
        await service.publish_batch(again)
        await service.ask("POST", APPOINTMENT, expect=202, json={"id": "3"})
        await tenant.ask("GET", "/v1/watches", expect=200)
        await wait_until(lambda: len(receiver.requests) >= 5)
        assert {json.loads(each.body)["id"] for each in receiver.requests} == {"before", "away", "1", "2", "3"}
        await wait_until(partial(are_delivered, service, 5))
