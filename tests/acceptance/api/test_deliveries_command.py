"""``hookward deliveries`` against a running service."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.api.test_log import ended
from tests.acceptance.commands import free_port, run
from tests.receiver import Receiver, Reply, failing_first
from tests.service import Service, event, new_company

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def hookward(service: Service, directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(run, "deliveries", *words, directory=directory, url=service.url, key=service.key)


async def test_deliveries_are_listed_shown_and_replayed(service: Service, receiver: Receiver, tmp_path: Path) -> None:
    mine = new_company()
    reply = Reply(status=500, body=b"no \x1b[31m[red]")
    watch = await service.create_watch(receiver.on("/cli", failing_first(4, reply)), company=mine)
    await service.publish(event(mine, company=mine))
    [failed] = await ended(service, 1, watchId=watch)

    listed = await hookward(service, tmp_path, "ls", "--watch", watch, "--status", "failed")
    as_json = await hookward(service, tmp_path, "ls", "--watch", watch, "--json")
    shown = await hookward(service, tmp_path, "show", failed["id"])
    replayed = await hookward(service, tmp_path, "replay", failed["id"], "--json")

    assert (listed.returncode, listed.stderr) == (0, "")
    assert all(word in listed.stdout for word in (failed["id"], "failed", "appointment.updated", mine, "500"))
    assert [each["id"] for each in json.loads(as_json.stdout)["data"]] == [failed["id"]]
    assert (shown.returncode, "\x1b" in shown.stdout, shown.stdout.count("[red]")) == (0, False, 4)
    assert ("attempt 1\n" in shown.stdout, "\u2500" in shown.stdout) == (True, False)
    assert json.loads(replayed.stdout) == {"id": failed["id"]}
    [after] = await ended(service, 1, watchId=watch)
    assert after["status"] == "delivered"


async def test_what_the_api_refuses_is_said_with_every_reason(service: Service, tmp_path: Path) -> None:
    refused = await hookward(service, tmp_path, "ls", "--status", "done", "--since", "today")
    unknown = await hookward(service, tmp_path, "show", "dlv_../../x")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "status must be one of" in refused.stderr
    assert "since must be a moment" in refused.stderr
    assert (unknown.returncode, unknown.stderr) == (1, "hookward: there is no such delivery\n")


async def test_an_api_that_is_away_is_said_in_one_line(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    away = await asyncio.to_thread(run, "deliveries", "ls", directory=tmp_path, url=url, key="k" * 20)
    wrong = await asyncio.to_thread(run, "deliveries", "ls", directory=tmp_path, url="ftp://x", key="k" * 20)

    assert (away.returncode, away.stdout, away.stderr.count("\n")) == (3, "", 1)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)


async def test_who_has_no_key_is_told_how_to_give_one(tmp_path: Path) -> None:
    listed = await asyncio.to_thread(run, "deliveries", "ls", directory=tmp_path, url="http://127.0.0.1:1")
    keys = await asyncio.to_thread(run, "keys", "ls", directory=tmp_path, url="http://127.0.0.1:1")

    for each in (listed, keys):
        assert (each.returncode, each.stderr.count("\n")) == (2, 1)
        assert "--key: needed to ask the api; HOOKWARD_KEY sets it too" in each.stderr


async def test_address_and_key_come_from_the_settings_and_the_data_directory(service: Service, tmp_path: Path) -> None:
    (tmp_path / ".hookward").mkdir()
    (tmp_path / ".hookward" / "bootstrap_key").write_text(service.key)
    (tmp_path / ".hookward" / "bootstrap_key").chmod(0o600)

    listed = await asyncio.to_thread(
        run, "deliveries", "ls", "--limit", "1", "--json", directory=tmp_path, server__port=str(service.port)
    )

    assert (listed.returncode, listed.stderr) == (0, "")
    assert json.loads(listed.stdout).keys() >= {"data", "nextCursor", "prevCursor"}
