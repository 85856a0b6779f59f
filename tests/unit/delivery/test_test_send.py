"""Test sends and previews: what they make of a watch, and how many may be under way."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.adapters.crypto.signing_keys import CipherSigningKeys
from hookward.adapters.json_schema import JsonSchemas
from hookward.application.aio import limits as places
from hookward.application.delivery.test_send import WatchTester
from hookward.application.records import WatchRecord
from hookward.application.resource_types.cache import ResourceTypeCache
from hookward.application.resource_types.service import row_of
from hookward.application.watches.service import Watches
from hookward.domain.delivery.outcome import Outcome
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.errors import Invalid, NotFound, TooManyPending
from hookward.domain.ids import AccountId
from hookward.domain.oauth.model import AuthorizationRequired, NoToken, OAuthDefinition
from hookward.domain.resource_types.model import CompiledType
from hookward.domain.signing.standard_webhooks import secret_from_text, verify
from tests.fakes.oauth import CREDENTIAL, FakeTokens
from tests.fakes.resource_types import FakeTypes
from tests.fakes.stores import FakeDefinitions
from tests.fakes.virtual_time import FixedRandom, VirtualClock
from tests.fakes.watches import SHOP_TYPE, create_watch
from tests.fakes.worker_harness import SHOP, Endpoints, hang, status
from tests.unit.resource_types.resource_types import made_up

ACCOUNT = AccountId(1)
SEALER = AesGcmSealer(b"k" * 32)
ADDRESS = "http://a.test/"


class NoSchema:
    def problems(self, _resource: Any, *_at: str | int) -> list[Any]:
        return []


KNOWN = CompiledType(SHOP, NoSchema())


class Bench:
    """A watch or more, and endpoints."""

    def __init__(self) -> None:
        self.endpoints, self.tokens, self.types = Endpoints(), FakeTokens(), FakeTypes()
        store, clock = FakeDefinitions(), VirtualClock()
        self.watches = Watches(store, SHOP_TYPE, SEALER, clock=clock, random=FixedRandom())
        self.trials = WatchTester(
            store,
            ResourceTypeCache({SHOP.name: KNOWN}, self.types, JsonSchemas()),
            SEALER,
            CipherSigningKeys(),
            self.endpoints,
            self.tokens,
            timeout=1.5,
            user_agent="Hookward/test",
            clock=clock,
            random=FixedRandom(),
        )

    async def make(self, account: AccountId = ACCOUNT, **given: Any) -> tuple[WatchRecord, str | None]:
        return await create_watch(self.watches, account, {"address": ADDRESS, **given}, {"shopId": "7"})


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_test_is_the_request_that_a_delivery_would_be(bench: Bench) -> None:
    row, secret = await bench.make(signature={"enabled": True}, httpRequestHeader={"X-A": "canary"}, status="disabled")
    logged = await bench.trials.send(row, {"event": "created"})
    (request,) = bench.endpoints.received
    headers, body = dict(request.headers + request.changing), request.body or b""
    signature, id_, second = (headers[f"webhook-{name}"] for name in ("signature", "id", "timestamp"))
    assert verify(signature, secret_from_text(secret or "") or b"", id_, int(second), body)
    assert headers["X-A"] == "canary"
    assert (headers["hookward-test"], headers["hookward-event"]) == ("true", "shop.order.created")
    assert (logged.number, logged.code, logged.error, logged.request_body) == (1, 200, None, request.body)
    assert b"canary" not in logged.request


async def test_a_watch_without_keys_is_tested_unsigned(bench: Bench) -> None:
    row, _ = await bench.make()
    await bench.trials.send(row, {})
    assert "webhook-signature" not in dict(bench.endpoints.received[0].changing)


async def test_whatever_the_endpoint_does_is_the_answer(bench: Bench) -> None:
    row, _ = await bench.make()
    found = []
    for script in (status(500), lambda _request: 3.0):
        bench.endpoints.script[ADDRESS] = script
        logged = await bench.trials.send(row, {})
        found.append((logged.code, logged.error))
    assert found == [(500, None), (None, "timeout")]


async def test_a_template_that_fails_sends_nothing(bench: Bench) -> None:
    row, _ = await bench.make(schema={"a": "${$.resource.x}" * 3})
    logged = await bench.trials.send(row, {"resource": {"x": "x" * 400_000}})
    assert (logged.error, logged.code, bench.endpoints.received) == ("template", None, [])


async def test_what_is_no_test_is_refused_before_it_takes_a_place(bench: Bench) -> None:
    row, _ = await bench.make()
    with pytest.raises(Invalid):
        await bench.trials.send(row, [])


async def test_an_account_has_a_few_tests_under_way_and_leaves_the_rest_to_others(bench: Bench) -> None:
    row, _ = await bench.make()
    hold = Holding()
    bench.trials._sender = hold
    tasks = [asyncio.create_task(bench.trials.send(row, {})) for _ in range(places.PER_ACCOUNT)]
    await hold.until(places.PER_ACCOUNT)
    with pytest.raises(TooManyPending) as refused:
        await bench.trials.send(row, {})
    assert refused.value.retry_after == 2
    others = [(await bench.make(AccountId(number)))[0] for number in (2, 3, 4, 5)]
    for other in others[:3]:
        tasks += [asyncio.create_task(bench.trials.send(other, {})) for _ in range(places.PER_ACCOUNT)]
    await hold.until(places.IN_FLIGHT)
    with pytest.raises(TooManyPending):
        await bench.trials.send(others[3], {})
    hold.open.set()
    assert {logged.code for logged in await asyncio.gather(*tasks)} == {200}
    assert (await bench.trials.send(row, {})).code == 200


class Holding(Endpoints):
    """Answers no request until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self._came = asyncio.Condition()

    async def send(self, request: OutgoingRequest, *, timeout: float) -> Any:
        async with self._came:
            self.in_flight += 1
            self._came.notify_all()
        await self.open.wait()
        return await super().send(request, timeout=timeout)

    async def until(self, count: int) -> None:
        async with self._came:
            await self._came.wait_for(lambda: self.in_flight == count)


