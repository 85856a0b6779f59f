"""Paths of a resource type that an account adds: validates them, finds clashes, derives the operations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hookward.domain.errors import Problem
from hookward.domain.problems import is_string, problem_at, quoted, unknown_fields
from hookward.domain.resource_types.model import ResourceType, TypePaths
from hookward.domain.resource_types.operations import ChangeKind, Operation, parameters_of

MAX_PATH: Final = 255
MAX_SEGMENTS: Final = 16
RESERVED: Final = frozenset({
    "v1", "livez", "readyz", "metrics", "docs", "openapi.json", "dashboard", "portal", "oauth2", ".well-known",
})  # fmt: skip
"""First path segments that the service itself uses."""

_PARAMETER = re.compile(r"\{([^{}/]{1,64})\}")
_LITERAL = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]+")
_WATCH = "watch"


def read_paths(
    given: Any, scope: Sequence[str], identity: Sequence[str], taken: Mapping[str, str], problems: list[Problem]
) -> TypePaths | None:
    """Validate ``paths`` and return it, or ``None`` with problems added.

    ``taken`` maps each path in use to the name of what uses it.
    """
    if given is None:
        return None
    if not isinstance(given, dict):
        problems.append(
            problem_at("paths must be an object with collection, and item where it is not the default", "paths")
        )
        return None
    found = len(problems)
    problems += unknown_fields(given, ("collection", "item"), "paths", "paths")
    collection = _read_path(given.get("collection"), "collection", scope, problems)
    item = given.get("item")
    if item is None and collection is not None:
        item = "/".join([collection, *[f"{{{name}}}" for name in identity if name not in scope]])
    everything = tuple(dict.fromkeys((*scope, *identity)))
    whole = None if collection is None else _read_path(item, "item", everything, problems)
    if whole is not None and collection is not None and not whole.startswith(collection):
        problems.append(problem_at(f"item must begin with the collection, {collection}", "paths", "item"))
    if whole is None or collection is None or len(problems) > found:
        return None
    paths = TypePaths(collection=collection, item=whole)
    clashes = {
        "collection": _clash((paths.collection, paths.watch_route), taken),
        "item": _clash((paths.item,), taken),
    }
    if given.get("item") is None:
        clashes = {"collection": clashes["collection"] or clashes["item"]}
    problems += [problem_at(clash, "paths", name) for name, clash in clashes.items() if clash is not None]
    return paths if len(problems) == found else None


def _clash(paths: Sequence[str], taken: Mapping[str, str]) -> str | None:
    for path in paths:
        for other, whose in taken.items():
            if overlap(path, other):
                return f"{path} is already taken by {other} of {whose}; choose another"
    return None


def _read_path(given: Any, what: str, parameters: Sequence[str], problems: list[Problem]) -> str | None:
    at = ("paths", what)
    if not is_string(given, MAX_PATH) or not given.startswith("/"):
        message = f"{what} must be a path of 1 to {MAX_PATH} characters such as /shops/{{shopId}}/orders"
        problems.append(problem_at(message, *at))
        return None
    segments = given[1:].split("/")
    complaints = [
        f"{quoted(segment) or 'an empty segment'} cannot be part of a path; "
        "use letters, digits and ._~-, or {parameter}"
        for segment in segments
        if not _LITERAL.fullmatch(segment) and not _PARAMETER.fullmatch(segment)
    ]
    if len(segments) > MAX_SEGMENTS:
        complaints.append(f"{what} may have {MAX_SEGMENTS} segments")
    if segments[0] in RESERVED or _PARAMETER.fullmatch(segments[0]):
        complaints.append(f"{what} must begin with a word of its own, and with none of {', '.join(sorted(RESERVED))}")
    if what == "collection" and segments[-1] == _WATCH:
        complaints.append("collection must not end in watch: that is added for its watch route")
    if sorted(_PARAMETER.findall(given)) != sorted(parameters):
        wanted = ", ".join(f"{{{each}}}" for each in parameters) or "no parameter"
        complaints.append(f"{what} must hold {wanted}, once each, and no other")
    problems += [problem_at(complaint, *at) for complaint in complaints]
    return None if complaints else given


def operations_of(paths: TypePaths | None, identity: Sequence[str]) -> tuple[Operation, ...]:
    """Return the operations at a type's paths; parameters named in ``identity`` fill these properties."""
    if paths is None:
        return ()
    given, whole = (
        {name: name for name in parameters_of(path) if name in identity} for path in (paths.collection, paths.item)
    )
    return (
        Operation(method="POST", path=paths.collection, event=ChangeKind.CREATED, fills=given),
        Operation(method="PUT", path=paths.item, event=ChangeKind.UPDATED, fills=whole),
        Operation(method="PATCH", path=paths.item, event=ChangeKind.UPDATED, fills=whole),
        Operation(method="DELETE", path=paths.item, event=ChangeKind.DELETED, fills=whole, body=False),
    )


def paths_in_use(resource_type: ResourceType) -> list[str]:
    """Return every path that a type uses or may use later."""
    watched = [route.removesuffix("/" + _WATCH) for route in resource_type.watch_routes]
    known = [*resource_type.watch_routes, *watched, *[f"{each}/{{id}}" for each in watched]]
    known += [path for each in resource_type.operations for path in each.paths]
    return list(dict.fromkeys(known))


def overlap(path: str, other: str) -> bool:
    """Return whether one request path can match both templates."""
    segments, others = path.split("/"), other.split("/")
    return len(segments) == len(others) and all(
        one == another or one.startswith("{") or another.startswith("{")
        for one, another in zip(segments, others, strict=True)
    )
