"""Validates published events, with every problem at once; builds the sample event of previews and test sends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hookward.domain.errors import Invalid, Problem
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, EventId, uuid7
from hookward.domain.json import encode_exact
from hookward.domain.problems import is_string, problem_at, unknown_fields
from hookward.domain.redaction import redacted_repr
from hookward.domain.resource_types.model import CompiledType, ResourceType, identity_of, integer_as_string
from hookward.domain.resource_types.operations import ChangeKind

MAX_ID = 255
MAX_SCOPE_VALUE = 255
MAX_RESOURCE_ID = 1024
MAX_NAMES_SHOWN = 50

_KNOWN = (
    "resourceType", "scope", "event", "resource", "previousData", "extraFull", "resourceId", "occurredAt", "timeZone",
    "id",
)  # fmt: skip
_NAMES = frozenset(_KNOWN)
_NEEDED = frozenset(("resourceType", "scope", "event", "resource"))
_VISIBLE = re.compile(rf"[!-~]{{1,{MAX_ID}}}")
# Every IANA name, but not the other files beside the zones on a disk: posix/…, right/…, localtime, zone.tab.
_ZONE = re.compile(r"(?=.{1,64}$)[A-Z][A-Za-z0-9+_-]*(?:/[A-Za-z0-9+_-]+)*", re.ASCII)
_WORDS = ", ".join(kind.word for kind in ChangeKind)


class ValidEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A valid published event. ``resource``, ``previous`` and ``extra`` are decoded."""

    type: ResourceType
    kind: ChangeKind
    scope: dict[str, str]
    resource: dict[str, Any]
    resource_id: str
    previous: Any
    extra: Any
    zone: str | None
    occurred: datetime | None
    key: str | None

    __repr__ = redacted_repr


def type_named(given: Any) -> str | None:
    """Return the name of the resource type that a decoded event gives; ``None`` if it gives no string."""
    name = given.get("resourceType") if isinstance(given, dict) else None
    return name if isinstance(name, str) else None


def validate_event(given: Any, known: CompiledType | None, names: Iterable[str] = ()) -> ValidEvent:
    """Validate a decoded event and return it; raise Invalid with every problem.

    ``known`` is the type that it names (see ``type_named``), ``None`` if there is no such type. ``names`` are those of
    the types that exist, for the message that then lists them.
    """
    if not isinstance(given, dict):
        raise Invalid(_NO_OBJECT, (problem_at(_NO_OBJECT),))
    problems = list(unknown_fields(given, _KNOWN, "an event")) if not _NAMES.issuperset(given) else []
    if known is None:
        problems.append(problem_at(f"resourceType must be one of {type_names(names)}", "resourceType"))
    kind = _kind(given, problems)
    resource = _resource(given, "resource", known, problems)
    if given.get("resource") is None:
        problems.append(problem_at("resource is missing; give the resource after the change", "resource"))
    extra = previous = zone = occurred = key = None
    more = not _NEEDED.issuperset(given)  # most events have no other members
    if more:
        extra = _resource(given, "extraFull", known, problems)
        previous = _object(given, "previousData", problems)
    scope = _scope(given, known, problems)
    resource_id = _resource_id(given, known, resource, problems)
    if more:
        zone, occurred, key = _zone(given, problems), _moment(given, problems), _key(given, problems)
    if problems or known is None or kind is None or resource is None:
        raise Invalid(_PROBLEMS, tuple(problems))
    return ValidEvent(
        type=known.type, kind=kind, scope=scope, resource=resource, resource_id=resource_id,
        previous=previous, extra=extra, zone=zone, occurred=occurred, key=key,
    )  # fmt: skip


def as_change_event(event: ValidEvent, account: AccountId, *, now_ms: int, random: bytes) -> ChangeEvent:
    """Return a valid event with a new id: of ``now_ms`` (milliseconds since 1970) and 10 ``random`` bytes."""
    return ChangeEvent(
        id=EventId(uuid7(now_ms, random)),
        account=account,
        resource_type=event.type.name,
        type_version=event.type.version,
        kind=event.kind,
        scope=event.scope,
        resource_id=event.resource_id,
        body=encode_exact(event.resource),
        previous=None if event.previous is None else encode_exact(event.previous),
        extra=None if event.extra is None else encode_exact(event.extra),
        zone=event.zone,
    )


def type_names(types: Iterable[str]) -> str:
    """Return the names of types for a message, at most 50 of them."""
    names = sorted(types)
    more = len(names) - MAX_NAMES_SHOWN
    return ", ".join(names[:MAX_NAMES_SHOWN]) + (f" and {more} more (GET /v1/resource-types)" if more > 0 else "")


def _kind(given: dict[str, Any], problems: list[Problem]) -> ChangeKind | None:
    word = given.get("event")
    kind = ChangeKind.from_word(word) if isinstance(word, str) else None
    if kind is None:
        problems.append(problem_at(f"event must be one of {_WORDS}", "event"))
    return kind


