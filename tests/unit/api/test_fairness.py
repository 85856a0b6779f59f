"""A large request leaves the loop to others: judging a thousand events, or reading much JSV, may take seconds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from hookward.adapters.catalog import load_catalog
from hookward.application.events.backlog import Backlogs
from hookward.application.events.intake import EventIntake
from hookward.application.events.publisher import NewEvent
from hookward.application.resource_types.cache import ResourceTypeCache
from hookward.bootstrap.api_parts import ApiParts
from hookward.domain.ids import AccountId, EventId
from hookward.domain.resource_types.model import CompiledType
from hookward.domain.resource_types.routing import Match, OperationIndex
from hookward.entrypoints.api.dependencies import Caller, Scope
from hookward.entrypoints.api.http.requests import REQUEST_ID
from hookward.entrypoints.api.resources.events import publish_batch
from hookward.entrypoints.api.resources.mirrored import publish_match
from tests.fakes.api_parts import api_parts, resource_type_parts
from tests.fakes.null_log import NullLog
from tests.fakes.resource_types import FakeTypes
from tests.fakes.virtual_time import FixedRandom, VirtualClock

PUBLISHER = Caller(account=AccountId(1), scopes=frozenset({Scope.PUBLISH}))
TYPE = next(each for each in load_catalog() if each.name == "event.registration")
SESSION = next(each for each in load_catalog() if each.name == "event.registrationSession")
PATH = "/registrations/t/batch"
COUNT = 20


class Ticking:
    """A schema that takes down how many turns the loop had before each resource that it judges."""

    def __init__(self) -> None:
        self.turns = 0
        self.seen: list[int] = []

    async def tick(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)

    def is_valid(self, _resource: Any) -> bool:
        self.seen.append(self.turns)
        return True


class Taking:
    """A publisher that takes everything."""

    async def publish(self, event: NewEvent) -> EventId:
        return event.id

    async def publish_all(self, events: Sequence[NewEvent]) -> list[EventId]:
        return [each.id for each in events]


class Sent(dict[Any, Any]):
    """A request with this body."""

    def __init__(self, body: bytes, kind: str = "application/json") -> None:
        super().__init__({REQUEST_ID: "r"})
        self.headers = CIMultiDict({"Content-Type": kind})
        self.rel_url = URL("/")
        self.query = self.rel_url.query
        self.path = self.rel_url.path
        self.content_length = len(body)
        self._body = body

    async def read(self) -> bytes:
        return self._body


async def plain(parts: ApiParts, known: CompiledType) -> web.Response:
    one = {"resourceType": known.type.name, "scope": {"tenantId": "t"}, "event": "created", "resource": {"id": "1"}}
    sent = Sent(json.dumps({"events": [one] * COUNT}).encode())
    return await publish_batch(cast("Any", sent), PUBLISHER, parts)


async def mirrored(parts: ApiParts, known: CompiledType) -> web.Response:
    sent = Sent(json.dumps({"operations": [{"operation": "create", "id": "1", "payload": {}}] * COUNT}).encode())
    match = OperationIndex([TYPE]).resolve("POST", PATH)
    assert isinstance(match, Match)
    return await publish_match(cast("Any", sent), PUBLISHER, parts, match, known)


async def jsv(parts: ApiParts, known: CompiledType) -> web.Response:
    sent = Sent(b"{RegistrationID: 3, Tags: [" + b"a," * 50_000 + b"a]}", "text/jsv")
    match = OperationIndex([SESSION]).resolve("POST", "/Ams/1/Event/2/EventRegistrationSessions")
    assert isinstance(match, Match)
    return await publish_match(cast("Any", sent), PUBLISHER, parts, match, known)


@pytest.mark.parametrize("publish", [plain, mirrored])
async def test_others_have_their_turn_between_the_events_of_a_batch(publish: Any) -> None:
    schema = Ticking()
    known = CompiledType(TYPE, schema)
    answer = await among_others(schema, publish, known)
    assert (answer.status, len(schema.seen), len(set(schema.seen))) == (202, COUNT, COUNT)


async def test_others_have_their_turn_while_much_jsv_is_read() -> None:
    schema = Ticking()
    await among_others(schema, jsv, CompiledType(SESSION, schema))
    assert schema.seen[0] > COUNT


async def among_others(schema: Ticking, publish: Any, known: CompiledType) -> web.Response:
    cache = ResourceTypeCache({TYPE.name: known}, FakeTypes(), cast("Any", None))
    intake = EventIntake(
        cast("Any", Taking()),
        Backlogs(cast("Any", None), bound=1, log=NullLog()),
        cache,
        clock=VirtualClock(),
        random=FixedRandom(),
    )
    parts = api_parts(events=intake, resource_types=resource_type_parts(cache.built_in, cache=cache))
    ticking = asyncio.create_task(schema.tick())
    try:
        answer: web.Response = await publish(parts, known)
    finally:
        ticking.cancel()
    return answer
