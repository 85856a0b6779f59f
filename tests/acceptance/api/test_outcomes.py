"""What follows from what an endpoint answers, or does not: every row of the contract's table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hookward.adapters.clock import SystemClock
from tests.receiver import OK, Received, Receiver, Reply, Script
from tests.service import Service, event, free_port, new_company, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

TRIES = 4  # the shared service's schedule has three waits
TOO_LARGE = 1 << 20


def now() -> datetime:
    return datetime.fromtimestamp(SystemClock().now_us() / 1e6, UTC)


async def finished(service: Service, count: int, **filters: str) -> list[dict[str, Any]]:
    async def ended() -> list[dict[str, Any]] | None:
        log = await service.deliveries(**filters)
        return log if len(log) == count and all(each["finished"] for each in log) else None

    found: list[dict[str, Any]] = await wait_until(ended)
    return found


async def attempted(service: Service, delivery: dict[str, Any]) -> list[dict[str, Any]]:
    shown = await service.ask("GET", f"/v1/deliveries/{delivery['id']}", expect=200)
    attempts: list[dict[str, Any]] = shown["attempts"]
    return attempts


def first_of_all(reply: Reply, then: Reply = OK) -> Script:
    """Answers the very first request with ``reply``, all others with ``then``."""
    left = [reply]
    return lambda _received: left.pop() if left else then


@asynccontextmanager
async def speaking(words: bytes) -> AsyncIterator[str]:
    """A server that says this to everybody, whatever they ask."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(words)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_delivers(service: Service, receiver: Receiver, status: int) -> None:
    mine = new_company()
    reply = Reply(status=status, body=b"" if status == 204 else b"thanks")
    await service.create_watch(receiver.on("/fine", reply), company=mine)
    published = await service.publish(event("1", company=mine))
    (logged,) = await finished(service, 1, eventId=published)
    assert (logged["status"], logged["attemptCount"], logged["lastStatusCode"]) == ("delivered", 1, status)


@pytest.mark.parametrize("status", [301, 307, 304, 400, 401, 404, 422, 429, 500, 503])
async def test_any_other_status_is_retried_and_redirects_are_not_followed(
    service: Service, receiver: Receiver, status: int
) -> None:
    mine = new_company()
    headers = {"Location": receiver.url + "/elsewhere"} if status in (301, 307) else {}
    reply = Reply(status=status, headers=headers, body=b"" if status == 304 else b"no")
    await service.create_watch(receiver.on("/no", reply), company=mine)
    published = await service.publish(event("1", company=mine))
    (logged,) = await finished(service, 1, eventId=published)
    assert (logged["status"], logged["attemptCount"], logged["lastStatusCode"]) == ("failed", TRIES, status)
    assert logged["statusReason"] == f"no success in {TRIES} attempts"
    assert {each.path for each in receiver.requests} == {"/no"}
    assert len({each.id for each in receiver.requests}) == 1


async def test_gone_disables_the_watch_cancels_what_waits_and_ends_its_events(
    service: Service, receiver: Receiver
) -> None:
    mine = new_company()
    script = first_of_all(Reply(status=410, delay=0.3), Reply(delay=0.5))
    watch = await service.create_watch(receiver.on("/gone", script), company=mine)
    await service.publish_batch([event(str(number), company=mine) for number in range(60)])
    log = await finished(service, 60, watchId=watch)
    shown = await service.ask("GET", f"/v1/watches/{watch}", expect=200)
    assert (shown["status"], shown["statusReason"]) == ("disabled", "gone")
    said = {(each["status"], each["statusReason"]) for each in log}
    assert said - {("delivered", None)} == {("failed", "the endpoint answered 410 Gone"), ("cancelled", "gone")}
    assert len(receiver.requests) <= 16
    again = await service.publish(event("61", company=mine))
    other = await service.create_watch(receiver.url + "/other", company=mine)
    last = await service.publish(event("62", company=mine))
    await finished(service, 1, eventId=last)
    assert [each["watch"]["id"] for each in await service.deliveries(eventId=again)] == []
    assert [each["watch"]["id"] for each in await service.deliveries(eventId=last)] == [other]


def in_seconds(seconds: int) -> str:
    return str(seconds)


def as_date(seconds: int) -> str:
    # A date has no uniform: what is asked for is the next whole second.
    return f"{now() + timedelta(seconds=seconds + 1):%a, %d %b %Y %H:%M:%S} GMT"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", [in_seconds, as_date])
async def test_an_endpoint_that_asks_for_time_is_left_alone_and_then_gets_everything_once(
    service: Service, receiver: Receiver, status: int, form: Any
) -> None:
    mine = new_company()
    asked = 2

    def script(received: Received) -> Reply:
        return Reply(status=status, headers={"Retry-After": form(asked)}) if received is receiver.requests[0] else OK

    watch = await service.create_watch(receiver.on("/busy", script), company=mine)
    await service.publish(event("0", company=mine))
    await wait_until(lambda: receiver.requests and receiver.requests[0].answered)
    await wait_until(lambda: _retrying(service, watch))
    waiting = await service.publish_batch([event(str(number), company=mine) for number in range(1, 40)])
    await wait_until(lambda: _all_wait(service, watch, 40))
    log = await finished(service, 40, watchId=watch)
    told = receiver.requests[0].answered or 0.0
    assert all(each.at - told >= asked for each in receiver.requests[1:])
    assert {each["status"] for each in log} == {"delivered"}
    counts = {each["event"]["id"]: each["attemptCount"] for each in log}
    assert {counts[id_] for id_ in waiting} == {1}
    assert (max(counts.values()), len(receiver.requests), receiver.repeated()) == (2, 41, set())


