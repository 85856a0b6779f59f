"""The time from just before a publish is sent until the endpoint has the request, at a fixed rate: alone, and beside an
endpoint that never answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.appointment import event
from benchmarks.figures import Figure, percentile
from benchmarks.raw_client import publish_at, request
from benchmarks.sink import HANGING, astray
from benchmarks.stack import Stack, Watch

RATE = 200.0
WATCHES = 32
P50_BUDGET, P99_BUDGET = 15.0, 50.0
APART_SHARE, APART_MS = 0.1, 5.0
_LEAD_SECONDS = 1.0
_SICK_AT_ONCE = 64
_SICK_BATCH, _SICK_EVERY = 5, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured; ``seconds`` are of one phase."""

    seconds: float
    pairs: int = 0


async def measure(stack: Stack, effort: Effort) -> tuple[Figure, list[str]]:
    """Return the latency of a service without other load."""
    watches = await stack.watches(WATCHES)
    wrong: list[str] = []
    await stack.start_worker()
    try:
        await _phase(stack, watches, _LEAD_SECONDS, wrong)
        times = await _phase(stack, watches, effort.seconds, wrong)
    finally:
        await stack.stop_worker()
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    figure = Figure(
        name=f"publish → received at {RATE:.0f}/s",
        value=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        budget=f"p50 ≤ {P50_BUDGET:.0f} ms, p99 ≤ {P99_BUDGET:.0f} ms",
        met=p50 <= P50_BUDGET and p99 <= P99_BUDGET,
        detail={"p50": round(p50, 2), "p99": round(p99, 2), "max": round(max(times), 2), "events": len(times)},
    )
    return figure, wrong


async def measure_apart(stack: Stack, effort: Effort) -> tuple[Figure, list[str]]:
    """Return the effect of an unresponsive endpoint on the latency of others: pairs of phases with and without it."""
    watches = await stack.watches(WATCHES)
    wrong: list[str] = []
    pairs: list[dict[str, float]] = []
    await stack.start_worker(DELIVERY__TIMEOUT="2s")
    try:
        await _phase(stack, watches, _LEAD_SECONDS, wrong)
        for number in range(effort.pairs):
            p99: dict[str, float] = {}
            for each in ("without", "with") if number % 2 == 0 else ("with", "without"):
                if each == "without":
                    p99[each] = percentile(await _phase(stack, watches, effort.seconds, wrong), 0.99)
                    continue
                async with _sick_endpoint(stack):
                    p99[each] = percentile(await _phase(stack, watches, effort.seconds, wrong), 0.99)
            pairs.append({name: round(value, 2) for name, value in p99.items()})
    finally:
        await stack.sink.release()
        await stack.stop_worker()
    return _apart(pairs), wrong


def _apart(pairs: list[dict[str, float]]) -> Figure:
    more = median(pair["with"] - pair["without"] for pair in pairs)
    allowed = max(APART_MS, APART_SHARE * median(pair["without"] for pair in pairs))
    detail: dict[str, Any] = {"more_ms": round(more, 2), "pairs": pairs}
    return Figure(
        name="others' p99 beside a dead endpoint",
        value=f"{more:+.1f} ms  (p99 without it {median(pair['without'] for pair in pairs):.1f} ms)",
        budget="≤ 10 % or 5 ms",
        met=more <= allowed,
        detail=detail,
    )


@asynccontextmanager
async def _sick_endpoint(stack: Stack) -> AsyncIterator[None]:
    """Keep publishing events for a watch whose endpoint accepts requests and never responds."""
    [sick] = await stack.watches(1, below=HANGING.decode())
    await stack.publish([sick], _SICK_AT_ONCE)

    async def go_on() -> None:
        while True:
            await asyncio.sleep(_SICK_EVERY)
            await stack.publish([sick], _SICK_BATCH)

    going_on = asyncio.create_task(go_on(), name="latency.sick")
    try:
        await asyncio.sleep(0.5)
        yield
    finally:
        going_on.cancel()
        await asyncio.gather(going_on, return_exceptions=True)
        await stack.delete(sick)
        await stack.sink.release()
        await asyncio.sleep(0.5)


async def _phase(stack: Stack, watches: list[Watch], seconds: float, wrong: list[str]) -> list[float]:
    """Publish at the rate; return the milliseconds of each delivery."""
    data = [request(stack.port, stack.key, event(watch.company)) for watch in watches]
    published = await publish_at(stack.port, data, rate=RATE, seconds=seconds)
    written = {
        watch.delivery(each.event_id): each.at for watch, some in zip(watches, published, strict=True) for each in some
    }
    await stack.sink.until(len(written), seconds=20)
    receipts = await stack.sink.take()
    expected = {
        watch.path: {watch.delivery(each.event_id) for each in some}
        for watch, some in zip(watches, published, strict=True)
    }
    wrong += astray(receipts, expected)
    return [(receipt.at - written[receipt.webhook_id]) / 1e6 for receipt in receipts if receipt.webhook_id in written]
