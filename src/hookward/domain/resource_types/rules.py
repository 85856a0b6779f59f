"""Validates a resource type that an account adds or replaces, and reports every problem at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from hookward.domain.errors import Invalid, Problem
from hookward.domain.json import encode_exact
from hookward.domain.problems import is_string, problem_at, quoted, unknown_fields
from hookward.domain.resource_types.model import (
    MAX_SCOPE_PARAMETERS,
    BodyShape,
    CompiledType,
    ResourceType,
    ResourceValidator,
    identity_of,
)
from hookward.domain.resource_types.paths import operations_of, read_paths
from hookward.domain.resource_types.schema_cost import SchemaCost, measure_schema

MAX_TYPE_NAME: Final = 64
MAX_TITLE: Final = 255
MAX_PARAMETER: Final = 64
MAX_IDENTITY: Final = 4
MAX_SCHEMA_BYTES: Final = 256 << 10
MAX_SAMPLE_BYTES: Final = 64 << 10
MAX_SCHEMA_STEPS: Final = 2000
MAX_STEPS_PER_CHARACTER: Final = 4096
DOCUMENT_NAMES: Final = ("date", "event")
"""Members that every merged document has; ``previousData`` is only in documents of watches that ask for it."""

READ_ONLY_MEMBERS: Final = frozenset({"version", "builtIn", "watchRoutes", "created", "updated"})
_KNOWN = ("name", "title", "scope", "identity", "schema", "sample", "body", "keepState", "paths")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z][A-Za-z0-9_-]*)*")
_SCOPE_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class SchemaCompiler(Protocol):
    """Compiles JSON Schemas."""

    def pattern_size(self, pattern: str) -> int | None:
        """Return the most steps that a pattern costs for each character; ``None`` if it cannot be used."""
        ...

    def problems(self, schema: Mapping[str, Any], *at: str) -> list[Problem]:
        """Return what is wrong with a schema by its meta-schema."""
        ...

    def compiled(self, schema: Mapping[str, Any], cost: SchemaCost | None = None) -> ResourceValidator:
        """Return a compiled schema; raises Invalid with the reasons if it cannot be compiled."""
        ...


def is_type_name(name: str) -> bool:
    """Return whether a resource type may have this name."""
    return len(name) <= MAX_TYPE_NAME and _NAME.fullmatch(name) is not None


def read_type(
    given: Any,
    *,
    reserved: Sequence[str],
    taken: Mapping[str, str],
    schemas: SchemaCompiler,
    name: str | None = None,
) -> CompiledType:
    """Validate a resource type to create, or with ``name`` to replace; raises Invalid with every problem.

    ``reserved`` are names that cannot be used; ``taken`` maps each path in use to the name of what uses it.
    """
    if not isinstance(given, dict):
        raise Invalid(_NO_OBJECT, (problem_at(_NO_OBJECT),))
    problems = list(
        unknown_fields((each for each in given if each not in READ_ONLY_MEMBERS), _KNOWN, "a resource type")
    )
    called = _name(given, reserved, name, problems)
    scope = _words(given, "scope", (0, MAX_SCOPE_PARAMETERS), problems)
    identity = _words(given, "identity", (1, MAX_IDENTITY), problems)
    cost, schema = _schema(given.get("schema"), schemas, problems)
    body = _body(given, cost, problems)
    keep_state = given.get("keepState")
    if keep_state is not None and not isinstance(keep_state, bool):
        problems.append(problem_at("keepState must be true or false", "keepState"))
    title = given.get("title")
    if title is not None and not is_string(title, MAX_TITLE, least=0):
        problems.append(problem_at(f"title must be a text of at most {MAX_TITLE} characters", "title"))
    paths = None
    if scope is not None and identity is not None:
        paths = read_paths(given.get("paths"), scope, identity, taken, problems)
    sample = _sample(given, identity or (), schema, problems)
    if problems or scope is None or identity is None or schema is None or sample is None:
        raise Invalid("the resource type has problems", tuple(problems))
    found = ResourceType(
        name=called, title=title or "", scope=scope, identity=identity, body=body, schema=given["schema"],
        sample=sample, keep_state=keep_state is not False, paths=paths,
        watch_routes=() if paths is None else (paths.watch_route,), operations=operations_of(paths, identity),
    )  # fmt: skip
    return CompiledType(found, schema)


def _name(given: dict[str, Any], reserved: Sequence[str], expected: str | None, problems: list[Problem]) -> str:
    name = given.get("name")
    if expected is not None:
        if name not in (None, expected):
            problems.append(problem_at(f"a name cannot change; leave it out, or give {expected}", "name"))
        return expected
    if not isinstance(name, str) or not is_type_name(name):
        message = (
            "name must be words of letters, digits, - and _ joined by dots, "
            f"at most {MAX_TYPE_NAME} characters, such as shop.order"
        )
        problems.append(problem_at(message, "name"))
    elif name.lower() in [each.lower() for each in reserved]:
        problems.append(problem_at(f"{name} is built in; choose another name", "name"))
    else:
        return name
    return ""


def _words(
    given: dict[str, Any], what: str, bounds: tuple[int, int], problems: list[Problem]
) -> tuple[str, ...] | None:
    """Return the names in ``scope`` or ``identity``, or ``None`` with problems added."""
    value = given.get(what)
    if value is None and bounds[0] == 0:
        return ()
    if not isinstance(value, list) or not bounds[0] <= len(value) <= bounds[1]:
        problems.append(problem_at(f"{what} must be a list of {bounds[0]} to {bounds[1]} names", what))
        return None
    found = len(problems)
    for index, each in enumerate(value):
        if what == "scope" and not (is_string(each, MAX_PARAMETER) and _SCOPE_PARAMETER.fullmatch(each)):
            message = f"must be a name of 1 to {MAX_PARAMETER} letters, digits, - and _, such as shopId"
            problems.append(problem_at(message, what, index))
        elif not is_string(each, MAX_PARAMETER):
            problems.append(problem_at(f"must be the name of a property, 1 to {MAX_PARAMETER} characters", what, index))
        elif each in value[:index]:
            problems.append(problem_at(f"{quoted(each)} is named twice", what, index))
    return tuple(value) if len(problems) == found else None


def _schema(
    given: Any, schemas: SchemaCompiler, problems: list[Problem]
) -> tuple[SchemaCost | None, ResourceValidator | None]:
    if not isinstance(given, dict):
        problems.append(problem_at("schema must be a JSON Schema (2020-12): an object such as {}", "schema"))
        return None, None
    if len(encode_exact(given)) > MAX_SCHEMA_BYTES:
        problems.append(problem_at(f"schema may take {MAX_SCHEMA_BYTES} bytes", "schema"))
        return None, None
    cost, found = measure_schema(given, schemas.pattern_size)
    problems += [Problem(message=each.message, pointer="/schema" + (each.pointer or "")) for each in found]
    known = len(problems)
    problems += schemas.problems(given, "schema")
    if cost is None or len(problems) > known:
        return cost, None
    if cost.steps > MAX_SCHEMA_STEPS:
        problems.append(problem_at(_TOO_HEAVY, "schema"))
    elif cost.per_character > MAX_STEPS_PER_CHARACTER:
        problems.append(problem_at("too many or too large patterns for one text; make them simpler", "schema"))
    else:
        try:
            return cost, schemas.compiled(given, cost)
        except Invalid as error:
            problems += [Problem(message=each.message, pointer="/schema") for each in error.problems]
    return cost, None


def _body(given: dict[str, Any], cost: SchemaCost | None, problems: list[Problem]) -> BodyShape:
    word = given.get("body")
    if word is None:
        return BodyShape.WRAPPED
    if not isinstance(word, str) or word not in list(BodyShape):
        problems.append(problem_at("body must be wrapped or merged", "body"))
        return BodyShape.WRAPPED
    if word == BodyShape.MERGED and cost is not None:
        own = [name for name in DOCUMENT_NAMES if name in cost.names]
        if own:
            message = f"merged would hide {', '.join(own)} of the schema behind those of the document; use wrapped"
            problems.append(problem_at(message, "body"))
    return BodyShape(word)


def _sample(
    given: dict[str, Any], identity: Sequence[str], schema: ResourceValidator | None, problems: list[Problem]
) -> dict[str, Any] | None:
    sample = given.get("sample")
    if not isinstance(sample, dict):
        problems.append(problem_at("sample must be a resource of this type, as a JSON object", "sample"))
        return None
    if len(encode_exact(sample)) > MAX_SAMPLE_BYTES:
        problems.append(problem_at(f"sample may take {MAX_SAMPLE_BYTES} bytes", "sample"))
        return None
    for name in identity:
        one = ResourceType(name="", scope=(), identity=(name,), body=BodyShape.WRAPPED, schema={}, sample={})
        if identity_of(one, sample) is None:
            message = f"the sample must hold {quoted(name)}, which identifies it, as a text or whole number"
            problems.append(problem_at(message, "sample", name))
    problems += schema.problems(sample, "sample") if schema is not None else []
    return sample


_NO_OBJECT = "a resource type must be a JSON object with name, identity, schema and sample"
_TOO_HEAVY = (
    f"validating one value may take {MAX_SCHEMA_STEPS} steps, and with this schema it may take more: too many "
    "alternatives, long enums of numbers or objects, or a recursion that multiplies; make it simpler"
)