async def _retrying(service: Service, watch: str) -> bool:
    return [each["status"] for each in await service.deliveries(watchId=watch)] == ["retrying"]


async def _all_wait(service: Service, watch: str, count: int) -> bool:
    """Whether all are in the log, without an attempt but the one, waiting for the same moment."""
    log = await service.deliveries(watchId=watch)
    attempts, moments = sum(each["attemptCount"] for each in log), {each["nextAttempt"] for each in log}
    return len(log) == count and attempts == 1 and len(moments) == 1 and None not in moments


async def test_what_asks_for_no_time_is_retried_as_usual(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    for path, asked in {
        "/none": "0",
        "/past": "Sun, 06 Nov 1994 08:49:37 GMT",
        "/words": "soon",
        "/less": "-5",
    }.items():
        reply = Reply(status=429, headers={"Retry-After": asked})
        await service.create_watch(receiver.on(path, reply), company=mine)
    reply = Reply(status=500, headers={"Retry-After": "3600"})
    await service.create_watch(receiver.on("/other-status", reply), company=mine)
    published = await service.publish(event("1", company=mine))
    log = await finished(service, 5, eventId=published)
    assert {(each["status"], each["attemptCount"]) for each in log} == {("failed", TRIES)}


async def test_a_wait_of_years_is_one_of_a_day(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    reply = Reply(status=503, headers={"Retry-After": "999999999"})
    watch = await service.create_watch(receiver.on("/years", reply), company=mine)
    await service.publish(event("1", company=mine))
    await wait_until(lambda: _retrying(service, watch))
    (logged,) = await service.deliveries(watchId=watch)
    wait = datetime.fromisoformat(logged["nextAttempt"]) - now()
    assert timedelta(hours=23, minutes=50) < wait <= timedelta(days=1)
    await service.ask("DELETE", f"/v1/watches/{watch}", expect=204)


async def failing_address(service: Service, address: str, **given: Any) -> list[dict[str, Any]]:
    """The attempts at an address that gives no usable answer."""
    mine = new_company()
    await service.create_watch(address, company=mine, **given)
    published = await service.publish(event("1", company=mine))
    (logged,) = await finished(service, 1, eventId=published)
    attempts = await attempted(service, logged)
    assert (logged["status"], logged["lastError"]) == ("failed", attempts[-1]["error"]["type"])
    assert all(each["response"] is None and each["error"]["message"] for each in attempts)
    return attempts


def kinds(attempts: list[dict[str, Any]]) -> list[str]:
    return [each["error"]["type"] for each in attempts]


async def test_a_host_that_does_not_exist_is_retried_as_dns(service: Service) -> None:
    assert kinds(await failing_address(service, "http://nowhere.invalid/")) == ["dns"] * TRIES


async def test_a_port_without_a_listener_is_retried_as_connection(service: Service) -> None:
    attempts = await failing_address(service, f"http://127.0.0.1:{free_port()}/")
    assert kinds(attempts) == ["connection"] * TRIES


async def test_a_server_without_tls_is_retried_as_tls(service: Service) -> None:
    async with speaking(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as place:
        assert kinds(await failing_address(service, f"https://{place}/")) == ["tls"] * TRIES


@pytest.mark.parametrize(
    "words",
    [b"SSH-2.0-OpenSSH_9.9\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"HTTP/1.1 2OO OK\r\n\r\n"],
)
async def test_a_broken_answer_is_retried_as_protocol(service: Service, words: bytes) -> None:
    async with speaking(words) as place:
        assert kinds(await failing_address(service, f"http://{place}/")) == ["protocol"] * TRIES


async def test_an_oversized_answer_is_retried_as_too_large(service: Service, receiver: Receiver) -> None:
    address = receiver.on("/large", Reply(body=b"x" * TOO_LARGE))
    assert kinds(await failing_address(service, address)) == ["too_large"] * TRIES


async def test_an_endpoint_that_never_answers_is_retried_as_timeout(service: Service, receiver: Receiver) -> None:
    address = receiver.on("/hangs", Reply(hang=True))
    assert kinds(await failing_address(service, address)) == ["timeout"] * TRIES


@pytest.mark.parametrize("host", ["10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]"])
async def test_a_forbidden_address_fails_at_once(service: Service, host: str) -> None:
    assert kinds(await failing_address(service, f"http://{host}/")) == ["forbidden_address"]


async def test_a_template_that_gives_no_body_fails_at_once_with_the_reason(
    service: Service, receiver: Receiver
) -> None:
    mine = new_company()
    schema = {"all": "${$.notes}" * 900}
    await service.create_watch(receiver.url + "/template", company=mine, schema=schema)
    published = await service.publish(event("1", company=mine, resource={"id": "1", "notes": "x" * 20_000}))
    (logged,) = await finished(service, 1, eventId=published)
    assert (logged["status"], logged["attemptCount"], logged["lastError"]) == ("failed", 1, "template")
    assert "longer than" in logged["statusReason"]
    assert receiver.requests == []