async def test_a_preview_is_rendered(bench: Bench) -> None:
    given = {"schema": {"a": "${$.b}"}, "document": {"b": 1}}
    assert msgspec.json.decode(await bench.trials.preview(ACCOUNT, given)) == {"a": "1"}


async def test_a_preview_may_name_a_type_of_the_account(bench: Bench) -> None:
    await bench.types.add_type(row_of(ACCOUNT, made_up(name="own.order")))
    given = {"resourceType": "own.order", "schema": {"a": "1"}}
    assert msgspec.json.decode(await bench.trials.preview(ACCOUNT, given)) == {"a": "1"}
    with pytest.raises(Invalid):
        await bench.trials.preview(AccountId(2), given)


async def test_a_preview_that_is_no_object_is_refused(bench: Bench) -> None:
    with pytest.raises(Invalid):
        await bench.trials.preview(ACCOUNT, [])


async def test_a_watch_whose_type_is_gone_is_not_tested(bench: Bench) -> None:
    row, _ = await bench.make()
    with pytest.raises(NotFound):
        await bench.trials.send(msgspec.structs.replace(row, resource_type="own.gone"), {})
    assert bench.endpoints.received == []


@pytest.mark.parametrize(("given", "seconds"), [({}, 1.5), ({"timeout": "200ms"}, 0.2)])
async def test_a_test_may_take_as_long_as_a_delivery(bench: Bench, given: dict[str, Any], seconds: float) -> None:
    row, _ = await bench.make(**given)
    bench.endpoints.script[ADDRESS] = hang
    logged = await bench.trials.send(row, {})
    assert (logged.error, logged.duration_us) == ("timeout", seconds * 1_000_000)


async def test_a_test_goes_to_the_address_that_is_filled(bench: Bench) -> None:
    row, _ = await bench.make(address="http://a.test/${$.resource.id}?${$.event}", storeBodies="none")
    logged = await bench.trials.send(row, {"event": "deleted"})
    [request] = bench.endpoints.received
    assert (request.address, logged.request_body) == ("http://a.test/1?deleted", request.body)


OAUTH = OAuthDefinition(client_id="client", access_token_url="https://auth.test/token")


async def make_authorized(bench: Bench) -> WatchRecord:
    row, _ = await bench.make()
    definition = msgspec.structs.replace(row.read_definition(), oauth=OAUTH)
    return msgspec.structs.replace(row, definition=msgspec.json.encode(definition), credential=CREDENTIAL)


async def test_a_test_carries_a_token_and_tries_another_where_it_is_refused(bench: Bench) -> None:
    codes = [401, 200]

    def answer(request: OutgoingRequest) -> Outcome | float:
        return status(codes.pop(0))(request)

    bench.endpoints.script[ADDRESS] = answer
    bench.tokens.script = ["canary-1", "canary-2"]
    logged = await bench.trials.send(await make_authorized(bench), {})
    sent = [dict(each.changing)["Authorization"] for each in bench.endpoints.received]
    assert (logged.code, sent) == (200, ["Bearer canary-1", "Bearer canary-2"])
    assert b"canary" not in logged.request


@pytest.mark.parametrize("error", [NoToken("no token"), AuthorizationRequired("no token")])
async def test_a_test_without_a_token_says_why(bench: Bench, error: NoToken) -> None:
    bench.tokens.script = [error]
    logged = await bench.trials.send(await make_authorized(bench), {})
    assert (logged.error, logged.message, logged.code) == ("oauth", "no token", None)
    assert bench.endpoints.received == []
