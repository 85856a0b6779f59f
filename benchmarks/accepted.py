"""Accepted per second: one api process against a bare aiohttp.web handler, under the same raw client.

No worker runs and no watch matches: this is the accept path alone, validated and durable.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.appointment import event
from benchmarks.bare import bare_server
from benchmarks.figures import Figure, spread
from benchmarks.processes import cpu_seconds
from benchmarks.raw_client import accepted_per_second, request
from benchmarks.stack import Stack, spent

CONNECTIONS = 64
BUDGET = 0.5
_UNWATCHED = "unwatched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured; times are in seconds."""

    rounds: int
    seconds: float
    warm_up: float = 0.3


async def measure(stack: Stack, effort: Effort) -> Figure:
    """Return the figure; raises if a request is not accepted."""
    rounds: list[dict[str, Any]] = []
    with bare_server() as server:
        bare_port = await server.hear()
        for number in range(effort.rounds):
            rates: dict[str, float] = {}
            used: dict[str, float] = {}
            for each in ("ours", "bare") if number % 2 == 0 else ("bare", "ours"):
                before = {**stack.cpu(), "bare": cpu_seconds(server.pid)}
                port = stack.port if each == "ours" else bare_port
                rates[each] = await accepted_per_second(
                    port, request(port, stack.key, event(_UNWATCHED)),
                    connections=CONNECTIONS, warm_up=effort.warm_up, seconds=effort.seconds,
                )  # fmt: skip
                cpu = spent(before, {**stack.cpu(), "bare": cpu_seconds(server.pid)})
                used |= {"bare": cpu["bare"]} if each == "bare" else {k: v for k, v in cpu.items() if k != "bare"}
            rounds.append({
                "accepted": round(rates["ours"]), "bare": round(rates["bare"]),
                "ratio": round(rates["ours"] / rates["bare"], 3),
                "cpu_ratio": round(rates["ours"] / used["api"] / (rates["bare"] / used["bare"]), 3), "cpu": used,
            })  # fmt: skip
    ratios = [each["ratio"] for each in rounds]
    ours, bare = median(each["accepted"] for each in rounds), median(each["bare"] for each in rounds)
    cpu_ratio = median(each["cpu_ratio"] for each in rounds)
    return Figure(
        name="accepted/s ÷ bare handler",
        value=f"{median(ratios):.2f}  ({ours:.0f}/s ÷ {bare:.0f}/s, rounds {spread(ratios)}; by CPU {cpu_ratio:.2f})",
        budget=f"≥ {BUDGET}",
        met=median(ratios) >= BUDGET,
        detail={"ratio": median(ratios), "cpu_ratio": cpu_ratio, "rounds": rounds, "connections": CONNECTIONS},
    )
