"""What a service does that was told nothing about deliveries, and that answers below several prefixes."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.commands import run
from tests.receiver import Receiver, Reply
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")
PREFIXES = ("/api/2.3", "/api", "/apps/eu-1")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    settings = {"HOOKWARD_SERVER__PATH_PREFIXES": ",".join(PREFIXES)}
    async with Service(tmp_path_factory.mktemp("defaults") / "data", settings) as service:
        yield service


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


async def test_the_first_retry_comes_after_five_seconds_give_or_take_a_fifth(
    service: Service, receiver: Receiver
) -> None:
    address = receiver.on("/sick", Reply(status=500))
    await asyncio.gather(*[service.create_watch(address, company="spread") for _ in range(60)])
    published = await service.publish(event("1", company="spread"))

    async def tried() -> Any:
        found = await service.deliveries(eventId=published)
        return found if len(found) == 60 and all(each["attemptCount"] for each in found) else None

    ids = [each["id"] for each in await wait_until(tried)]
    log = await asyncio.gather(*[service.ask("GET", f"/v1/deliveries/{id_}", expect=200) for id_ in ids])
    waits: list[float] = []
    for shown in log:
        if len(shown["attempts"]) == 1 and shown["nextAttempt"]:  # else the second came while we looked
            [attempt] = shown["attempts"]
            answered = datetime.fromisoformat(attempt["sent"]) + timedelta(milliseconds=attempt["durationMs"])
            waits.append((datetime.fromisoformat(shown["nextAttempt"]) - answered).total_seconds())
    # The wait begins when the attempt is recorded, which is never before its answer: these are never too short.
    assert len(waits) > 30
    assert min(waits) >= 4
    assert min(waits) < 4.7  # one in three is
    assert max(waits) > 5.3
    assert sorted(waits)[len(waits) // 2] < 6


async def test_what_keeps_failing_is_tried_ten_times_over_some_days_and_has_then_failed(
    service: Service, receiver: Receiver
) -> None:
    watch = await service.create_watch(receiver.on("/ill", Reply(status=500)), company="ill")
    await service.publish(event("1", company="ill"))
    for number, wait in enumerate(SCHEDULE, start=1):
        shown = await tried(service, watch, number)
        assert shown["status"] == "retrying"
        answered = datetime.fromisoformat(shown["attempts"][-1]["sent"])
        seconds = (datetime.fromisoformat(shown["nextAttempt"]) - answered).total_seconds()
        assert 0.8 * wait <= seconds < 1.2 * wait + 3, f"wait {number}"
        await make_due(service, shown["id"])
    assert (await tried(service, watch, len(SCHEDULE) + 1))["status"] == "failed"
    assert [each.attempt for each in receiver.at("/ill")] == list(range(1, 11))


SCHEDULE = (5, 5 * 60, 30 * 60, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24)))


async def tried(service: Service, watch: str, times: int) -> dict[str, Any]:
    """The only delivery of a watch, whole, once that many attempts are recorded."""

    async def listed() -> list[dict[str, Any]]:
        return [each for each in await service.deliveries(watchId=watch) if each["attemptCount"] == times]

    [found] = await wait_until(listed, what=f"there are {times} attempts")
    shown: dict[str, Any] = await service.ask("GET", f"/v1/deliveries/{found['id']}", expect=200)
    return shown


async def make_due(service: Service, delivery: str) -> None:
    """Have the time of its next attempt come now."""
    async with service.database() as connection:
        await connection.execute(
            "WITH due AS (UPDATE waiting SET due_at = now() WHERE delivery_id = $1 RETURNING lane_id) "
            "UPDATE lane SET wake_at = now() FROM due WHERE id = lane_id",
            uuid.UUID(delivery[4:]),
        )


async def test_an_attempt_may_take_fifteen_seconds_and_a_watch_may_ask_for_thirty(
    service: Service, tmp_path: Path
) -> None:
    ended = run("serve", directory=tmp_path, worker__lease="20s")
    assert (ended.returncode, ended.stderr.splitlines()) == (
        2, ["hookward: worker.lease: 20s is too short for delivery.timeout 15s; needs at least 21s"]
    )  # fmt: skip
    given = {"resourceType": "appointment", "address": "https://example.com/"}
    await service.ask("POST", "/v1/watches", expect=201, json={**given, "timeout": "30s"})
    answer = await service.ask("POST", "/v1/watches", expect=422, json={**given, "timeout": "30001ms"})
    [found] = answer["errors"]
    assert (found["pointer"], "from 50ms to 30s" in found["message"]) == ("/timeout", True)


@pytest.mark.parametrize("prefix", ["", *PREFIXES])
async def test_paths_answer_below_each_of_several_prefixes(service: Service, receiver: Receiver, prefix: str) -> None:
    company = f"company of {len(prefix)}"
    collection = f"{prefix}/companies/{company}/appointments"
    watch = await service.ask("POST", collection + "/watch", expect=201, json={"address": receiver.url})
    assert watch["scope"] == {"companyId": company}
    await service.ask("PUT", collection + "/a1", expect=202, json={"notes": "x"})
    await wait_until(lambda: receiver.requests)
    assert json.loads(receiver.requests[0].body)["id"] == "a1"
    await service.ask("POST", f"{prefix}/registrations/{company}/search", expect=404, json={})


@pytest.mark.parametrize("prefix", ["/api/2.4", "/api/api", "/apps", "/API", "/api/2.3x"])
async def test_no_other_prefix_is_known(service: Service, prefix: str) -> None:
    for path in ("/companies/1/appointments/watch", "/companies/1/appointments"):
        await service.ask("POST", prefix + path, expect=404, json={"id": "1"})
