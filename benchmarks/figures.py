"""What a measurement gives, and the arithmetic that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. ``met`` is ``None`` where there is no budget; ``detail`` goes to the JSON as it is."""

    name: str
    value: str
    budget: str = ""
    met: bool | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of ``values`` do not exceed (nearest rank)."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    rank = -int(-share * len(ordered) // 1)  # rounded up
    return ordered[max(rank, 1) - 1]


def spread(values: Sequence[float]) -> str:
    """``0.48–0.53``: the lowest and the highest."""
    return f"{min(values):.2f}–{max(values):.2f}"
