"""Which resource a document is: the values of its type's identity, joined by ``/``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookward.domain.resource_type import ResourceType


def identity_of(resource_type: ResourceType, resource: Mapping[str, Any]) -> str | None:
    """The identity as text; ``None`` where a part is missing, empty, or neither text nor whole number."""
    parts: list[str] = []
    for name in resource_type.identity:
        value = as_text(resource.get(name))
        if not isinstance(value, str) or not value:
            return None
        parts.append(value)
    return "/".join(parts)


def as_text(value: Any) -> Any:
    """A whole number as its text, anything else as it is: publishers write ids and scope values either way."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
