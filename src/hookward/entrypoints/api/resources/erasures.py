"""``/v1/erasures``: remove what is stored of one resource."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from msgspec import Meta

from hookward.application.history.erasures import Erasure
from hookward.domain.access.callers import Scope
from hookward.domain.errors import Forbidden
from hookward.domain.ids import IdPrefix, from_text, to_text
from hookward.entrypoints.api.dependencies import ApiParts, Caller
from hookward.entrypoints.api.http.requests import MAX_COMMAND_BYTES, read_json
from hookward.entrypoints.api.http.responses import format_timestamp, json_response
from hookward.entrypoints.api.http.schemas import Input, Wire
from hookward.entrypoints.api.route import Route


class ErasureCreate(Input, frozen=True):
    """The resource whose data is to be removed."""

    resource_type: Annotated[str, Meta(min_length=1, max_length=255, description="The name of its type.")]
    resource_id: Annotated[str, Meta(min_length=1, max_length=1024, description="Its id, as events carry it.")]


class ErasureOut(Wire, frozen=True):
    """An erasure, and the number of events and deliveries that were blanked so far."""

    id: str
    status: Annotated[str, Meta(extra_json_schema={"enum": ["running", "done"]})]
    events: int
    deliveries: int
    created: str
    finished: str | None


async def erase(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Accept an erasure: it is durable with the response, and workers do it soon after."""
    _account_only(caller)
    erasure = await parts.history.erasures.create(caller.account, await read_json(request, MAX_COMMAND_BYTES))
    shown = _present(erasure)
    response = json_response(shown, 202)
    response.headers["Location"] = f"/v1/erasures/{shown.id}"
    return response


async def get_erasure(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Read how far an erasure has come."""
    _account_only(caller)
    id_ = from_text(IdPrefix.ERASURE, request.match_info["erasureId"])
    return json_response(_present(await parts.history.erasures.get(caller.account, id_)))


def _account_only(caller: Caller) -> None:
    if caller.owner is not None:
        raise Forbidden("this key is an owner's; an erasure is the account's, and takes a key without owner")


def _present(erasure: Erasure) -> ErasureOut:
    return ErasureOut(
        id=to_text(IdPrefix.ERASURE, erasure.id),
        status="running" if erasure.finished is None else "done",
        events=erasure.events,
        deliveries=erasure.deliveries,
        created=str(format_timestamp(erasure.created)),
        finished=format_timestamp(erasure.finished),
    )


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/v1/erasures",
        scope=Scope.ADMIN,
        handler=erase,
        status=202,
        returns=ErasureOut,
        summary="Remove what is stored of one resource",
        takes=ErasureCreate,
        gives=("Location",),
    ),
    Route(
        method="GET",
        path="/v1/erasures/{erasureId}",
        scope=Scope.ADMIN,
        handler=get_erasure,
        status=200,
        returns=ErasureOut,
        summary="Read how far an erasure has come",
    ),
)
