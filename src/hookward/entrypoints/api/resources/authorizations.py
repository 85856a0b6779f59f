"""``/v1/watches/{watchId}/oauth2/…`` and ``/oauth2/callback``: authorize a watch in a browser (RFC 6749 §4.1)."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from hookward.application.watches.changes import Target
from hookward.application.watches.service import StoredWatch
from hookward.domain.errors import HookwardError, Invalid, RequestRejected, StoreUnavailable
from hookward.domain.ids import IdPrefix, WatchId, from_text, to_text
from hookward.domain.oauth.authorization_code import (
    MAX_CODE,
    MAX_STATE,
    Return,
    is_code,
    is_state,
    known_error,
    read_return,
)
from hookward.entrypoints.api.dependencies import PARTS_KEY, ApiParts, Caller, Scope
from hookward.entrypoints.api.http.requests import read_json
from hookward.entrypoints.api.http.responses import format_timestamp, problem_of, secret_response
from hookward.entrypoints.api.http.schemas import Input, Wire
from hookward.entrypoints.api.resources import authorizing_page
from hookward.entrypoints.api.resources.watch_schemas import WatchOut
from hookward.entrypoints.api.resources.watches import watch_response
from hookward.entrypoints.api.route import Route


async def authorize_watch(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Begin an authorization: open the URL in the browser of a user who may consent, once, within ten minutes."""
    row = await parts.watches.changes.find(_target(request, caller))
    begun = await parts.watches.authorizations.begin(row)
    expires = format_timestamp(begun.expires)
    assert expires is not None
    return secret_response(AuthorizationOut(url=begun.url, expires=expires))


async def end_authorization(request: web.Request, caller: Caller, parts: ApiParts) -> web.Response:
    """Finish an authorization whose redirectUri is your own; waiting deliveries of the watch are then sent."""
    row = await parts.watches.changes.find(_target(request, caller))
    back = read_return(await read_json(request))
    record = await parts.watches.authorizations.finish(back, watch=row.id)
    return watch_response(StoredWatch(record=record, definition=record.read_definition()))


async def return_from_authorization(request: web.Request) -> web.Response:
    """Finish an authorization and return a page for the browser; state and code can be used once."""
    parts = request.app[PARTS_KEY]
    if request.method == "HEAD":  # it must not use up the code
        return _page("Nothing was done", "Open this address in a browser.", 400)
    try:
        return await _return(request, parts)
    except StoreUnavailable:
        return _page("Not authorized", "The store cannot be reached. Start again in a moment.", 503)
    except HookwardError as error:
        detail = (
            error.detail if isinstance(error, RequestRejected) else "Something went wrong on our side. Start again."
        )
        if not isinstance(error, RequestRejected):
            parts.log.error("api.failed", error=type(error).__name__)
        status = 400 if isinstance(error, Invalid) else problem_of(error).status
        return _page("Not authorized", detail, status)


async def _return(request: web.Request, parts: ApiParts) -> web.Response:
    state, code, error = (_single(request, name) for name in ("state", "code", "error"))
    if not is_state(state) or (not error and not is_code(code)):
        return _page("Not authorized", _INCOMPLETE, 400)
    if error:
        known = await parts.watches.authorizations.refuse(state)
        word = known_error(error)
        told = "The authorization server refused" + (f": {word}." if word else ".")
        return _page("Not authorized", f"{told} Start again if that was a mistake." if known else _INCOMPLETE, 400)
    row = await parts.watches.authorizations.finish(Return(code=code, state=state))
    id_ = to_text(IdPrefix.WATCH, row.id)
    return _page("Authorized", f"The watch {id_} may go on, and what waited is sent. You can close this page.", 200)


def _single(request: web.Request, name: str) -> str:
    """Return a parameter that is given once, as the standard demands, else an empty string."""
    values = request.query.getall(name, [])
    return values[0] if len(values) == 1 else ""


def _target(request: web.Request, caller: Caller) -> Target:
    id_ = from_text(IdPrefix.WATCH, request.match_info["watchId"])
    return Target(account=caller.account, id=None if id_ is None else WatchId(id_), owner=caller.owner)


def _page(title: str, text: str, status: int) -> web.Response:
    return web.Response(
        text=authorizing_page.callback_page(title, text), status=status, content_type="text/html",
        headers=authorizing_page.PAGE_HEADERS,
    )  # fmt: skip


_INCOMPLETE = "This return is not complete, or belongs to no authorization that is under way. Start again."


class AuthorizationOut(Wire, frozen=True):
    """The URL to open in a browser to authorize the watch, and until when; it can be used once."""

    url: str
    expires: str


class AuthorizationFinish(Input, frozen=True):
    """The parameters that came back to a redirectUri of the integrator's own."""

    code: Annotated[str, Meta(min_length=1, max_length=MAX_CODE)]
    state: Annotated[str, Meta(min_length=1, max_length=MAX_STATE)]


class AuthorizationCallbackParams(Input, frozen=True, rename=None):
    """Query parameters with which an authorization server redirects browsers back (RFC 6749 §4.1.2)."""

    state: Annotated[str | UnsetType, Meta(description="That of the authorization.")] = UNSET
    code: Annotated[str | UnsetType, Meta(description="The authorization code.")] = UNSET
    error: Annotated[str | UnsetType, Meta(description="Why there is no code.")] = UNSET
    error_description: Annotated[str | UnsetType, Meta(description="Ignored: the text could come from anyone.")] = UNSET
    error_uri: Annotated[str | UnsetType, Meta(description="Ignored.")] = UNSET
    iss: Annotated[str | UnsetType, Meta(description="Ignored: a watch has one server only (RFC 9207).")] = UNSET


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/v1/watches/{watchId}/oauth2/authorize",
        scope=Scope.WATCHES,
        handler=authorize_watch,
        status=200,
        returns=AuthorizationOut,
        summary="Begin to authorize a watch in a browser",
        refuses=(409,),
        gives=("Cache-Control",),
    ),
    Route(
        method="POST",
        path="/v1/watches/{watchId}/oauth2/callback",
        scope=Scope.WATCHES,
        handler=end_authorization,
        status=200,
        returns=WatchOut,
        summary="Hand over what came back from authorizing a watch",
        takes=AuthorizationFinish,
        refuses=(409, 429, 502),
        gives=("ETag",),
    ),
    Route(
        method="GET",
        path="/oauth2/callback",
        scope=None,
        handler=return_from_authorization,
        status=200,
        returns={"type": "string"},
        summary="Come back from authorizing a watch",
        query=AuthorizationCallbackParams,
        also=tuple((status, {"type": "string"}) for status in (400, 409, 429, 502, 503)),
        gives=("Cache-Control",),
        media=("text/html",),
    ),
)
