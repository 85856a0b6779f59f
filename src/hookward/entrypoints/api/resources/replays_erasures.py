"""Replays and erasures: what changes the log."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hookward.application.history.erasures import Erasure
from hookward.domain.errors import Forbidden, Invalid, Problem
from hookward.domain.ids import DeliveryId, IdPrefix, from_text, to_text
from hookward.domain.problems import problem_at, unknown_fields
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.requests import read_json
from hookward.entrypoints.api.http.responses import format_timestamp, json_response
from hookward.entrypoints.api.resources.delivery_schemas import ErasureAnswer, ReplayAnswer

MAX_BODY = 64 << 10


async def replay(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Send a delivery again, or at once where it waits; an empty body is as good as ``{}``."""
    id_ = from_text(IdPrefix.DELIVERY, request.match_info["deliveryId"])
    given = await read_json(request, MAX_BODY) if request.can_read_body and await _has_body(request) else {}
    new_id = wants_new_id(given)
    delivery = None if id_ is None else DeliveryId(id_)
    made = await parts.history.replays.replay(caller.account, delivery, owner=caller.owner, new_id=new_id)
    text = to_text(IdPrefix.DELIVERY, made)
    response = json_response(ReplayAnswer(id=text), 202)
    response.headers["Location"] = f"/v1/deliveries/{text}"
    return response


async def _has_body(request: web.Request) -> bool:
    return bool(request.content_length) or (request.content_length is None and bool(await request.read()))


def wants_new_id(given: Any) -> bool:
    """What a replay asks for; raises Invalid with every problem."""
    if not isinstance(given, dict):
        message = 'a replay must be a JSON object, such as {} or {"newId": true}'
        raise Invalid(message, (problem_at(message),))
    problems: list[Problem] = list(unknown_fields(given, ("newId",), "a replay"))
    if not isinstance(given.get("newId", False), bool):
        problems.append(problem_at("newId must be true or false", "newId"))
    if problems:
        raise Invalid("the replay has problems", tuple(problems))
    return bool(given.get("newId", False))


async def erase(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Take an erasure: durable when answered, done by workers soon after."""
    _account_only(caller)
    erasure = await parts.history.erasures.create(caller.account, await read_json(request, MAX_BODY))
    shown = _erasure(erasure)
    response = json_response(shown, 202)
    response.headers["Location"] = f"/v1/erasures/{shown.id}"
    return response


async def get_erasure(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """How far an erasure has come."""
    _account_only(caller)
    id_ = from_text(IdPrefix.ERASURE, request.match_info["erasureId"])
    return json_response(_erasure(await parts.history.erasures.get(caller.account, id_)))


def _account_only(caller: Caller) -> None:
    if caller.owner is not None:
        raise Forbidden("this key is an owner's; an erasure is the account's, and takes a key without owner")


def _erasure(erasure: Erasure) -> ErasureAnswer:
    return ErasureAnswer(
        id=to_text(IdPrefix.ERASURE, erasure.id),
        status="running" if erasure.finished is None else "done",
        events=erasure.events,
        deliveries=erasure.deliveries,
        created=str(format_timestamp(erasure.created)),
        finished=format_timestamp(erasure.finished),
    )
