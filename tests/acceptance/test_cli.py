from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from hookward import __version__
from hookward.entrypoints.cli.main import cli
from tests.acceptance.commands import PATIENCE_SECONDS, environment, free_port, run, serving, wait_until


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Popen[bytes]]]:
    """A directory with a running ``serve``."""
    directory = tmp_path_factory.mktemp("served")
    with serving(directory, server__port=str(free_port())) as process:
        yield directory, process


@pytest.mark.parametrize("command", [None, *sorted(cli.commands)])
def test_every_command_has_help(command: str | None, tmp_path: Path) -> None:
    ended = run(*((command,) if command else ()), "--help", directory=tmp_path)
    assert ended.returncode == 0
    assert ended.stdout.startswith("Usage: ")
    assert ended.stderr == ""


def test_the_version_is_told(tmp_path: Path) -> None:
    assert run("--version", directory=tmp_path).stdout == f"hookward, version {__version__}\n"


@pytest.mark.parametrize("command", ["serve", "api", "worker", "migrate"])
def test_a_wrong_setting_stops_the_start_with_one_line_that_names_it(command: str, tmp_path: Path) -> None:
    ended = run(command, directory=tmp_path, server__port="eighty")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "hookward: server.port: 'eighty' is not right; must be a whole number from 1 to 65535"
    ]


@pytest.mark.parametrize("command", ["api", "worker", "migrate"])
def test_a_part_without_a_running_serve_is_refused_in_one_line(command: str, tmp_path: Path) -> None:
    ended = run(command, directory=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [
        "hookward: database.url: embedded, and no hookward serve runs on .hookward; start one, or set a URL"
    ]


def test_migrate_names_the_schema(served: tuple[Path, Popen[bytes]]) -> None:
    ended = run("migrate", directory=served[0])
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("schema 0001")


def test_a_serve_on_a_port_that_is_taken_is_refused_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run("serve", directory=tmp_path, server__port=str(port))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == [f"hookward: server.port: 127.0.0.1:{port} is in use; choose another"]


def test_a_second_serve_on_the_same_data_is_refused(served: tuple[Path, Popen[bytes]]) -> None:
    ended = run("serve", directory=served[0], server__port=str(free_port()))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("hookward: data.dir: ")
    assert ended.stderr.endswith("is in use by another hookward serve\n")


def test_a_serve_that_is_stopped_while_it_starts_ends_at_once(tmp_path: Path) -> None:
    with Popen(
        (sys.executable, "-m", "hookward", "serve"), cwd=tmp_path, env=environment(server__port=str(free_port()))
    ) as process:
        wait_until((tmp_path / ".hookward" / "bootstrap_key").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert not (tmp_path / ".hookward" / "serve.json").exists()


def test_the_bootstrap_key_is_printed_once(tmp_path: Path) -> None:
    for shown in (1, 0):
        with serving(tmp_path, server__port=str(free_port())) as process:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0
        key = (tmp_path / ".hookward" / "bootstrap_key").read_text().strip()
        assert (tmp_path / "serve.out").read_text("utf-8").count(key) == shown
