"""Validate test sends and previews: a made-up event to send, or a template to render."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hookward.domain.errors import HookwardError, Invalid, Problem
from hookward.domain.events.document import event_document
from hookward.domain.events.model import ChangeEvent
from hookward.domain.events.rules import is_zone, read_scope, sample_event
from hookward.domain.json import encode_exact
from hookward.domain.problems import problem_at, unknown_fields
from hookward.domain.resource_types.model import CompiledType, identity_of
from hookward.domain.resource_types.operations import ChangeKind
from hookward.domain.templates.template import Template, compile_template

_TRIAL = ("event", "resource")
_PREVIEW = (
    "schema", "document", "resourceType", "scope", "event", "resource", "levelDetails", "extraFull", "addPreviousData",
    "previousData", "timeZone",
)  # fmt: skip
_OF_TYPE = tuple(name for name in _PREVIEW if name not in ("schema", "document", "resourceType"))
_LEVELS = ("full", "extraFull")
_FLAGS = {True: True, False: False, "true": True, "false": False}
_WORDS = ", ".join(kind.word for kind in ChangeKind)


def read_trial(given: Any, known: CompiledType, scope: Mapping[str, str]) -> ChangeEvent:
    """Return the event of a test send: an update of the type's sample, unless ``given`` says otherwise.

    Raises Invalid with every problem.
    """
    if not isinstance(given, dict):
        raise Invalid(_NO_TRIAL, (problem_at(_NO_TRIAL),))
    problems = list(unknown_fields(given, _TRIAL, "a test"))
    change = _event(given, known, scope, problems)
    if problems:
        raise Invalid("the test has problems", tuple(problems))
    return change


def preview(given: Any, types: Mapping[str, CompiledType], *, second: int) -> bytes:
    """Return the body that a template renders, as JSON. Raises Invalid with every problem.

    ``second`` is the time of rendering in seconds since 1970.
    """
    if not isinstance(given, dict):
        raise Invalid(_NO_PREVIEW, (problem_at(_NO_PREVIEW),))
    problems = list(unknown_fields(given, _PREVIEW, "a preview"))
    template = _template(given, problems)
    shown = _document(given, types, second, problems)
    if problems:
        raise Invalid(_PROBLEMS, tuple(problems))
    if template is None:
        return encode_exact(shown)
    try:
        return template.render(shown)
    except HookwardError as error:
        raise Invalid(_PROBLEMS, (problem_at(f"with this document: {error}", "schema"),)) from None


def _template(given: Mapping[str, Any], problems: list[Problem]) -> Template | None:
    if given.get("schema") is None:
        return None
    try:
        return compile_template(given["schema"])
    except Invalid as error:
        problems += [Problem(message=each.message, pointer="/schema" + (each.pointer or "")) for each in error.problems]
        return None


def _document(
    given: Mapping[str, Any], types: Mapping[str, CompiledType], second: int, problems: list[Problem]
) -> dict[str, Any]:
    own, name = given.get("document"), given.get("resourceType")
    if (own is None) == (name is None):
        problems.append(problem_at("give either a resourceType, whose sample is rendered, or a document of your own"))
    if own is not None:
        if not isinstance(own, dict):
            problems.append(problem_at("document must be a JSON object", "document"))
        problems += [
            problem_at(f"{each} goes with a resourceType; a document is rendered as it is", each)
            for each in _OF_TYPE
            if given.get(each) is not None
        ]
        return own if isinstance(own, dict) else {}
    known = types.get(name) if isinstance(name, str) else None
    if known is None:
        if name is not None:
            problems.append(problem_at(f"resourceType must be one of {', '.join(sorted(types))}", "resourceType"))
        return {}
    return _document_of(given, known, second, problems)


def _document_of(given: Mapping[str, Any], known: CompiledType, second: int, problems: list[Problem]) -> dict[str, Any]:
    scope = given.get("scope")
    bound = {} if scope is None else read_scope(scope, known.type, problems, complete=False)
    change = _event(given, known, bound, problems)
    extra = _resource(given, "extraFull", known, problems)
    previous = given.get("previousData")
    if previous is not None and not isinstance(previous, dict):
        problems.append(problem_at("previousData must be a JSON object", "previousData"))
    if given.get("levelDetails") not in (None, *_LEVELS):
        problems.append(problem_at(f"levelDetails must be one of {', '.join(_LEVELS)}", "levelDetails"))
    zone = given.get("timeZone")
    if zone is not None and not (isinstance(zone, str) and is_zone(zone)):
        problems.append(problem_at("timeZone must be an IANA name such as Europe/Paris", "timeZone"))
    adds = _flag(given, problems)
    if problems:
        return {}
    resource = extra if extra is not None and given.get("levelDetails") == "extraFull" else change.resource()
    shown = event_document(change, resource, shape=known.type.body, second=second, zone=zone or "UTC")
    # A template that uses previousData can be tried without it: the sample is used where none is given.
    return {**shown, "previousData": previous or dict(known.type.sample)} if adds else shown


def _flag(given: Mapping[str, Any], problems: list[Problem]) -> bool:
    value = given.get("addPreviousData")
    if value is None:
        return False
    if not isinstance(value, bool | str) or value not in _FLAGS:
        problems.append(problem_at("addPreviousData must be true or false", "addPreviousData"))
        return False
    return _FLAGS[value]


def _event(
    given: Mapping[str, Any], known: CompiledType, scope: Mapping[str, str], problems: list[Problem]
) -> ChangeEvent:
    word = given.get("event")
    kind = ChangeKind.UPDATED if word is None else ChangeKind.from_word(word) if isinstance(word, str) else None
    if kind is None:
        problems.append(problem_at(f"event must be one of {_WORDS}; leave it out for updated", "event"))
    change = sample_event(known.type, scope)
    resource = _resource(given, "resource", known, problems)
    if resource is not None:
        id_ = identity_of(known.type, resource) or change.resource_id
        change = msgspec.structs.replace(change, body=encode_exact(resource), resource_id=id_)
    return change if kind is None else msgspec.structs.replace(change, kind=kind)


def _resource(
    given: Mapping[str, Any], name: str, known: CompiledType, problems: list[Problem]
) -> dict[str, Any] | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        problems.append(problem_at(f"{name} must be a JSON object", name))
        return None
    problems += known.schema.problems(value, name)
    return value


_NO_TRIAL = 'a test must be a JSON object such as {"event": "created"}, or nothing'
_NO_PREVIEW = "a preview must be a JSON object with schema, and resourceType or document"
_PROBLEMS = "the preview has problems"
