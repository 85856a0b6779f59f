"""The aiohttp application: routes, authentication, errors as problem documents, and the methods that a path takes.

Where several paths fit a request, the one with the fewest parameters counts (OpenAPI 3.1). aiohttp's router tries every
path that fits: ``PUT /v1/watches/preview`` would look for a watch with the id ``preview``, and ``Allow`` (RFC 9110
§10.2.1) would list the methods of other paths.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from http import HTTPStatus
from urllib.parse import unquote

from aiohttp import web

from hookward.domain.errors import Forbidden, HookwardError, RequestRejected, StoreUnavailable, TooManyPending
from hookward.entrypoints.api.account_routes import own_routes
from hookward.entrypoints.api.dependencies import (
    AUTHENTICATOR_KEY,
    DEFAULT_ACCOUNT,
    PARTS_KEY,
    ApiParts,
    Authenticator,
    Scope,
)
from hookward.entrypoints.api.http.requests import MAX_BATCH_BYTES, REQUEST_ID, authorization_of
from hookward.entrypoints.api.http.responses import (
    STORE_RETRY_SECONDS,
    NotAuthenticated,
    build_problem,
    problem_of,
    problem_response,
)
from hookward.entrypoints.api.http.schemas import ProblemDocument
from hookward.entrypoints.api.openapi.service import as_json, as_page, describe
from hookward.entrypoints.api.resources.docs import DOCS_PAGE, DOCUMENT
from hookward.entrypoints.api.resources.mirrored import mirrored_routes, refuse_unchanging, unchanging_routes
from hookward.entrypoints.api.resources.watches import watch_routes
from hookward.entrypoints.api.route import Route
from hookward.entrypoints.api.routes import ROUTES

ERRORS: web.RequestKey[Callable[..., web.Response] | None] = web.RequestKey("errors")
"""The key under which a request holds the function of its route that writes errors."""

_REQUEST_ID = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
_DETAILS = {
    HTTPStatus.NOT_FOUND: "there is nothing at this path",
    HTTPStatus.METHOD_NOT_ALLOWED: "this path does not take this method",
}


def make_app(parts: ApiParts) -> web.Application:
    """Return the application with all routes, below the root and below every path prefix."""
    app = web.Application(client_max_size=MAX_BATCH_BYTES + 1, middlewares=[_guarded, own_routes])
    app[PARTS_KEY] = parts
    app[AUTHENTICATOR_KEY] = authenticator = Authenticator(
        parts.access.bootstrap_key, parts.access.known_keys, account=DEFAULT_ACCOUNT
    )
    document = describe(known.type for known in parts.resource_types.built_in.values())
    app[DOCUMENT], app[DOCS_PAGE] = as_json(document), as_page(document)
    for route in ROUTES:
        handler = route.handler if route.scope is None else _bound(route, route.scope, parts, authenticator)
        app.router.add_route(route.method, route.path, handler)
        if route.scope is None and route.method == "GET":
            app.router.add_route("HEAD", route.path, handler)
    types = [known.type for known in parts.resource_types.built_in.values()]
    for prefix in ("", *parts.path_prefixes):
        for method, path in unchanging_routes(types):
            app.router.add_route(method, prefix + path, refuse_unchanging)
        for route in (*watch_routes(types), *mirrored_routes(types)):
            assert route.scope is not None, "every mirrored path needs a key"
            handler = _bound(route, route.scope, parts, authenticator)
            app.router.add_route(route.method, prefix + route.path, handler)
    app[ALLOWED] = AllowedMethods(
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.handler is not refuse_unchanging
    )
    return app


def _bound(
    route: Route, scope: Scope, parts: ApiParts, authenticator: Authenticator
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    return partial(_authorized, route, scope, parts, authenticator)


async def _authorized(
    route: Route, scope: Scope, parts: ApiParts, authenticator: Authenticator, request: web.Request
) -> web.StreamResponse:
    """Authenticate the caller, check the route's scope, and call its handler."""
    request[ERRORS] = route.errors
    caller = await authenticator.authorize(authorization_of(request), scope)
    return await route.handler(request, caller, parts)


