"""Sending a delivery again: whatever became of it so far."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.receiver import Receiver, Reply
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def logged(service: Service, watch: str, **expected: object) -> dict[str, Any]:
    """A delivery of a watch, once the log says what is expected of it."""

    async def so() -> dict[str, Any] | None:
        found = await service.deliveries(watchId=watch)
        return next((each for each in found if expected.items() <= each.items()), None)

    found: dict[str, Any] = await wait_until(so, what=f"the log says {expected}")
    return found


async def retrying(service: Service, receiver: Receiver) -> tuple[str, dict[str, Any]]:
    """A watch and its delivery, which failed and will be tried again in an hour."""
    mine = uuid.uuid4().hex
    address = receiver.on("/sick", Reply(status=500))
    watch = await service.create_watch(address, company=mine, retry={"schedule": ["1h", "1h"]})
    await service.publish(event("1", company=mine))
    return watch, await logged(service, watch, status="retrying", attemptCount=1)


async def test_what_waits_for_its_next_attempt_is_sent_at_once_with_the_watch_as_it_is_now(
    service: Service, receiver: Receiver
) -> None:
    watch, waiting = await retrying(service, receiver)
    change = {"address": receiver.url + "/well", "schema": {"now": "${$.id}"}, "method": "PUT"}
    await service.ask("PATCH", f"/v1/watches/{watch}", expect=200, json=change)
    assert await service.ask("POST", f"/v1/deliveries/{waiting['id']}/replay", expect=202) == {"id": waiting["id"]}
    after = await logged(service, watch, status="delivered")
    assert (after["id"], after["attemptCount"]) == (waiting["id"], 2)
    [again] = receiver.at("/well")
    assert (again.id, again.attempt, again.method, json.loads(again.body)) == (waiting["id"], 2, "PUT", {"now": "1"})
    assert len(receiver.requests) == 2


async def test_the_schedule_starts_again_with_each_replay(service: Service, receiver: Receiver) -> None:
    watch, waiting = await retrying(service, receiver)
    for attempts in (2, 3, 4, 5):  # more than the schedule has
        await service.ask("POST", f"/v1/deliveries/{waiting['id']}/replay", expect=202)
        await logged(service, watch, status="retrying", attemptCount=attempts)
    assert [each.attempt for each in receiver.requests] == [1, 2, 3, 4, 5]


async def test_what_waits_goes_out_beside_a_replay_with_an_id_of_its_own(service: Service, receiver: Receiver) -> None:
    watch, waiting = await retrying(service, receiver)
    receiver.on("/sick", Reply())
    path = f"/v1/deliveries/{waiting['id']}/replay"
    fresh = (await service.ask("POST", path, expect=202, json={"newId": True}))["id"]
    await logged(service, watch, id=fresh, status="delivered")
    await logged(service, watch, id=waiting["id"], status="retrying")
    assert [each.id for each in receiver.requests] == [waiting["id"], fresh]


async def test_what_waits_for_a_paused_watch_goes_on_waiting_and_for_a_disabled_one_is_refused(
    service: Service, receiver: Receiver
) -> None:
    watch, waiting = await retrying(service, receiver)
    path = f"/v1/deliveries/{waiting['id']}/replay"
    await service.ask("PATCH", f"/v1/watches/{watch}", expect=200, json={"status": "paused"})
    await service.ask("POST", path, expect=202)
    assert (await logged(service, watch, status="pending"))["attemptCount"] == 1
    await service.ask("PATCH", f"/v1/watches/{watch}", expect=200, json={"status": "disabled"})
    assert "enable it" in (await service.ask("POST", path, expect=409))["detail"]
    await logged(service, watch, status="cancelled", statusReason="the watch was disabled")
    assert len(receiver.requests) == 1
    receiver.on("/sick", Reply())
    await service.ask("PATCH", f"/v1/watches/{watch}", expect=200, json={"status": "enabled"})
    await service.ask("POST", path, expect=202)
    await logged(service, watch, status="delivered", attemptCount=2)


async def test_many_replays_at_once_send_nothing_twice(service: Service, receiver: Receiver) -> None:
    watch, waiting = await retrying(service, receiver)
    receiver.on("/sick", Reply(delay=0.3))
    statuses = set()
    for _ in range(20):
        async with service.client.post(f"/v1/deliveries/{waiting['id']}/replay") as answer:
            statuses.add(answer.status)
    assert statuses <= {202, 409}
    await logged(service, watch, status="delivered")
    assert receiver.repeated() == set()


async def test_what_is_being_sent_says_so(service: Service, receiver: Receiver) -> None:
    mine = uuid.uuid4().hex
    watch = await service.create_watch(receiver.on("/hangs", Reply(hang=True)), company=mine, retry={"schedule": []})
    await service.publish(event("1", company=mine))
    [flying] = await wait_until(lambda: service.deliveries(watchId=watch))
    problem = await service.ask("POST", f"/v1/deliveries/{flying['id']}/replay", expect=409)
    assert "being sent just now" in problem["detail"]
    receiver.answer(receiver.requests[0])
    assert (await logged(service, watch, status="delivered"))["attemptCount"] == 1
