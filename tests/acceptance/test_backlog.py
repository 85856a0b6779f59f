"""An account whose endpoints do not keep up is told to wait, and no other is."""

from pathlib import Path

from tests.receiver import Receiver
from tests.service import Service, event, wait_until

BOUND = 40


async def publish(service: Service, key: str | None = None) -> tuple[int, str | None]:
    """The status of publishing one event, and when to come back."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    async with service.client.post("/v1/events", json=event("1"), headers=headers) as answer:
        return answer.status, answer.headers.get("Retry-After")


async def test_an_account_over_its_backlog_is_answered_429_until_less_waits(tmp_path: Path, receiver: Receiver) -> None:
    async with Service(tmp_path / "data", {"HOOKWARD_LIMITS__BACKLOG": str(BOUND)}) as service:
        watch = await service.create_watch(receiver.url, status="paused")
        other = (await service.ask("POST", "/v1/accounts", expect=201, json={"name": "other"}))["key"]
        await service.publish_batch([event(str(number)) for number in range(BOUND + 1)])

        async def refused() -> bool:
            return await publish(service) == (429, "10")

        async def accepted() -> bool:
            return (await publish(service))[0] == 202

        await wait_until(refused, every=0.5)
        refusals = [
            await service.ask("POST", "/v1/events/batch", expect=429, json={"events": [event("1")]}),
            await service.ask("POST", "/companies/1/appointments", expect=429, json={"id": "1"}),
        ]
        assert all(f"more than {BOUND}" in each["detail"] for each in refusals)
        assert await publish(service, other) == (202, None)

        await service.ask("PATCH", f"/v1/watches/{watch}", expect=200, json={"status": "enabled"})
        await wait_until(lambda: len(receiver.requests) > BOUND)
        await wait_until(accepted, every=0.5)
