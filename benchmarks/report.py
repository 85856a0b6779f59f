"""Reports the figures as a table and as JSON, with the machine that they were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure

RESULTS = Path(__file__).with_name("results") / "latest.json"
_WORDS = {True: "[green]met[/]", False: "[red]not met[/]", None: ""}


def machine() -> dict[str, Any]:
    """Return the facts about the machine that the figures depend on."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": _cpu_model(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "commit": _commit(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("ascii", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str | None:
    command = ("git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def show(facts: dict[str, Any], figures: list[Figure], wrong: list[str]) -> None:
    """Print the table."""
    console = Console()
    table = Table(title=f"Hookward on {facts['cores']} cores of {facts['cpu']}, Python {facts['python']}")
    for heading in ("figure", "measured", "budget", ""):
        table.add_column(heading)
    for each in figures:
        table.add_row(each.name, each.value, each.budget, _WORDS[each.met])
    console.print(table)
    if facts["load"] > facts["cores"] / 4:
        console.print(
            f"[yellow]The machine was busy before the start (load {facts['load']}): trust the CPU ratios alone.[/]"
        )
    for each_wrong in wrong:
        console.print(f"[red]not delivered exactly once:[/] {each_wrong}")


def write(facts: dict[str, Any], figures: list[Figure], wrong: list[str]) -> None:
    """Write ``results/latest.json``."""
    RESULTS.parent.mkdir(exist_ok=True)
    document = {"machine": facts, "figures": [_as_json(each) for each in figures], "wrong": wrong}
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def _as_json(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name, "value": figure.value, "budget": figure.budget, "met": figure.met, **figure.detail,
    }  # fmt: skip
