"""Delivered per second, one worker against a bare client loop; and the disk space of deliveries.

The events of a round are accepted while no worker runs; then one is started, and the clock runs from the first
receipt to the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.appointment import appointment
from benchmarks.bare import bare_client, expected_of_bare
from benchmarks.figures import Figure, spread
from benchmarks.processes import Helper, cpu_seconds
from benchmarks.sink import Sink, astray, per_second
from benchmarks.stack import Disk, Stack, Watch, spent
from hookward.domain.events.document import body_without_template
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, EventId
from hookward.domain.json import encode_exact
from hookward.domain.resource_types.model import BodyShape
from hookward.domain.resource_types.operations import ChangeKind

WATCHES = 32
BUDGET = 0.5
DISK_BUDGET = 1536
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured."""

    rounds: int
    events: int


async def measure(stack: Stack, effort: Effort) -> tuple[list[Figure], list[str]]:
    """Return the figures, and the deliveries that did not arrive exactly once at the right path."""
    watches = await stack.watches(WATCHES)
    before = await stack.disk()
    rounds: list[dict[str, Any]] = []
    wrong: list[str] = []
    with bare_client() as client:
        await client.hear()
        for number in range(effort.rounds):
            found: dict[str, Any] = {}
            for each in ("ours", "bare") if number % 2 == 0 else ("bare", "ours"):
                if each == "ours":
                    found |= await _ours(stack, watches, effort.events, wrong)
                else:
                    found |= await _bare(client, stack.sink, watches, effort.events, wrong)
            ratio = found["delivered"] / found["bare"]
            cpu_ratio = found["bare_cpu_us"]["client"] / found["cpu_us"]["worker"]
            rounds.append({"ratio": round(ratio, 3), "cpu_ratio": round(cpu_ratio, 3), **found})
    ratios = [each["ratio"] for each in rounds]
    ours_rate, bare_rate = median(each["delivered"] for each in rounds), median(each["bare"] for each in rounds)
    cpu_ratio = median(each["cpu_ratio"] for each in rounds)
    rates = f"{ours_rate:.0f}/s ÷ {bare_rate:.0f}/s"
    figure = Figure(
        name="delivered/s ÷ bare client loop",
        value=f"{median(ratios):.2f}  ({rates}, rounds {spread(ratios)}; by CPU {cpu_ratio:.2f})",
        budget=f"≥ {BUDGET}; goal 0.6",
        met=median(ratios) >= BUDGET,
        detail={
            "ratio": median(ratios),
            "cpu_ratio": cpu_ratio,
            "rounds": rounds,
            "events": effort.events,
            "watches": WATCHES,
        },
    )
    return [figure, _disk(before, await stack.disk())], wrong


async def _ours(stack: Stack, watches: list[Watch], count: int, wrong: list[str]) -> dict[str, Any]:
    expected = await stack.publish(watches, count)
    await stack.start_worker()
    await stack.sink.until(1, seconds=_PATIENCE)
    cpu = stack.cpu()
    await stack.sink.until(count, seconds=_PATIENCE)
    used = spent(cpu, stack.cpu())
    await stack.stop_worker()
    receipts = await stack.sink.take()
    wrong += astray(receipts, expected)
    return {"delivered": round(per_second(receipts)), "cpu_us": _each(used, count)}


async def _bare(client: Helper, sink: Sink, watches: list[Watch], count: int, wrong: list[str]) -> dict[str, Any]:
    paths = [watch.path for watch in watches]
    urls = [sink.url + path for path in paths]
    cpu = {"client": cpu_seconds(client.pid), "sink": cpu_seconds(sink.pid)}
    await client.ask(urls, _document(), count)
    used = spent(cpu, {"client": cpu_seconds(client.pid), "sink": cpu_seconds(sink.pid)})
    receipts = await sink.take()
    wrong += astray(receipts, expected_of_bare(urls, paths, count))
    return {"bare": round(per_second(receipts)), "bare_cpu_us": _each(used, count)}


def _each(seconds: dict[str, float], count: int) -> dict[str, int]:
    """Return microseconds of CPU for one delivery, by process."""
    return {name: round(value * 1e6 / count) for name, value in seconds.items()}


def _document() -> bytes:
    """Return the body that Hookward delivers for such an event."""
    change = ChangeEvent(
        id=EventId(bytes(16)), account=AccountId(1), resource_type="appointment", type_version=1,
        kind=ChangeKind.UPDATED, scope={"companyId": "1"}, resource_id="1", body=encode_exact(appointment()),
    )  # fmt: skip
    return body_without_template(change, shape=BodyShape.MERGED, second=1_795_190_400, zone="UTC")


def _disk(before: Disk, after: Disk) -> Figure:
    deliveries = after.deliveries - before.deliveries
    total, bodies = after.total - before.total, after.bodies - before.bodies
    each = (total - bodies) / deliveries
    return Figure(
        name="disk per delivery beside bodies",
        value=f"{each:.0f} B  (and {bodies / deliveries:.0f} B of bodies)",
        budget=f"≤ {DISK_BUDGET} B",
        met=each <= DISK_BUDGET,
        detail={"bytes": round(each), "bodies": round(bodies / deliveries), "deliveries": deliveries},
    )
