"""``python -m benchmarks [--only NAME] [--quick]``."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import click
import uvloop

from benchmarks import accepted, delivered, latency, report
from benchmarks.figures import Figure
from benchmarks.sink import Sink, sink_process
from benchmarks.stack import Stack, open_stack

NAMES = ("delivered", "latency", "apart", "accepted")
MEMORY_BUDGET = 200 << 20


@click.command()
@click.option("--only", type=click.Choice(NAMES), help="Measure this alone.")
@click.option("--quick", is_flag=True, help="A look in a minute; too short for figures to quote.")
def main(*, only: str | None, quick: bool) -> None:
    """Measure the budgets. Exits with 1 if a delivery did not arrive exactly once, whatever the figures are."""
    facts = report.machine()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures, wrong = runner.run(_measure((only,) if only else NAMES, quick=quick))
    report.show(facts, figures, wrong)
    report.write(facts, figures, wrong)
    sys.exit(1 if wrong else 0)


async def _measure(names: tuple[str, ...], *, quick: bool) -> tuple[list[Figure], list[str]]:
    figures: list[Figure] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="hookward-bench-") as directory, sink_process() as helper:
        sink = await Sink.start(helper)
        async with open_stack(Path(directory) / "data", sink) as stack:
            for name in names:
                print(f"measuring {name} …", flush=True)
                found, astray = await _one(name, stack, quick=quick)
                figures += found
                wrong += astray
            if stack.worker_memory:
                figures.append(_memory(stack))
    return figures, wrong


async def _one(name: str, stack: Stack, *, quick: bool) -> tuple[list[Figure], list[str]]:
    if name == "delivered":
        return await delivered.measure(
            stack, delivered.Effort(rounds=2 if quick else 5, events=6000 if quick else 12000)
        )
    if name == "accepted":
        return [await accepted.measure(stack, accepted.Effort(rounds=2 if quick else 5, seconds=1 if quick else 2))], []
    if name == "latency":
        figure, wrong = await latency.measure(stack, latency.Effort(seconds=4 if quick else 15))
    else:
        effort = latency.Effort(seconds=2 if quick else 4, pairs=2 if quick else 5)
        figure, wrong = await latency.measure_apart(stack, effort)
    return [figure], wrong


def _memory(stack: Stack) -> Figure:
    peak = stack.worker_memory
    return Figure(
        name="memory of a worker, at most",
        value=f"{peak / (1 << 20):.0f} MiB",
        budget=f"≤ {MEMORY_BUDGET >> 20} MiB",
        met=peak <= MEMORY_BUDGET,
        detail={"bytes": peak},
    )


if __name__ == "__main__":
    main()
