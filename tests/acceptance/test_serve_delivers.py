from pathlib import Path

from tests.receiver import Receiver, Reply, failing_first
from tests.service import Service, event, wait_until

SETTINGS = {"HOOKWARD_DELIVERY__SCHEDULE": "200ms,200ms,200ms"}


async def test_what_is_published_arrives_and_is_logged_as_delivered(tmp_path: Path, receiver: Receiver) -> None:
    async with Service(tmp_path / "data", SETTINGS) as service:
        await service.create_watch(receiver.on("/plain", Reply()))
        await service.create_watch(receiver.on("/sick", failing_first(2, Reply(status=500))))
        first = await service.publish(event("one"))
        rest = await service.publish_batch([event(str(number)) for number in range(20)])
        await wait_until(lambda: len(receiver.succeeded) == 42)
        log = await wait_until(lambda: _all_delivered(service, 42))
        assert {each["event"]["id"] for each in log} == {first, *rest}
        assert {each["attemptCount"] for each in log} == {1, 3}
        assert not receiver.repeated()
        assert await service.stop() == 0


async def _all_delivered(service: Service, count: int) -> list[dict[str, object]]:
    log = await service.deliveries(status="delivered")
    return log if len(log) == count else []
