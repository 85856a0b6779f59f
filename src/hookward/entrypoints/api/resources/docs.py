"""``/openapi.json`` and ``/docs``: the description of the api, as a document and as a page."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from aiohttp import web

from hookward.entrypoints.api.route import Route


@dataclass(frozen=True, slots=True)
class Text:
    """A body that stays the same while the process runs, with its content type and Content-Security-Policy."""

    body: bytes
    content_type: str
    policy: str | None = None

    @property
    def etag(self) -> str:
        return sha256(self.body).hexdigest()[:32]


DOCUMENT: web.AppKey[Text] = web.AppKey("document", Text)
DOCS_PAGE: web.AppKey[Text] = web.AppKey("page", Text)


async def get_document(request: web.Request) -> web.Response:
    """Return the OpenAPI 3.1 document of every route below the root."""
    return _answer(request, request.app[DOCUMENT])


async def get_page(request: web.Request) -> web.Response:
    """Return a page with every route, its parameters, bodies and examples; it has no script and loads nothing."""
    return _answer(request, request.app[DOCS_PAGE])


def _answer(request: web.Request, text: Text) -> web.Response:
    etag = text.etag
    headers = {"ETag": f'"{etag}"', "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if text.policy is not None:
        headers |= {"Content-Security-Policy": text.policy, "Referrer-Policy": "no-referrer"}
    if any(each.value in (etag, "*") for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=text.body, headers={**headers, "Content-Type": text.content_type})


ROUTES: tuple[Route, ...] = (
    Route(
        method="GET",
        path="/openapi.json",
        scope=None,
        handler=get_document,
        status=200,
        returns={"type": "object"},
        summary="This document",
        also=((304, None),),
        reads=("If-None-Match",),
        gives=("ETag", "Cache-Control"),
    ),
    Route(
        method="GET",
        path="/docs",
        scope=None,
        handler=get_page,
        status=200,
        returns={"type": "string"},
        summary="This document, as a page for people",
        also=((304, None),),
        reads=("If-None-Match",),
        gives=("ETag", "Cache-Control"),
        media=("text/html",),
    ),
)
