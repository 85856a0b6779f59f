"""Validate API keys. Every problem is reported at once."""

from __future__ import annotations

from typing import Any

import msgspec

from hookward.domain.access.callers import OWNED_SCOPES, Scope
from hookward.domain.errors import Forbidden, Invalid, Problem
from hookward.domain.problems import is_single_line, problem_at, unknown_fields

MAX_NAME = 255
MAX_OWNER = 255

_KNOWN = ("name", "scopes", "owner")
_WORDS = tuple(str(scope) for scope in Scope)


class ApiKeyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The validated properties of a new API key; ``scopes`` are in the order of ``Scope``."""

    name: str
    scopes: tuple[Scope, ...]
    owner: str | None = None


def read_api_key(given: Any, *, may_operate: bool) -> ApiKeyRequest:
    """Return the properties of a new API key. Raises Invalid with every problem.

    Raises Forbidden when the only problem is that ``operator`` is granted by a caller without it (``may_operate``).
    """
    if not isinstance(given, dict):
        raise Invalid(_NO_OBJECT, (problem_at(_NO_OBJECT),))
    problems = list(unknown_fields(given, _KNOWN, "an API key"))
    name, owner = given.get("name"), given.get("owner")
    if not is_single_line(name, MAX_NAME):
        problems.append(problem_at(f"name must be a text of 1 to {MAX_NAME} characters, none of them control", "name"))
    if owner is not None and not is_single_line(owner, MAX_OWNER):
        message = f"owner must be a text of 1 to {MAX_OWNER} characters, none of them control; leave it out for none"
        problems.append(problem_at(message, "owner"))
    scopes = _scopes(given.get("scopes"), problems, owned=owner is not None)
    beyond: list[Problem] = []
    if Scope.OPERATOR in scopes and owner is None and not may_operate:
        beyond.append(problem_at(_NOT_YOURS, "scopes", given["scopes"].index(Scope.OPERATOR)))
    if problems:
        raise Invalid("the API key has problems", (*problems, *beyond))
    if beyond:
        raise Forbidden(_NOT_YOURS, tuple(beyond))
    return ApiKeyRequest(name=str(name), scopes=scopes, owner=owner)


def _scopes(given: Any, problems: list[Problem], *, owned: bool) -> tuple[Scope, ...]:
    if not isinstance(given, list) or not 1 <= len(given) <= len(_WORDS):
        message = f"scopes must be a list of 1 to {len(_WORDS)} of {', '.join(_WORDS)}"
        problems.append(problem_at(message, "scopes"))
        return ()
    for index, each in enumerate(given):
        if each not in _WORDS:
            problems.append(problem_at(f"must be one of {', '.join(_WORDS)}", "scopes", index))
        elif each in given[:index]:
            problems.append(problem_at(f"{each} is named twice", "scopes", index))
        elif owned and each not in OWNED_SCOPES:
            message = f"{each} reaches beyond one owner; a key with an owner may hold {', '.join(OWNED_SCOPES)}"
            problems.append(problem_at(message, "scopes", index))
    return tuple(scope for scope in Scope if scope in given)


_NO_OBJECT = "an API key must be a JSON object with a name and scopes"
_NOT_YOURS = "operator is granted only by a key that has it, or on the server by: hookward keys create"
