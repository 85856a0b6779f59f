"""Validate accounts. Every problem is reported at once."""

from __future__ import annotations

from typing import Any

import msgspec

from hookward.domain.errors import Invalid, Problem
from hookward.domain.events.rules import is_zone
from hookward.domain.problems import is_single_line, problem_at, unknown_fields

MAX_NAME = 255

_KNOWN = ("name", "timeZone", "retentionDays")
_READ_ONLY = frozenset({"id", "created"})


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The given properties of an account; ``UNSET`` if a property is absent, ``None`` if it is to be the default."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    zone: str | msgspec.UnsetType | None = msgspec.UNSET
    retention_days: int | msgspec.UnsetType | None = msgspec.UNSET


def read_account(given: Any, *, max_days: int, whole: bool) -> AccountSettings:
    """Return the settings of a new account (``whole``) or of a change. Raises Invalid with every problem.

    ``max_days`` is the longest retention allowed.
    """
    if not isinstance(given, dict):
        raise Invalid(_NO_OBJECT, (problem_at(_NO_OBJECT),))
    problems = list(unknown_fields((name for name in given if whole or name not in _READ_ONLY), _KNOWN, "an account"))
    settings = AccountSettings(
        name=_name(given, problems) if whole or "name" in given else msgspec.UNSET,
        zone=_zone(given["timeZone"], problems) if "timeZone" in given else msgspec.UNSET,
        retention_days=_days(given["retentionDays"], max_days, problems) if "retentionDays" in given else msgspec.UNSET,
    )
    if problems:
        raise Invalid("the account has problems", tuple(problems))
    return settings


def _name(given: dict[str, Any], problems: list[Problem]) -> str:
    name = given.get("name")
    if not is_single_line(name, MAX_NAME):
        problems.append(problem_at(f"name must be a text of 1 to {MAX_NAME} characters, none of them control", "name"))
        return ""
    return name


def _zone(value: Any, problems: list[Problem]) -> str | None:
    if value is not None and not (isinstance(value, str) and is_zone(value)):
        problems.append(problem_at("timeZone must be an IANA name such as Europe/Paris, or null for UTC", "timeZone"))
        return None
    return value


def _days(value: Any, most: int, problems: list[Problem]) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        message = f"retentionDays must be a whole number from 1 to {most}, or null for the configured default"
        problems.append(problem_at(message, "retentionDays"))
        return None
    return value


_NO_OBJECT = "an account must be a JSON object"
