"""G5: what was answered, a watch or a type, applies to every event published after, whichever processes handle them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.answers import checking
from tests.receiver import Receiver
from tests.service import Service, event, free_port, wait_until

ROUNDS = 1000
TYPE_ROUNDS = 60
PATH_ROUNDS = 60
SCOPE_ROUNDS = 40


@asynccontextmanager
async def second_api(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """Another api process on the stores of ``service``."""
    port = free_port()
    with service.log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hookward", "api"],
            env={**service.environment, "HOOKWARD_SERVER__PORT": str(port)},
            stdout=output,
            stderr=output,
        )
    try:
        headers = {"Authorization": f"Bearer {service.key}"}
        url, checks = f"http://127.0.0.1:{port}", [checking()]
        async with aiohttp.ClientSession(url, headers=headers, trace_configs=checks) as client:

            async def ready() -> bool:
                try:
                    async with client.get("/readyz") as answer:
                        return answer.status == 200
                except aiohttp.ClientError:
                    return False

            await wait_until(ready)
            yield client
    finally:
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) == 0


async def test_publishes_of_overlapping_ids_through_two_apis_give_one_event_an_id(tmp_path: Path) -> None:
    ids = [f"key-{number}" for number in range(10)]

    async def publish(client: aiohttp.ClientSession, key: str, number: int) -> tuple[str, int, str]:
        """By itself, as a mirrored operation, or in a batch with all the other ids, in an order of its own."""
        if number % 3 == 0:
            headers = {"Idempotency-Key": key}
            async with client.put(f"/companies/1/appointments/{key}", json={"notes": "x"}, headers=headers) as answer:
                return key, answer.status, (await answer.json())["id"]
        one = {name: event(name, id=name, resource={"id": name, "notes": "x"}) for name in ids}
        if number % 3 == 1:
            async with client.post("/v1/events", json=one[key]) as answer:
                return key, answer.status, (await answer.json())["id"]
        order = ids[number % 10 :] + ids[: number % 10]
        async with client.post("/v1/events/batch", json={"events": [one[name] for name in order]}) as answer:
            results = (await answer.json())["results"]
            return key, answer.status, results[order.index(key)]["id"]

    async with Service(tmp_path / "data") as service, Receiver() as receiver, second_api(service) as other:
        await service.create_watch(receiver.url + "/once")
        sent = await asyncio.gather(
            *[publish((service.client, other)[number % 2], ids[number % 10], number) for number in range(60)]
        )
        assert {status for _, status, _ in sent} == {202}
        given = {(key, id_) for key, _, id_ in sent}
        assert (len(given), {key for key, _ in given}) == (len(ids), set(ids))
        last = await service.publish(event("last"))

        async def logged() -> list[str] | None:
            """The events of all deliveries, once there are as many as there should be."""
            found = sorted(each["event"]["id"] for each in await service.deliveries())
            return found if len(found) > len(ids) else None

        assert await wait_until(logged) == sorted([*(id_ for _, id_ in given), last])
        assert len(receiver.requests) == len(ids) + 1


@pytest.mark.timeout(180)
async def test_a_watch_made_through_one_api_receives_an_event_published_right_after_through_another(
    tmp_path: Path,
) -> None:
    settings = {"HOOKWARD_WORKER__PROCESSES": "2"}
    async with (
        Service(tmp_path / "data", settings) as service,
        Receiver() as receiver,
        second_api(service) as other,
    ):
        for number in range(ROUNDS):
            await service.create_watch(f"{receiver.url}/{number}", company=str(number))
            async with other.post("/v1/events", json=event("1", company=str(number))) as answer:
                assert answer.status == 202
        await wait_until(lambda: len(receiver.requests) >= ROUNDS)
        assert {received.path for received in receiver.requests} == {f"/{number}" for number in range(ROUNDS)}
        assert receiver.repeated() == set()


async def key_through(client: aiohttp.ClientSession) -> dict[str, str]:
    """A key made through this api."""
    async with client.post("/v1/api-keys", json={"name": "n", "scopes": ["watches"]}) as answer:
        assert answer.status == 201
        made: dict[str, str] = await answer.json()
        return made


async def opens(client: aiohttp.ClientSession, key: str) -> bool:
    """Whether a key opens this api."""
    async with client.get("/v1/watches", headers={"Authorization": f"Bearer {key}"}) as answer:
        assert answer.status in (200, 401)
        return answer.status == 200


@pytest.mark.timeout(180)
async def test_a_key_opens_every_api_at_once_and_none_a_second_after_it_is_revoked(tmp_path: Path) -> None:
    async with Service(tmp_path / "data") as service, second_api(service) as other:
        apis = (service.client, other)
        for number in range(100):
            made = await key_through(apis[number % 2])
            assert await opens(apis[1 - number % 2], made["key"])
        keys = [await key_through(apis[number % 2]) for number in range(4)]
        assert [await opens(api, each["key"]) for api in apis for each in keys] == [True] * 8
        for number, each in enumerate(keys[:2]):
            async with apis[number].delete(f"/v1/api-keys/{each['id']}") as answer:
                assert answer.status == 204
        await asyncio.sleep(1)  # the promise, not a guess
        assert [await opens(api, each["key"]) for api in apis for each in keys] == [False, False, True, True] * 2


def shop_type(name: str, most: int = 100) -> dict[str, object]:
    """A resource type whose resources hold a number up to ``most``."""
    schema = {"properties": {"n": {"type": "integer", "maximum": most}}}
    return {"name": name, "identity": ["id"], "schema": schema, "sample": {"id": "1"}}


def shop_event(name: str, n: int, kind: str = "created") -> dict[str, object]:
    return {"resourceType": name, "event": kind, "resource": {"id": "1", "n": n}}


@pytest.mark.timeout(180)
async def test_a_type_made_or_changed_through_one_api_judges_what_is_published_right_after_through_another(
    tmp_path: Path,
) -> None:
    async with Service(tmp_path / "data") as service, Receiver() as receiver, second_api(service) as other:

        async def publish(given: dict[str, object], expect: int) -> None:
            async with other.post("/v1/events", json=given) as answer:
                assert answer.status == expect, await answer.text()

        for number in range(TYPE_ROUNDS):
            name = f"shop.t{number}"
            await service.ask("POST", "/v1/resource-types", expect=201, json=shop_type(name))
            watch = {"resourceType": name, "address": f"{receiver.url}/{number}"}
            await service.ask("POST", "/v1/watches", expect=201, json=watch)
            await publish(shop_event(name, 1), 202)
            await service.ask("PUT", f"/v1/resource-types/{name}", expect=200, json=shop_type(name, number))
            await publish(shop_event(name, number), 202)
            await publish(shop_event(name, number + 1), 422)
            async with other.post("/v1/events/batch", json={"events": [shop_event(name, number + 1)] * 2}) as answer:
                assert all("error" in each for each in (await answer.json())["results"])
        await wait_until(lambda: len(receiver.requests) >= 2 * TYPE_ROUNDS)
        assert receiver.repeated() == set()


async def test_a_type_that_keeps_changing_judges_by_the_newest_version(tmp_path: Path) -> None:
    async with Service(tmp_path / "data") as service, second_api(service) as other:
        await service.ask("POST", "/v1/resource-types", expect=201, json=shop_type("shop.order"))
        for number in range(TYPE_ROUNDS):
            await service.ask("PUT", "/v1/resource-types/shop.order", expect=200, json=shop_type("shop.order", number))
            async with other.post("/v1/events", json=shop_event("shop.order", number + 1)) as answer:
                assert answer.status == 422
            async with other.post("/v1/events", json=shop_event("shop.order", number)) as answer:
                assert answer.status == 202
        await service.ask("DELETE", "/v1/resource-types/shop.order", expect=204)
        async with other.post("/v1/events", json=shop_event("shop.order", 0)) as answer:
            assert answer.status == 422


def routed_type(name: str, word: str, most: int) -> dict[str, object]:
    return {**shop_type(name, most), "scope": ["shop"], "paths": {"collection": f"/{word}/{{shop}}"}}


@pytest.mark.timeout(240)
async def test_a_path_that_comes_moves_or_goes_through_one_api_does_so_right_after_through_another(
    tmp_path: Path,
) -> None:
    async with Service(tmp_path / "data") as service, Receiver() as receiver, second_api(service) as other:

        async def statuses(*paths: str, n: int) -> list[int]:
            """What each path answers through the other api, where its own types were learned before they changed."""
            found = []
            for path in paths:
                async with other.put(path, json={"n": n}) as answer:
                    found.append(answer.status)
            return found

        for number in range(PATH_ROUNDS):
            types, name = "/v1/resource-types", f"shop.p{number}"
            old, new = f"/old{number}/7/1", f"/new{number}/7/1"
            assert await statuses(old, new, n=number) == [404, 404]
            made = routed_type(name, f"old{number}", number)
            await service.ask("POST", types, expect=201, json=made)
            async with other.post(f"/old{number}/7/watch", json={"address": f"{receiver.url}/{number}"}) as answer:
                assert answer.status == 201
                watch = (await answer.json())["id"]
            assert await statuses(old, new, n=number) == [202, 404]
            await service.ask("PUT", f"{types}/{name}", expect=200, json=routed_type(name, f"old{number}", number + 1))
            assert [await statuses(old, n=n) for n in (number + 1, number + 2)] == [[202], [422]]
            await service.ask("PUT", f"{types}/{name}", expect=200, json=routed_type(name, f"new{number}", number))
            assert await statuses(old, new, n=number) == [404, 202]
            await service.ask("DELETE", f"/v1/watches/{watch}", expect=204)
            await service.ask("DELETE", f"{types}/{name}", expect=204)
            assert await statuses(old, new, n=number) == [404, 404]
            again = routed_type(f"shop.q{number}", f"new{number}", number + 3)
            await service.ask("POST", types, expect=201, json=again)
            assert await statuses(old, new, n=number + 3) == [404, 202]
            await service.ask("DELETE", f"{types}/shop.q{number}", expect=204)


async def test_a_watch_never_keeps_a_scope_that_its_type_has_no_more(tmp_path: Path) -> None:
    async with Service(tmp_path / "data") as service, second_api(service) as other:

        async def watch(name: str, path: str) -> int:
            by_name = {"resourceType": name, "scope": {"shop": "7"}} if path.startswith("/v1") else {}
            async with other.post(path, json={**by_name, "address": "http://127.0.0.1/"}) as answer:
                return answer.status

        async def change(name: str, word: str) -> int:
            given = {**routed_type(name, word, 1), "scope": ["city"], "paths": {"collection": f"/{word}/{{city}}"}}
            async with service.client.put(f"/v1/resource-types/{name}", json=given) as answer:
                return answer.status

        outcomes = set()
        for number in range(SCOPE_ROUNDS):
            name, word = f"shop.s{number}", f"shops{number}"
            await service.ask("POST", "/v1/resource-types", expect=201, json=routed_type(name, word, 1))
            path = "/v1/watches" if number % 2 else f"/{word}/7/watch"
            watched, changed = await asyncio.gather(watch(name, path), change(name, word))
            outcomes.add((watched, changed))
            page = await service.ask("GET", "/v1/watches", expect=200, params={"resourceType": name})
            scope = (await service.ask("GET", f"/v1/resource-types/{name}", expect=200))["scope"]
            assert [sorted(each["scope"]) for each in page["data"]] == [scope] * len(page["data"])
        assert outcomes <= {(201, 409), (201, 200), (422, 200)}
