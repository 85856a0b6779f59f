"""Builds the change event of a mirrored REST operation.

The event is built from path and body and validated like any other (``rules.validate_event``). Its problems are then
placed in the request as it was sent: a pointer into its body, or the name of a path parameter or header.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from hookward.domain.errors import Invalid, Problem, pointer_to
from hookward.domain.events.coercion import coerce
from hookward.domain.events.idempotency import IDEMPOTENCY_KEY
from hookward.domain.events.rules import ValidEvent, validate_event
from hookward.domain.problems import problem_at, quoted, unknown_fields
from hookward.domain.resource_types.model import CompiledType, ResourceValidator, integer_as_string
from hookward.domain.resource_types.operations import ChangeKind, Operation, OperationBatch
from hookward.domain.resource_types.routing import Match


class MirroredEvent(msgspec.Struct, frozen=True):
    """The event of an operation: as ``POST /v1/events`` would accept it, and validated."""

    event: dict[str, Any]
    read: ValidEvent


def read_mirrored(match: Match, given: Any, known: CompiledType, *, key: str | None = None) -> MirroredEvent:
    """Return the event of an operation with the decoded body ``given`` (``UNSET``: no body); raises Invalid."""
    problems: list[Problem] = []
    resource = _resource(match.operation, given, problems)
    filled = {} if resource is None else _filled(match, resource, known, problems)
    event = {
        "resourceType": match.type.name,
        "scope": {name: match.parameters[name] for name in match.type.scope},
        "event": _kind(match.operation).word,
        "resource": None if resource is None else {**filled, **resource, **filled},
    }
    if key is not None:
        event["id"] = key
    if resource == {} and not match.operation.body:
        known = CompiledType(known.type, _PartialValidator(known.schema, filled))
    try:
        read = validate_event(event, known)
    except Invalid as refused:
        places = _Places(match, filled, resource, problems)
        problems += [moved for each in refused.problems for moved in places.of(each)]
        raise Invalid(_PROBLEMS, tuple(problems)) from None
    if problems:
        raise Invalid(_PROBLEMS, tuple(problems))
    return MirroredEvent(event, read)


def _kind(operation: Operation) -> ChangeKind:
    assert operation.event is not None, "operations that change nothing, and batches, are never read as one event"
    return operation.event


def _resource(operation: Operation, given: Any, problems: list[Problem]) -> dict[str, Any] | None:
    """Return the properties in the body; ``None`` if it cannot be used, with a problem added."""
    if given is msgspec.UNSET:
        return {}
    if isinstance(given, list) and operation.method == "PATCH":
        problems.append(Problem(message=_NO_LAST_STATE, pointer=""))
        return None
    if not isinstance(given, dict):
        problems.append(Problem(message="the body must be a JSON object", pointer=""))
        return None
    if operation.renames:
        problems += unknown_fields(given, operation.renames, "the body of this operation")
        return {operation.renames[name]: value for name, value in given.items() if name in operation.renames}
    return {name: value for name, value in given.items() if name not in operation.options}


def _filled(match: Match, resource: dict[str, Any], known: CompiledType, problems: list[Problem]) -> dict[str, Any]:
    """Return the properties that the path gives and the body does not."""
    properties = known.type.schema.get("properties", {})
    filled: dict[str, Any] = {}
    for parameter, name in match.operation.fills.items():
        if parameter not in match.parameters:
            continue
        text, said = match.parameters[parameter], resource.get(name)
        alias = match.operation.aliases.get(parameter)
        is_alias = alias is not None and integer_as_string(resource.get(alias)) == text
        if said is None and is_alias:
            problems.append(problem_at(f"{name} is missing: the path names the {alias}; give the {name} too", name))
        elif said is None:
            filled[name] = coerce(text, properties.get(name, {}))
        elif integer_as_string(said) != text and not is_alias:
            message = f"{name} contradicts the path, which says {quoted(text)}; send that, or leave {name} out"
            problems.append(problem_at(message, name))
    return filled


class _PartialValidator(msgspec.Struct, frozen=True):
    """Validates only the given properties: an operation without a body cannot give the whole resource."""

    schema: ResourceValidator
    names: Collection[str]

    def is_valid(self, resource: Any) -> bool:
        return not self.problems(resource)

    def problems(self, resource: Any, *at: str | int) -> list[Problem]:
        places = [pointer_to(*at, name) for name in self.names]
        return [each for each in self.schema.problems(resource, *at) if each.pointer in places]


class _Places:
    """Maps places in the event to places in the request as it was sent."""

    def __init__(
        self, match: Match, filled: Mapping[str, Any], resource: Mapping[str, Any] | None, told: list[Problem]
    ) -> None:
        self._told = {each.pointer for each in told}
        self._identity = match.type.identity
        self._resource = resource
        parameters = {name: parameter for parameter, name in match.operation.fills.items()}
        self._parameters = {pointer_to(name): parameters[name] for name in filled}
        self._names = {pointer_to(name): pointer_to(sent) for sent, name in match.operation.renames.items()}
        self._unsaid = [name for name in self._identity if name not in filled and not _says(resource or {}, name)]

    def of(self, found: Problem) -> Iterator[Problem]:
        """Yield a problem of the event as problems of the request."""
        first, rest = _split(found.pointer or "")
        match first:
            case "/scope":
                yield Problem(message=found.message, parameter=rest.removeprefix("/"))
            case "/id":
                message = found.message.replace("id", IDEMPOTENCY_KEY, 1)
                yield Problem(message=message, parameter=IDEMPOTENCY_KEY)
            case _ if self._resource is None:
                return  # the body has a problem already
            case "/resourceId":
                yield from self._of_identity(found)
            case _:
                yield self._of_resource(found, rest)

    def _of_identity(self, found: Problem) -> Iterator[Problem]:
        for name in self._unsaid:
            if pointer_to(name) in self._told:
                continue
            message = f"{name} is missing: send the resource with its {name} (the API returns it), as text"
            yield problem_at(f"{message} or whole number", name)
        if not self._unsaid:
            yield self._of_resource(found, pointer_to(self._identity[-1]))

    def _of_resource(self, found: Problem, pointer: str) -> Problem:
        name, below = _split(pointer)
        if name in self._parameters:
            return Problem(message=found.message, parameter=self._parameters[name])
        return Problem(message=found.message, pointer=self._names.get(name, name) + below)


def _says(resource: Mapping[str, Any], name: str) -> bool:
    value = integer_as_string(resource.get(name))
    return isinstance(value, str) and value != ""


def _split(pointer: str) -> tuple[str, str]:
    """Return the first segment of a pointer, and the rest."""
    end = pointer.find("/", 1)
    return (pointer, "") if end < 0 else (pointer[:end], pointer[end:])


def read_item(match: Match, batch: OperationBatch, given: Any, known: CompiledType) -> MirroredEvent:
    """Return the event of one item of a batch; raises Invalid with pointers into the item."""
    if not isinstance(given, dict):
        message = f"an operation must be a JSON object with {batch.verb} and {batch.id}"
        raise Invalid(message, (Problem(message=message, pointer=""),))
    kind, problems = _kind_of(given, batch), []
    part = batch.directives if given.get(batch.directives) is not None else batch.resource
    body = given.get(part)
    if kind is None:
        message = f"{batch.verb} must be one of {', '.join(batch.kinds)}; nothing else is a change"
        problems.append(problem_at(message, batch.verb))
    id_ = integer_as_string(given.get(batch.id))
    if not _says(given, batch.id) and not (id_ is None and isinstance(body, dict) and _says(body, batch.identity)):
        problems.append(problem_at(f"{batch.id} must say which resource it is, as text or whole number", batch.id))
    if body is None and kind not in (None, ChangeKind.DELETED):
        problems.append(problem_at(f"{part} is missing; give the resource after the change", part))
    if kind is None or problems:
        raise Invalid(_PROBLEMS, tuple(problems))
    operation = Operation(
        method="PATCH" if part == batch.directives else "PUT",
        path=match.operation.path,
        event=kind,
        fills={batch.id: batch.identity},
    )
    parameters = match.parameters if id_ is None else {**match.parameters, batch.id: id_}
    single = Match(type=match.type, operation=operation, parameters=parameters)
    try:
        return read_mirrored(single, msgspec.UNSET if body is None else body, known)
    except Invalid as refused:
        moved = tuple(_of_item(each, batch, part) for each in refused.problems)
        raise Invalid(_PROBLEMS, moved) from None


def _kind_of(given: dict[str, Any], batch: OperationBatch) -> ChangeKind | None:
    verb = given.get(batch.verb)
    return batch.kinds.get(verb) if isinstance(verb, str) else None


def _of_item(found: Problem, batch: OperationBatch, part: str) -> Problem:
    if found.parameter == batch.id:
        return problem_at(found.message, batch.id)
    return found if found.pointer is None else Problem(message=found.message, pointer=pointer_to(part) + found.pointer)


_PROBLEMS = "what was sent has problems"
_NO_LAST_STATE = (
    "no last state of this resource is known, so a list of changes (RFC 6902) cannot be applied; "
    "send the whole resource, or an object with what changed"
)