@web.middleware
async def _guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Return the request id in the response, or a new one; turn every error into a problem document."""
    parts = request.app[PARTS_KEY]
    request_id = request.headers.get("X-Request-Id", "")
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = parts.random.bytes(12).hex()
    request[REQUEST_ID] = request_id
    try:
        response = await handler(request)
    except web.HTTPMethodNotAllowed as error:
        response = _not_allowed(request, request_id, _methods_at(request) or error.allowed_methods)
    except HookwardError as error:
        response = _refused(request, error, request_id)
    except web.HTTPException as error:
        status = HTTPStatus(error.status)
        response = _refusal(
            request, build_problem(status, _DETAILS.get(status, status.description or status.phrase), request_id)
        )
    except Exception as error:
        gone = (
            isinstance(error, ConnectionError) and request.transport is None
        )  # the client hung up: no one reads a response
        if not gone:
            parts.log.error("api.failed", request_id=request_id, error=type(error).__name__, exc_info=True)
        response = _refusal(request, problem_of(HookwardError(), request_id))
    response.headers["X-Request-Id"] = request_id
    response.headers["Server"] = "Hookward"  # without what it runs on
    return response


def _refused(request: web.Request, error: HookwardError, request_id: str) -> web.Response:
    if not isinstance(error, RequestRejected | StoreUnavailable):
        request.app[PARTS_KEY].log.error("api.failed", request_id=request_id, error=type(error).__name__)
    if isinstance(error, RequestRejected) and not isinstance(error, NotAuthenticated | Forbidden):
        allowed = _methods_at(request)
        if allowed and request.method not in allowed:  # it was refused as a request for another path
            return _not_allowed(request, request_id, allowed)
    return _refusal(request, problem_of(error, request_id), _retry_after(error))


def _methods_at(request: web.Request) -> frozenset[str]:
    return request.app[ALLOWED].at(request.rel_url.raw_path)


def _not_allowed(request: web.Request, request_id: str, allowed: Iterable[str]) -> web.Response:
    status = HTTPStatus.METHOD_NOT_ALLOWED
    response = _refusal(request, build_problem(status, _DETAILS[status], request_id))
    response.headers["Allow"] = ",".join(sorted(allowed))
    return response


def _refusal(request: web.Request, document: ProblemDocument, retry_after: str | None = None) -> web.Response:
    """Return a problem in the form in which the route writes errors."""
    errors = request.get(ERRORS)
    if errors is None:
        return problem_response(document, retry_after=retry_after)
    response: web.Response = errors(request, document, retry_after=retry_after)
    return response


def _retry_after(error: HookwardError) -> str | None:
    if isinstance(error, StoreUnavailable):
        return STORE_RETRY_SECONDS
    return str(error.retry_after) if isinstance(error, TooManyPending) else None


class AllowedMethods:
    """The methods of every path, made of pairs of method and path."""

    def __init__(self, routes: Iterable[tuple[str, str]]) -> None:
        methods: dict[str, set[str]] = {}
        for method, path in routes:
            methods.setdefault(path, set()).add(method)
        self._methods = sorted(methods.items(), key=lambda each: each[0].count("{"))

    def at(self, raw_path: str) -> frozenset[str]:
        """Return the methods at a path as it was requested; none if no path fits."""
        segments = [unquote(each) for each in raw_path[1:].split("/")]
        return next((frozenset(methods) for path, methods in self._methods if _fits(path, segments)), _NONE)


def _fits(path: str, segments: list[str]) -> bool:
    wanted = path[1:].split("/")
    return len(wanted) == len(segments) and all(
        name.startswith("{") or name == segment for name, segment in zip(wanted, segments, strict=True)
    )


_NONE: frozenset[str] = frozenset()
ALLOWED: web.AppKey[AllowedMethods] = web.AppKey("allowed", AllowedMethods)
