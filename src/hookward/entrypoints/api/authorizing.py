"""``/v1/watches/{watchId}/oauth2/…`` and ``/oauth2/callback``: somebody authorizes a watch in their browser."""

from __future__ import annotations

from aiohttp import web

from hookward.application.watch_changes import Target
from hookward.domain.authorization import Return, is_code, is_state, known_error, read_return
from hookward.domain.errors import HookwardError, Invalid, Refused, StoreUnavailable
from hookward.domain.ids import Prefix, WatchId, from_text, to_text
from hookward.entrypoints.api import authorizing_page
from hookward.entrypoints.api.answers import answer_secret, moment, problem_of
from hookward.entrypoints.api.requests import read_json
from hookward.entrypoints.api.service import SERVICE, Caller, Service
from hookward.entrypoints.api.watching import answer_watch
from hookward.entrypoints.api.wire_authorizations import AuthorizationAnswer


async def authorize_watch(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Begin an authorization: the URL is for the browser of whoever may consent, once, within ten minutes."""
    row = await service.changes.find(_target(request, caller))
    begun = await service.authorizations.begin(row)
    expires = moment(begun.expires)
    assert expires is not None
    return answer_secret(AuthorizationAnswer(url=begun.url, expires=expires))


async def end_authorization(request: web.Request, caller: Caller, service: Service) -> web.Response:
    """Hand over what came back to a redirectUri of your own; the watch goes on, and what waited goes out."""
    row = await service.changes.find(_target(request, caller))
    back = read_return(await read_json(request))
    return answer_watch(await service.authorizations.finish(back, watch=row.id), None)


async def return_from_authorization(request: web.Request) -> web.Response:
    """The page for whoever comes back from authorizing; what came with them is good for one return."""
    service = request.app[SERVICE]
    if request.method == "HEAD":  # whoever only looks spends nothing
        return _page("Nothing was done", "Open this address in a browser.", 400)
    try:
        return await _return(request, service)
    except StoreUnavailable:
        return _page("Not authorized", "The store cannot be reached. Start again in a moment.", 503)
    except HookwardError as error:
        detail = error.detail if isinstance(error, Refused) else "Something went wrong on our side. Start again."
        if not isinstance(error, Refused):
            service.logger.error("api.failed", error=type(error).__name__)
        status = 400 if isinstance(error, Invalid) else problem_of(error).status
        return _page("Not authorized", detail, status)


async def _return(request: web.Request, service: Service) -> web.Response:
    state, code, error = (_single(request, name) for name in ("state", "code", "error"))
    if not is_state(state) or (not error and not is_code(code)):
        return _page("Not authorized", _INCOMPLETE, 400)
    if error:
        known = await service.authorizations.refuse(state)
        word = known_error(error)
        told = "The authorization server refused" + (f": {word}." if word else ".")
        return _page("Not authorized", f"{told} Start again if that was a mistake." if known else _INCOMPLETE, 400)
    row = await service.authorizations.finish(Return(code=code, state=state))
    id_ = to_text(Prefix.WATCH, row.id)
    return _page("Authorized", f"The watch {id_} may go on, and what waited is sent. You can close this page.", 200)


def _single(request: web.Request, name: str) -> str:
    """A parameter that is there once, as the standard has it; else nothing."""
    values = request.query.getall(name, [])
    return values[0] if len(values) == 1 else ""


def _target(request: web.Request, caller: Caller) -> Target:
    id_ = from_text(Prefix.WATCH, request.match_info["watchId"])
    return Target(account=caller.account, id=None if id_ is None else WatchId(id_), owner=caller.owner)


def _page(title: str, text: str, status: int) -> web.Response:
    return web.Response(
        text=authorizing_page.make_page(title, text), status=status, content_type="text/html",
        headers=authorizing_page.HEADERS,
    )  # fmt: skip


_INCOMPLETE = "This return is not complete, or belongs to no authorization that is under way. Start again."
