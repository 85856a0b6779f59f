"""A route as an operation of the document."""

from __future__ import annotations

import re
from functools import partial
from inspect import getdoc
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from hookward.domain.resource_types.model import ResourceType
from hookward.entrypoints.api.dependencies import Scope
from hookward.entrypoints.api.http.formats import ResponseStatusOut
from hookward.entrypoints.api.openapi import headers, refusals, resources
from hookward.entrypoints.api.openapi.examples import Examples
from hookward.entrypoints.api.openapi.schemas import Schema, Schemas
from hookward.entrypoints.api.route import Route

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_ONLY_SENT = frozenset({FORM, "application/merge-patch+json"})
SCHEMES = ("bearer", "basic", "key")
OPEN_TAG = "service"
_PARAMETER = re.compile(r"\{(\w+)(?::(?:[^{}]|\{[^{}]*\})*)?\}")
_WORD = re.compile(r"[A-Za-z0-9]+")
_TAGS = {Scope.PUBLISH: "events", Scope.WATCHES: "watches", Scope.DELIVERIES: "deliveries"}
_DESCRIPTIONS = {200: "Done.", 201: "Made.", 202: "Accepted.", 204: "Done; there is nothing to say.", 304: "As it was."}


def plain_path(path: str) -> str:
    """Return a path without the patterns of aiohttp: ``{id:[0-9]+}`` becomes ``{id}``."""
    return _PARAMETER.sub(r"{\1}", path)


class Operations:
    """Describes routes; collects their schemas and keeps operation ids unique."""

    def __init__(self, schemas: Schemas, examples: Examples) -> None:
        self._schemas = schemas
        self._examples = examples
        self._ids: set[str] = set()

    def of(self, route: Route) -> Schema:
        """Return the operation of a route."""
        operation = self._begin(route)
        operation["parameters"] = self._parameters(route)
        if route.takes is not None:
            kind, required = _body_of(route.takes)
            content = {media: self._media(kind) for media in route.media}
            operation["requestBody"] = {"required": required, "content": content}
        operation["responses"] = dict(sorted(self._responses(route).items()))
        operation["security"] = [] if route.scope is None else [{name: [route.scope.value]} for name in SCHEMES]
        if route.scope is not None:
            operation["x-scope"] = route.scope.value
        return operation

    def _responses(self, route: Route) -> dict[str, Schema]:
        media = tuple(each for each in route.media if each not in _ONLY_SENT)
        responses = {
            str(status): self._success(status, returns, route.gives, media)
            for status, returns in ((route.status, route.returns), *route.also)
        }
        for status in refusals.statuses_of(route):
            responses[str(status)] = refusals.reference_to_problem(status)
            if route.errors is not None:
                self._schemas.of(ResponseStatusOut)
                responses[str(status)] = refusals.in_form_of(status, ResponseStatusOut.__name__, media)
        return responses

    def _begin(self, route: Route) -> Schema:
        handler: Any = route.handler
        function = handler.func if isinstance(handler, partial) else handler
        return {
            "operationId": self._id(route, function.__name__),
            "summary": route.summary,
            "description": " ".join((getdoc(function) or route.summary).split()),
            "tags": [_tag_of(route)],
        }

    def _id(self, route: Route, name: str) -> str:
        """Return the id, such as ``publishEvent``: of the handler, or of method and path if it has several routes."""
        first, *rest = name.split("_")
        id_ = first + "".join(word.capitalize() for word in rest)
        if isinstance(route.handler, partial) or id_ in self._ids:
            words = _WORD.findall(plain_path(route.path))
            id_ = route.method.lower() + "".join(word[0].upper() + word[1:] for word in words)
        if id_ in self._ids:
            raise ValueError(f"two operations are called {id_}")
        self._ids.add(id_)
        return id_

    def _parameters(self, route: Route) -> list[Schema]:
        query = []
        if route.query is not None:
            for name, (schema, required) in self._schemas.fields_of(route.query).items():
                query.append(_parameter(name, "query", schema, required=required))
        return [*_in_path(route.path), *query, *_read(route.reads)]

    def _success(self, status: int, returns: Any, gives: tuple[str, ...], media: tuple[str, ...]) -> Schema:
        response: Schema = {
            "description": _DESCRIPTIONS.get(status, "The answer."),
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *gives)},
        }
        if returns is not None:
            response["content"] = {each: self._media(returns) for each in media}
        return response

    def _media(self, kind: Any) -> Schema:
        schema = resources.reference_to_resource(kind) if isinstance(kind, ResourceType) else self._schemas.of(kind)
        examples = self._examples.of(kind)
        return {"schema": schema, "examples": examples} if examples else {"schema": schema}


def _body_of(takes: Any) -> tuple[Any, bool]:
    """Return the type of a body and whether it is required: ``Replay | None`` is not."""
    kinds = get_args(takes)
    if get_origin(takes) is UnionType and NoneType in kinds:
        (kind,) = (each for each in kinds if each is not NoneType)
        return kind, False
    return takes, True


def _in_path(path: str) -> list[Schema]:
    return [
        _parameter(name, "path", headers.IN_PATH.get(name, headers.OTHER_IN_PATH), required=True)
        for name in _PARAMETER.findall(path)
    ]


def _parameter(name: str, where: str, schema: Schema, *, required: bool) -> Schema:
    """Return a parameter, with the description of its schema as its own."""
    plain = {keyword: value for keyword, value in schema.items() if keyword != "description"}
    parameter: Schema = {"name": name, "in": where, "required": required, "schema": plain}
    return {**parameter, "description": schema["description"]} if "description" in schema else parameter


def _read(names: tuple[str, ...]) -> list[Schema]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in (*names, "X-Request-Id")]


def _tag_of(route: Route) -> str:
    """Return what ``/v1/…`` names, elsewhere what the scope is about; routes without a key share one tag."""
    if route.scope is None:
        return OPEN_TAG
    _, first, *rest = route.path.split("/")
    return rest[0] if first == "v1" and rest else _TAGS.get(route.scope, route.scope.value)
