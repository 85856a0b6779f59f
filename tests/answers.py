"""Compares answers of the service with its OpenAPI document: what is not written there must not be answered."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

import aiohttp
import jsonschema_rs

from hookward.bootstrap.factories import built_in_types
from hookward.entrypoints.api.openapi.service import describe

JSON = ("application/json", "application/problem+json")
_PROBLEM = {
    "headers": {"X-Request-Id": {"required": True}},
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
}
_PUBLISHED = ("/companies/{companyId}/appointments", "/companies/{companyId}/appointments/{appointmentId}")
_WATCHED = "/companies/{companyId}/appointments/watch"
_TOLD = ("Location", "ETag", "Cache-Control", "Retry-After", "WWW-Authenticate")


class Answers:
    """Finds the operation behind a request and holds the answer against it; unknown properties are drift."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._components = document["components"]
        self._strict = _strict(document["components"])
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}
        self._operations = document["paths"]
        self._paths = [(_pattern(path), methods) for path, methods in document["paths"].items()]
        self._paths.sort(key=lambda each: each[0].groups)  # fixed segments win over parameters

    def complaint(self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> str | None:
        """What of an answer is not documented, if anything; ``path`` is without prefix."""
        response = self._response(method.lower(), path, status)
        if response is None:
            return f"the status {status} is not documented"
        for name, header in response.get("headers", {}).items():
            if self._resolved(header).get("required") and name not in headers:
                return f"the header {name} is missing"
        unknown = [name for name in _TOLD if name in headers and name not in response.get("headers", {})]
        if unknown and response is not _PROBLEM:
            return f"the header {unknown[0]} is not documented"
        contents = response.get("content", {})
        if method == "HEAD" or not contents:
            return f"the body {body[:200]!r} is not documented" if body else None
        media = headers.get("Content-Type", "").partition(";")[0]
        if media not in contents:
            return f"the content type {media or 'nothing'} is not documented"
        return self._mismatch(contents[media]["schema"], body) if media in JSON else None

    def _response(self, method: str, path: str, status: int) -> Mapping[str, Any] | None:
        found = [methods for pattern, methods in self._paths if pattern.fullmatch(path)]
        if not found:
            return self._own_type(method, path, status)
        method = "get" if method == "head" else method
        operation = next((methods[method] for methods in found if method in methods), None)
        if operation is None or (method not in found[0] and status == HTTPStatus.METHOD_NOT_ALLOWED):
            # An operation of a mirrored API that changes nothing is not found, whatever else its path is.
            wrong = (405,) if path.startswith("/v1/") else (404, 405)
            return _PROBLEM if status in wrong else None
        response = operation["responses"].get(str(status))
        return None if response is None else self._resolved(response)

    def _own_type(self, method: str, path: str, status: int) -> Mapping[str, Any] | None:
        """Types that accounts add are watched and published as the built-in one that is taken for all of them."""
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
            return _PROBLEM
        for like in (_WATCHED,) if path.endswith("/watch") else _PUBLISHED:
            if method in self._operations[like]:
                response = self._operations[like][method]["responses"].get(str(status))
                return None if response is None else self._resolved(response)
        return None

    def _resolved(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in value:
            return value
        *_, group, name = value["$ref"].split("/")
        resolved: Mapping[str, Any] = self._components[group][name]
        return resolved

    def _mismatch(self, schema: Mapping[str, Any], body: bytes) -> str | None:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {**_closed(schema), "components": self._strict}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        error = next(iter(self._validators[key].iter_errors(json.loads(body))), None)
        return None if error is None else f"{'/'.join(map(str, error.instance_path))}: {error.message[:500]}"


@cache
def documented() -> Answers:
    """The answers that this very code documents."""
    return Answers(describe(built_in_types().values()))


def checking(prefixes: str = "") -> aiohttp.TraceConfig:
    """Has a client session fail on any answer that is not documented; ``prefixes`` as in server.path_prefixes."""

    async def check(
        _session: aiohttp.ClientSession, _context: object, parameters: aiohttp.TraceRequestEndParams
    ) -> None:
        answer, path = parameters.response, parameters.url.path
        for prefix in filter(None, prefixes.split(",")):
            path = path.removeprefix(prefix)
        body = await answer.read() if answer.content_type in JSON or not answer.content_type else b""
        complaint = documented().complaint(parameters.method, path, answer.status, answer.headers, body)
        assert complaint is None, f"{parameters.method} {path} answered {answer.status}: {complaint}\n{body[:500]!r}"

    config = aiohttp.TraceConfig()
    config.on_request_end.append(check)
    return config


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("".join("([^/]+)" if part.startswith("{") else re.escape(part) for part in _parts(path)))


def _parts(path: str) -> list[str]:
    return re.split(r"(\{\w+\})", path)


def _strict(components: Mapping[str, Any]) -> dict[str, Any]:
    """The components with every wire type closed; resources stay open, they may carry unknown properties."""
    types = built_in_types()
    closed = {name: schema if name in types else _closed(schema) for name, schema in components["schemas"].items()}
    return {**components, "schemas": closed}


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"additionalProperties": False, **schema} if "properties" in schema else dict(schema)
