"""A parent of one Python child of ours: ``python -m tests.integration.parent asyncio|uvloop LOG``."""

import asyncio
import os
import sys
from pathlib import Path

import uvloop

from hookward.adapters.processes import Child, Supervisor

CHILD = """
import os, signal, sys
from hookward.adapters.processes import die_with
die_with(int(sys.argv[1]))
print(os.getpid(), flush=True)
signal.pause()
"""


async def keep_one_child(log: Path) -> None:
    async with Supervisor() as supervisor:
        argv = (sys.executable, "-c", CHILD, str(os.getpid()))
        await supervisor.start(Child(name="child", argv=argv, log=log))
        await supervisor.watch()


if __name__ == "__main__":
    kind, path = sys.argv[1:]
    loop_factory = uvloop.new_event_loop if kind == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(keep_one_child(Path(path)))
