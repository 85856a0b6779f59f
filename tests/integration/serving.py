"""What ``hookward serve`` does for the embedded stores, alone: ``python -m tests.integration.serving DIR [MODE]``."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from hookward.adapters.embedded.confine import Confinement
from hookward.adapters.embedded.data_dir import DataDir, Runtime
from hookward.adapters.embedded.postgres import EmbeddedPostgres
from hookward.adapters.embedded.valkey import EmbeddedValkey
from hookward.adapters.processes import Supervisor


async def serve(path: Path, confinement: Confinement | None) -> None:
    asked_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_end.set)
    with DataDir.claim(path) as held:
        postgres = EmbeddedPostgres(held.path, sockets=held.sockets, confinement=confinement)
        valkey = EmbeddedValkey(held.path, sockets=held.sockets)
        await postgres.prepare()
        async with Supervisor() as supervisor:
            await supervisor.start(postgres.child())
            await supervisor.start(valkey.child())
            held.publish(Runtime(pid=os.getpid(), database_url=postgres.dsn, queue_url=valkey.url))
            await asked_to_end.wait()


if __name__ == "__main__":
    directory, *mode = sys.argv[1:]
    asyncio.run(serve(Path(directory), Confinement(mode[0]) if mode else None))
