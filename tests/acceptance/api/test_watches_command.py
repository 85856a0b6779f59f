"""``hookward watches`` as a user runs it."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.acceptance.commands import free_port, run
from tests.receiver import Receiver, Reply
from tests.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Shell:
    """Runs commands against a service."""

    def __init__(self, service: Service, directory: Path) -> None:
        self.settings = {"url": service.url, "key": service.key}
        self.directory = directory

    async def __call__(self, *arguments: str, **settings: str) -> CompletedProcess[str]:
        return await asyncio.to_thread(
            run, "watches", *arguments, directory=self.directory, **{**self.settings, **settings}
        )


@pytest.fixture
def shell(service: Service, tmp_path: Path) -> Shell:
    return Shell(service, tmp_path)


async def make(service: Service, address: str = "https://example.com/hook", **more: Any) -> str:
    return await service.create_watch(address, company=uuid.uuid4().hex, **more)


async def test_watches_are_listed_for_people_and_programs(service: Service, shell: Shell) -> None:
    name = uuid.uuid4().hex + " \x1b[2J"
    watch = await make(service, name=name)
    listed = await shell("ls", "--search", name)
    assert (listed.returncode, watch in listed.stdout, "\x1b" in listed.stdout) == (0, True, False)
    for filters in (("--name", name), ("--search", name.upper(), "--type", "appointment", "--status", "enabled")):
        listed = await shell("ls", *filters, "--json")
        assert [each["id"] for each in json.loads(listed.stdout)["data"]] == [watch]
    assert (await shell("ls", "--search", name, "--status", "paused")).stdout == "no watches\n"
    refused = await shell("ls", "--type", "x")
    assert (refused.returncode, "resourceType must be one of" in refused.stderr) == (1, True)


async def test_a_watch_is_shown_without_its_secrets(service: Service, shell: Shell) -> None:
    watch = await make(service, httpRequestHeader={"X-A": "canary"})
    shown = [await shell("show", watch), await shell("show", watch, "--json")]
    assert json.loads(shown[1].stdout)["id"] == watch
    assert all(each.returncode == 0 and watch in each.stdout and "canary" not in each.stdout for each in shown)


async def test_watches_are_paused_enabled_disabled_and_removed(service: Service, shell: Shell) -> None:
    watches = [await make(service), await make(service)]
    for command, status in (("pause", "paused"), ("enable", "enabled"), ("disable", "disabled")):
        ended = await shell(command, *watches)
        assert (ended.returncode, ended.stdout) == (0, "".join(f"{each} is {status}\n" for each in watches))
        found = [(await service.ask("GET", f"/v1/watches/{each}", expect=200))["status"] for each in watches]
        assert found == [status, status]
    assert (await shell("rm", watches[0])).returncode == 0
    ended = await shell("rm", *watches, "../keys", "--json")
    assert (ended.returncode, [each["error"] is None for each in json.loads(ended.stdout)["data"]]) == (
        1, [False, True, False],
    )  # fmt: skip
    assert ended.stderr.count("there is no such watch") == 2


async def test_a_test_ends_well_only_when_the_endpoint_says_so(
    service: Service, shell: Shell, receiver: Receiver, tmp_path: Path
) -> None:
    watch = await make(service, receiver.on("/hook", Reply(status=500, body=b"no \x1b[2J")))
    failed = await shell("test", watch)
    assert (failed.returncode, "500" in failed.stdout, "\x1b" in failed.stdout) == (1, True, False)
    receiver.on("/hook", Reply(status=204, body=b""))
    (tmp_path / "mine.json").write_text('{"id": "mine"}')
    done = await shell("test", watch, "--event", "deleted", "--resource", "mine.json", "--json")
    assert (done.returncode, json.loads(done.stdout)["response"]["statusCode"]) == (0, 204)
    body = json.loads(receiver.requests[-1].body)
    assert (body["event"], body["id"]) == ("deleted", "mine")
    (tmp_path / "bad.json").write_text("{")
    refused = await shell("test", watch, "--resource", "bad.json")
    assert (refused.returncode, "not JSON" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"key": "hw_wrong"}, 1, "not known"), ({"url": "ftp://x"}, 2, "--url"), ({"key": "ü"}, 2, "--key"),
        ({"url": f"http://127.0.0.1:{free_port()}"}, 3, "cannot be reached"),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_says_why_in_one_line(
    shell: Shell, settings: dict[str, str], code: int, message: str
) -> None:
    ended = await shell("ls", **settings)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n"), message in ended.stderr) == (code, "", 1, True)
