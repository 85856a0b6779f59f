"""Whatever happens to ``serve``, nothing of it stays behind."""

import asyncpg
import pytest

from hookward.adapters.embedded.data_dir import read_runtime
from tests.integration.observing import (
    MODES,
    command_line,
    descendants,
    is_running,
    program,
    serving,
    until,
    working_in,
)


@pytest.mark.chaos
@pytest.mark.parametrize("mode", MODES)
async def test_a_kill_of_the_parent_ends_every_child_and_loses_nothing(tmp_path, mode):
    arguments = () if mode is None else (mode,)
    async with serving(tmp_path, *arguments) as (serve, runtime):
        connection = await asyncpg.connect(runtime.database_url)
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS it")
        children = descendants(serve.pid)
        lines = " ".join(command_line(child) for child in children)
        assert "postgres" in lines
        assert "valkey-server" in lines

        serve.kill()
        serve.wait()

        await until(lambda: not any(is_running(child) for child in children))
        connection.terminate()
    assert read_runtime(tmp_path) is None

    async with serving(tmp_path, *arguments) as (_, runtime):
        connection = await asyncpg.connect(runtime.database_url)
        assert await connection.fetchval("SELECT it FROM kept") == 42
        await connection.close()


@pytest.mark.chaos
async def test_the_next_serve_starts_while_the_last_ones_server_is_still_ending(tmp_path):
    async with serving(tmp_path) as (first, runtime):
        connection = await asyncpg.connect(runtime.database_url)
        await connection.execute("CREATE TABLE much AS SELECT generate_series(1, 500000) AS number")
        first.kill()
        first.wait()
        assert working_in(tmp_path / "postgres")

        async with serving(tmp_path) as (_, runtime_of_the_next):
            other = await asyncpg.connect(runtime_of_the_next.database_url)
            assert await other.fetchval("SELECT count(*) FROM much") == 500_000
            await other.close()
        connection.terminate()


async def test_a_polite_end_leaves_nothing_running_and_no_socket(tmp_path):
    async with serving(tmp_path) as (serve, runtime):
        children = descendants(serve.pid)
        assert runtime.pid == serve.pid

    assert not any(is_running(child) for child in children)
    assert not (tmp_path / "serve.json").exists()
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


async def test_a_second_serve_ends_at_once_and_does_not_disturb_the_first(tmp_path):
    async with serving(tmp_path) as (_, runtime):
        with program("tests.integration.serving", tmp_path) as second:
            await until(lambda: second.poll() is not None)
            assert second.returncode == 1

        assert read_runtime(tmp_path) == runtime
