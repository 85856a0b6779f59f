"""Watches at forbidden addresses, through the whole service: nothing reaches the trap, and everybody is told why."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.integration.endpoint import Endpoint, closing
from tests.receiver import Receiver, Reply
from tests.service import Service, event, wait_until
from tests.ssrf import ESCAPES, METADATA, Trap, embeddings, notations

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPENED, CLOSED = "127.0.0.1", "127.0.0.2"  # as the service of these tests is configured

FORBIDDEN = [
    *(f"http://{host}:{{port}}/" for host in (*notations(CLOSED), *embeddings(CLOSED), METADATA, "2852039166")),
    *(f"http://{host}:{{port}}/" for host in ("[::1]", "[::]", "0.0.0.0", "0", "10.0.0.1", "[fd00:ec2::254]")),
    *(f"http://{host}:{{port}}/" for host in ("[fe80::1]", "[fec0::1]", "[2001:db8::1]", "224.0.0.1", "240.0.0.1")),
    f"https://{CLOSED}:{{port}}/a?b", f"http://{CLOSED}:{{port}}", f"http://{OPENED}:25/", f"http://{OPENED}:6667/",
]  # fmt: skip
REFUSED = [
    f"http://{OPENED}@{CLOSED}:{{port}}/", f"http://a:b@{CLOSED}:{{port}}/", f"http://{CLOSED}:{{port}}#@{OPENED}/",
    f"http://{OPENED}\\@{CLOSED}:{{port}}/", "http://127。0。0。2:{port}/", "http://①②⑦.0.0.2:{port}/",
    "http://[fe80::1%25lo]:{port}/", f"//{CLOSED}:{{port}}/", f"gopher://{CLOSED}:{{port}}/",
    f"http:/{CLOSED}:{{port}}/", f"http://{CLOSED}:{{port}}:80/", f"http://{CLOSED}%00.example:{{port}}/", f"http://{CLOSED}\r\n:{{port}}/",
    "http://${$.host}:{port}/", "http://127.0.0.${$.n}:{port}/", f"http://{OPENED}${{$.host}}:{{port}}/",
    f"http://{OPENED}:${{$.port}}/", "${$.address}",
]  # fmt: skip


async def make(service: Service, company: str, address: str, *, expect: int = 201) -> Any:
    given = {
        "resourceType": "appointment", "scope": {"companyId": company}, "address": address, "retry": {"schedule": []},
    }  # fmt: skip
    return await service.ask("POST", "/v1/watches", expect=expect, json=given)


async def finished(service: Service, watch: str, count: int = 1) -> list[dict[str, Any]]:
    async def all_are() -> list[dict[str, Any]] | None:
        found = await service.deliveries(watchId=watch)
        return found if len(found) == count and all(each["finished"] for each in found) else None

    found: list[dict[str, Any]] = await wait_until(all_are, what="every delivery has ended")
    return [await service.ask("GET", f"/v1/deliveries/{each['id']}", expect=200) for each in found]


async def test_no_forbidden_address_is_reached_by_deliveries_or_test_sends(service: Service) -> None:
    company = uuid.uuid4().hex
    async with Trap() as trap:
        control = await make(service, company, f"http://{OPENED}:{trap.port}/")
        watches = {
            address: await make(service, company, address.replace("{port}", str(trap.port))) for address in FORBIDDEN
        }
        await service.publish(event("1", company=company))
        (reached,) = await finished(service, control["id"])
        told = {}
        for address, watch in watches.items():
            (delivery,) = await finished(service, watch["id"])
            attempt = await service.ask("POST", f"/v1/watches/{watch['id']}/test", expect=200)
            (sent,) = delivery["attempts"]
            told[address] = (delivery["status"], sent["error"]["type"], attempt["error"]["type"], sent["remoteAddress"])
        again = await service.ask("POST", f"/v1/watches/{control['id']}/test", expect=200)
        assert trap.connections == 2  # the control, delivered to and tried
    assert (reached["status"], again["response"]["statusCode"]) == ("delivered", 200)
    expected = ("failed", "forbidden_address", "forbidden_address", None)
    assert {address: each for address, each in told.items() if each != expected} == {}


@pytest.mark.parametrize("address", REFUSED)
async def test_an_ambiguous_address_cannot_be_saved(service: Service, address: str) -> None:
    problem = await make(service, "1", address.replace("{port}", "8080"), expect=422)
    assert {each["pointer"] for each in problem["errors"]} == {"/address"}


async def test_a_refusal_says_which_network_why_and_what_would_open_it(service: Service) -> None:
    company = uuid.uuid4().hex
    watch = await make(service, company, f"http://{METADATA}/latest/meta-data/")
    await service.publish(event("1", company=company))
    (delivery,) = await finished(service, watch["id"])
    attempt = await service.ask("POST", f"/v1/watches/{watch['id']}/test", expect=200)
    message = (
        "169.254.169.254 is in 169.254.0.0/16 (link-local, where clouds serve instance metadata), which deliveries may "
        "not reach unless the operator adds that address or network to egress.allow."
    )
    assert [delivery["attempts"][0]["error"], attempt["error"]] == [
        {"type": "forbidden_address", "message": message},
        {"type": "forbidden_address", "message": message},
    ]


@pytest.mark.parametrize("host", [CLOSED, "[::1]", "0.0.0.0"])
async def test_a_redirect_to_a_forbidden_address_is_an_answer(service: Service, receiver: Receiver, host: str) -> None:
    company = uuid.uuid4().hex
    async with Trap() as trap:
        moved = Reply(status=307, headers={"Location": f"http://{host}:{trap.port}/"})
        watch = await make(service, company, receiver.on("/moved", moved))
        await service.publish(event("1", company=company))
        (delivery,) = await finished(service, watch["id"])
        assert (delivery["lastStatusCode"], len(receiver.requests), trap.connections) == (307, 1, 0)


async def test_no_value_leaves_the_place_of_its_placeholder(service: Service, receiver: Receiver) -> None:
    company = uuid.uuid4().hex
    async with Trap() as trap:
        values = [each.replace("{port}", str(trap.port)) for each in ESCAPES]
        watch = await make(service, company, receiver.url + "/in/${$.value}/end?a=${$.value}&z=1")
        for number, value in enumerate(values):
            await service.publish(
                event(str(number), company=company) | {"resource": {"id": str(number), "value": value}}
            )
        found = await finished(service, watch["id"], len(values))
        assert trap.connections == 0
    assert {each["status"] for each in found} == {"delivered"}
    assert len(receiver.requests) == len(values)
    for received in receiver.requests:
        path, _, query = received.path.partition("?")
        segments = path.split("/")
        assert (segments[:2], segments[3:], len(segments)) == (["", "in"], ["end"], 4)
        assert (query.startswith("a="), query.endswith("&z=1"), query.count("&"), "#" in query) == (
            True,
            True,
            1,
            False,
        )
        assert received.headers["host"] == f"127.0.0.1:{receiver.port}"


async def test_a_value_that_makes_an_address_too_long_fails_with_the_reason(
    service: Service, receiver: Receiver
) -> None:
    company = uuid.uuid4().hex
    watch = await make(service, company, receiver.url + "/in/${$.value}")
    await service.publish(event("1", company=company) | {"resource": {"id": "1", "value": "é" * 10_000}})
    (delivery,) = await finished(service, watch["id"])
    assert (delivery["status"], receiver.requests) == ("failed", [])
    assert delivery["attempts"][-1]["error"] == {
        "type": "template",
        "message": "the address would be longer than 8192 characters; select less for it",
    }


async def test_bytes_of_no_encoding_are_shown_in_the_log(service: Service) -> None:
    company = uuid.uuid4().hex
    answer = b'HTTP/1.1 500 \xff\r\nX-Raw: \xc3\x28\xff\x80 "\\\r\nContent-Length: 9\r\n\r\na\0b\xff\xfe\xc3\x28"\\'
    async with Endpoint(closing(answer)) as endpoint:
        watch = await make(service, company, endpoint.url)
        await service.publish(event("1", company=company))
        (delivery,) = await finished(service, watch["id"])
        attempt = await service.ask("POST", f"/v1/watches/{watch['id']}/test", expect=200)
    for each in (delivery["attempts"][0], attempt):
        assert each["response"]["body"] == 'a\0b\ufffd\ufffd\ufffd("\\'
        assert each["response"]["headers"]["X-Raw"] == 'Ã(ÿ\x80 "\\'
