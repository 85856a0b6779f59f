"""JSON Schema (2020-12) validation; remote references are off, formats are not asserted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from hookward.domain.errors import Problem, pointer_to

MAX_PROBLEMS = 100


class ResourceSchema:
    """The compiled schema of a resource type."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._validator = jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=False)

    def problems(self, resource: Any, *at: str | int) -> list[Problem]:
        """What is wrong with ``resource``; pointers begin with the path ``at``."""
        if self._validator.is_valid(resource):
            return []
        found: list[Problem] = []
        for error in self._validator.iter_errors(resource):
            found.append(Problem(message=_shortened(error.message), pointer=pointer_to(*at, *error.instance_path)))
            if len(found) >= MAX_PROBLEMS:
                break
        return found


def _shortened(message: str) -> str:
    return message if len(message) <= 300 else message[:200] + " … " + message[-90:]
