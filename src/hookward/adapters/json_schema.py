"""JSON Schema (2020-12) validation; remote references are off, formats are not asserted.

Accounts define schemas and publishers send resources, so every call must take bounded time and memory, whatever they
are: the cost of a schema says what one value may cost, and a resource that could cost more than the bound is refused
without validation. Finding *that* a resource is invalid takes nanoseconds for each value; explaining *why* takes
microseconds and copies what it quotes, so for a large resource one problem is reported, or only that it is invalid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from hookward.domain.errors import Invalid, Problem, pointer_to
from hookward.domain.resource_types.schema_cost import JSON_SCHEMA_DIALECT, SchemaCost, measure_schema

MAX_PROBLEMS = 100
MAX_STEPS = 10_000_000
"""What validating the values of one resource may cost: about a tenth of a second."""

MAX_TEXT_STEPS = 40_000_000
"""What matching its strings may cost with hostile patterns; usual ones take a hundredth of it."""

MAX_EXPLAINING = 200_000
"""What explaining may cost, in microseconds."""

_LARGEST_VALUES = 1 << 19  # a value takes two bytes of an event
_LARGEST_TEXT = 1 << 20
_MAX_MESSAGE = 300
# Compiled sizes of patterns in bytes. The worst are tried state by state for each character: a step for 256 bytes.
_PATTERN_SIZES = (1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 512 << 10)
_BYTES_A_STEP = 256
_PATTERNS = RegexOptions(size_limit=_PATTERN_SIZES[-1], dfa_size_limit=1 << 20)


class ResourceSchema:
    """The compiled schema of a resource type. ``cost`` is its cost, if ``measure_schema`` has been called already."""

    def __init__(self, schema: Mapping[str, Any], cost: SchemaCost | None = None) -> None:
        if cost is None:
            cost, problems = measure_schema(schema, measure_pattern)
            if cost is None:
                raise ValueError(problems[0].message)
        self._schema = schema
        self._cost = cost
        self._validator = _compiled(schema)
        self._counts = self._too_much(_LARGEST_VALUES, _LARGEST_TEXT)
        self.is_valid: Callable[[Any], bool] = self._is_small_and_valid if self._counts else self._validator.is_valid

    def problems(self, resource: Any, *at: str | int) -> list[Problem]:
        """Return the problems of ``resource``; their pointers begin with the path ``at``."""
        if self._counts and self._is_too_large(resource):
            return [Problem(message=_TOO_LARGE, pointer=pointer_to(*at))]
        if self._validator.is_valid(resource):
            return []
        return self._explained(resource, at)

    def _is_small_and_valid(self, resource: Any) -> bool:
        return not self._is_too_large(resource) and self._validator.is_valid(resource)

    def _is_too_large(self, resource: Any) -> bool:
        values, characters, _ = _measured(resource)
        return self._too_much(values, characters)

    def _too_much(self, values: int, characters: int) -> bool:
        texts = characters * self._cost.per_character
        return values * self._cost.steps > MAX_STEPS or texts > MAX_TEXT_STEPS

    def _explained(self, resource: Any, at: tuple[str | int, ...]) -> list[Problem]:
        values, _, quoted = _measured(resource)
        if self._cost.complaints * (3 * values + quoted // 100) <= MAX_EXPLAINING:
            return [_problem(error, at) for error in islice(self._validator.iter_errors(resource), MAX_PROBLEMS)]
        if not self._cost.branches:
            try:
                _compiled(self._schema, mask="it").validate(resource)
            except ValidationError as error:
                return [_problem(error, at, more=_FIRST)]
        return [Problem(message=_WRONG, pointer=pointer_to(*at))]


class JsonSchemas:
    """The ``Schemas`` port."""

    def pattern_size(self, pattern: str) -> int | None:
        """Return the cost of a pattern for each character; ``None`` if it is huge or needs more than linear time."""
        return measure_pattern(pattern)

    def problems(self, schema: Mapping[str, Any], *at: str) -> list[Problem]:
        """Return the problems that make ``schema`` no valid JSON Schema."""
        return _META.problems(schema, *at)

    def compiled(self, schema: Mapping[str, Any], cost: SchemaCost | None = None) -> ResourceSchema:
        """Return the compiled schema. Raises Invalid with the reason if it cannot be used."""
        try:
            return ResourceSchema(schema, cost)
        except (ValidationError, ValueError) as error:
            message = f"cannot be used: {_shortened(str(error).partition(chr(10))[0])}"
            raise Invalid(message, (Problem(message=message),)) from None


def measure_pattern(pattern: str) -> int | None:
    """Return the cost of a pattern for each character; ``None`` if it is huge or needs more than linear time."""
    for limit in _PATTERN_SIZES:
        try:
            Draft202012Validator(
                {"pattern": pattern}, pattern_options=RegexOptions(size_limit=limit, dfa_size_limit=1 << 20)
            )
        except ValidationError:
            continue
        return limit // _BYTES_A_STEP
    return None


def _compiled(schema: Mapping[str, Any], mask: str | None = None) -> Draft202012Validator:
    """Return a validator. The schema's ``$id`` is dropped, so that ``#`` always refers to the schema itself."""
    nameless = {name: value for name, value in schema.items() if name != "$id"}
    return Draft202012Validator(nameless, validate_formats=False, pattern_options=_PATTERNS, offline=True, mask=mask)


def _measured(resource: Any) -> tuple[int, int, int]:
    """Return the number of values of a resource, of characters, and of characters to quote every value."""
    values, characters, quoted = 0, 0, 0
    level: list[Any] = [resource]
    depth = 0
    while level:
        depth += 1
        below: list[Any] = []
        for each in level:
            if isinstance(each, str):
                characters += len(each)
                quoted += len(each) * depth
            elif isinstance(each, dict):
                names = sum(map(len, each))
                values += len(each)
                characters += names
                quoted += names * depth
                below += each.values()
            elif isinstance(each, list):
                below += each
        values += len(level)
        quoted += len(level) * depth * 8
        level = below
    return values, characters, quoted


def _problem(error: ValidationError, at: tuple[str | int, ...], *, more: str = "") -> Problem:
    return Problem(message=_shortened(error.message) + more, pointer=pointer_to(*at, *error.instance_path))


def _shortened(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else message[:200] + " … " + message[-90:]


_TOO_LARGE = "holds more values than the schema of its type lets us judge in time; send less at once, or simplify it"
_WRONG = "is not valid by the schema of its type; it is too large to say where: publish a smaller part to find out"
_FIRST = "; it is too large to look for more"
# measure_schema does not know $dynamicRef; few of the alternatives are tried for any one value.
_META = ResourceSchema(
    {"$ref": JSON_SCHEMA_DIALECT},
    SchemaCost(steps=40, per_character=0, complaints=40, branches=True, names=frozenset()),
)