def _object(given: dict[str, Any], name: str, problems: list[Problem]) -> dict[str, Any] | None:
    value = given.get(name)
    if value is None or isinstance(value, dict):
        return value
    problems.append(problem_at(f"{name} must be a JSON object", name))
    return None


def _resource(
    given: dict[str, Any], name: str, known: CompiledType | None, problems: list[Problem]
) -> dict[str, Any] | None:
    resource = _object(given, name, problems)
    if resource is not None and known is not None and not known.schema.is_valid(resource):
        problems += known.schema.problems(resource, name)
    return resource


def read_scope(given: Any, resource_type: ResourceType, problems: list[Problem], *, complete: bool) -> dict[str, str]:
    """Return scope values as strings; ``complete`` requires every parameter and refuses values that mean "any"."""
    names = resource_type.scope
    if not isinstance(given, dict):
        problems.append(problem_at(f"scope must be an object with {', '.join(names)}", "scope"))
        return {}
    if len(given) > len(names) or not all(name in names for name in given):
        problems += unknown_fields(given, names, f"the scope of {resource_type.name}", "scope")
    scope: dict[str, str] = {}
    for name in names:
        text = integer_as_string(given.get(name))
        if name not in given:
            if complete:
                problems.append(
                    problem_at(f"{name} is missing; the scope of {resource_type.name} needs it", "scope", name)
                )
        elif not is_string(text, MAX_SCOPE_VALUE):
            message = f"{name} must be a text of 1 to {MAX_SCOPE_VALUE} characters, or a whole number"
            problems.append(problem_at(message, "scope", name))
        elif complete and resource_type.any_value.get(name) == text:
            message = f"{name} {text} means any and cannot be published; name the one that changed"
            problems.append(problem_at(message, "scope", name))
        else:
            scope[name] = text
    return scope


def _scope(given: dict[str, Any], known: CompiledType | None, problems: list[Problem]) -> dict[str, str]:
    if known is None:
        _object(given, "scope", problems)
        return {}
    scope = given.get("scope")
    return read_scope({} if scope is None else scope, known.type, problems, complete=True)


def _resource_id(
    given: dict[str, Any], known: CompiledType | None, resource: dict[str, Any] | None, problems: list[Problem]
) -> str:
    value = integer_as_string(given.get("resourceId"))
    if value is None:
        if known is None or resource is None:
            return ""  # the missing part has a problem already
        value = identity_of(known.type, resource)
        if value is None:
            names = ", ".join(known.type.identity)
            message = f"the resource does not say which it is; give {names} as text or whole number, or a resourceId"
            problems.append(problem_at(message, "resourceId"))
            return ""
    if not is_string(value, MAX_RESOURCE_ID):
        message = f"resourceId, given or taken from the resource, must be a text of 1 to {MAX_RESOURCE_ID} characters"
        problems.append(problem_at(message, "resourceId"))
        return ""
    return value


def _key(given: dict[str, Any], problems: list[Problem]) -> str | None:
    value = given.get("id")
    if value is None:
        return None
    if not isinstance(value, str) or not _VISIBLE.fullmatch(value):
        problems.append(problem_at(f"id must be 1 to {MAX_ID} visible ASCII characters", "id"))
        return None
    return value


def _zone(given: dict[str, Any], problems: list[Problem]) -> str | None:
    value = given.get("timeZone")
    if value is None:
        return None
    if not isinstance(value, str) or not is_zone(value):
        problems.append(problem_at("timeZone must be an IANA name such as Europe/Paris", "timeZone"))
        return None
    return value


def is_zone(name: str) -> bool:
    """Return whether ``name`` is an IANA time zone that this machine knows."""
    return _ZONE.fullmatch(name) is not None and _exists(name)


@lru_cache(maxsize=1024)
def _exists(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError; a directory is an OSError
        return False
    return True


def _moment(given: dict[str, Any], problems: list[Problem]) -> datetime | None:
    value = given.get("occurredAt")
    if value is None:
        return None
    try:
        moment = msgspec.convert(value, datetime)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # with its offset it may be outside the years 1 to 9999
        pass
    message = "occurredAt must be an RFC 3339 date-time with offset, such as 2026-11-20T10:15:30Z"
    problems.append(problem_at(message, "occurredAt"))
    return None


_NO_OBJECT = "an event must be a JSON object"
_PROBLEMS = "the event has problems"


def sample_event(resource_type: ResourceType, scope: Mapping[str, str]) -> ChangeEvent:
    """Return an ``updated`` event with the type's sample; scope parameters that ``scope`` does not give are ``1``.

    A value that means "any" counts as not given: no event can be published with it.
    """
    bound = {name: value for name, value in scope.items() if resource_type.any_value.get(name) != value}
    return ChangeEvent(
        id=EventId(bytes(16)),
        account=AccountId(0),
        resource_type=resource_type.name,
        type_version=resource_type.version,
        kind=ChangeKind.UPDATED,
        scope={name: bound.get(name, "1") for name in resource_type.scope},
        resource_id=identity_of(resource_type, resource_type.sample) or "sample",
        body=encode_exact(resource_type.sample),
    )
