"""The result of a measurement, and the statistics that measurements share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. ``met`` is ``None`` if there is no budget; ``detail`` is written to the JSON as it is."""

    name: str
    value: str
    budget: str = ""
    met: bool | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` (0 to 1) of ``values`` do not exceed (nearest rank)."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    rank = -int(-share * len(ordered) // 1)  # rounded up
    return ordered[max(rank, 1) - 1]


def spread(values: Sequence[float]) -> str:
    """Return the lowest and the highest value: ``0.48–0.53``."""
    return f"{min(values):.2f}–{max(values):.2f}"
