"""``/v1/deliveries/{deliveryId}/replay``: send a delivery again."""

from __future__ import annotations

from typing import Annotated, Any

from aiohttp import web
from msgspec import Meta

from hookward.domain.access.callers import Scope
from hookward.domain.errors import Invalid, Problem
from hookward.domain.ids import DeliveryId, IdPrefix, from_text, to_text
from hookward.domain.problems import problem_at, unknown_fields
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.requests import MAX_COMMAND_BYTES, read_json
from hookward.entrypoints.api.http.responses import json_response
from hookward.entrypoints.api.http.schemas import Input, Wire
from hookward.entrypoints.api.route import Route


class ReplayCreate(Input, frozen=True):
    """Options of a replay."""

    new_id: Annotated[
        bool, Meta(description="Gives the replay a delivery of its own; else it keeps its webhook-id.")
    ] = False


class ReplayOut(Wire, frozen=True):
    """The delivery that is sent again; it is durable."""

    id: str


async def replay(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Send a delivery again, or at once if it is waiting; an empty body counts as ``{}``."""
    id_ = from_text(IdPrefix.DELIVERY, request.match_info["deliveryId"])
    given = await read_json(request, MAX_COMMAND_BYTES) if request.can_read_body and await _has_body(request) else {}
    new_id = wants_new_id(given)
    delivery = None if id_ is None else DeliveryId(id_)
    made = await parts.history.replays.replay(caller.account, delivery, owner=caller.owner, new_id=new_id)
    text = to_text(IdPrefix.DELIVERY, made)
    response = json_response(ReplayOut(id=text), 202)
    response.headers["Location"] = f"/v1/deliveries/{text}"
    return response


async def _has_body(request: web.Request) -> bool:
    return bool(request.content_length) or (request.content_length is None and bool(await request.read()))


def wants_new_id(given: Any) -> bool:
    """Return whether a replay is to be a new delivery; raise Invalid with every problem."""
    if not isinstance(given, dict):
        message = 'a replay must be a JSON object, such as {} or {"newId": true}'
        raise Invalid(message, (problem_at(message),))
    problems: list[Problem] = list(unknown_fields(given, ("newId",), "a replay"))
    if not isinstance(given.get("newId", False), bool):
        problems.append(problem_at("newId must be true or false", "newId"))
    if problems:
        raise Invalid("the replay has problems", tuple(problems))
    return bool(given.get("newId", False))


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/v1/deliveries/{deliveryId}/replay",
        scope=Scope.DELIVERIES,
        handler=replay,
        status=202,
        returns=ReplayOut,
        summary="Send a delivery again, or at once where it waits",
        takes=ReplayCreate | None,
        refuses=(409,),
        gives=("Location",),
    ),
)
