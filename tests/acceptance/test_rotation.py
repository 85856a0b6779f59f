"""A master key is changed: with the old key, with both, with the new one alone, and with the wrong one."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.receiver import Received, Receiver
from tests.service import Service, event, wait_until

A, B = (base64.b64encode(bytes([byte]) * 32).decode() for byte in b"AB")
BASIC = "Basic " + base64.b64encode(b"crm:s3cret-password").decode()


def keys(service: Service, key: str, *old: str) -> None:
    """The ring that the next start is to have."""
    service.environment["HOOKWARD_SECURITY__MASTER_KEY"] = key
    service.environment["HOOKWARD_SECURITY__OLD_MASTER_KEYS"] = ",".join(old)


async def run(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in the environment of the service, to its end."""
    return await asyncio.to_thread(
        subprocess.run,
        [*service.command[:-1], *arguments],
        env=service.environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


async def refused(service: Service) -> str:
    """What ``serve`` says when it does not start."""
    ended = await run(service, "serve")
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    return line


class Integrator:
    """A watch that signs, with a password and a header of its own, and what it receives."""

    def __init__(self, service: Service, receiver: Receiver) -> None:
        self._service = service
        self._receiver = receiver
        self.secrets: list[str] = []

    async def watch(self) -> str:
        given = {"basicAuth": {"username": "crm", "password": "s3cret-password"}, "signature": {"enabled": True}}
        given |= {"httpRequestHeader": {"X-Their-Key": "k3y"}, "scope": {"companyId": "1"}}
        given |= {"resourceType": "appointment", "address": self._receiver.url + "/x"}
        made = await self._service.ask("POST", "/v1/watches", expect=201, json=given)
        self.secrets.append(made["signature"]["secret"])
        return str(made["id"])

    async def rotate_signature(self) -> None:
        [key] = (await self._service.ask("GET", "/v1/crypto-keys", expect=200))["data"]
        rotated = await self._service.ask("POST", f"/v1/crypto-keys/{key['id']}/rotate", expect=200)
        self.secrets.append(rotated["secret"])

    async def receives(self, count: int) -> None:
        """Publish so many events, and see that all of them arrive as they should."""
        before = len(self._receiver.requests)
        for number in range(count):
            await self._service.publish(event(str(number)))
        await wait_until(lambda: len(self._receiver.requests) >= before + count)
        assert all(map(self._is_right, self._receiver.requests[before:]))

    def _is_right(self, received: Received) -> bool:
        for each in self.secrets:
            Webhook(each).verify(received.body, received.headers)
        return (received.headers["authorization"], received.headers["x-their-key"]) == (BASIC, "k3y")


@pytest.mark.timeout(180)
async def test_the_master_key_is_changed_while_deliveries_go_on(tmp_path: Path) -> None:
    service = Service(tmp_path / "data")
    keys(service, A)
    async with service, Receiver() as receiver:
        integrator = Integrator(service, receiver)
        watch = await integrator.watch()
        await integrator.receives(3)
        await integrator.rotate_signature()
        await integrator.receives(3)
        assert await service.stop() == 0

        keys(service, B)
        line = await refused(service)
        assert line.startswith("hookward: security.master_key: wrong key: secrets in this database are sealed with ")

        keys(service, B, A)
        await service.start()
        ended = await run(service, "secrets", "status", "--json")
        new, old = json.loads(ended.stdout)["data"]
        assert (new["seals"], new["values"], old["values"], old["mayBeDropped"]) == (True, 0, 3, False)
        assert old["id"] in line
        [report, *_] = await asyncio.gather(run(service, "secrets", "rotate", "--json"), integrator.receives(50))
        assert json.loads(report.stdout) == {
            "resealed": 3,
            "unreadable": [],
            "complete": True,
            "keys": [{**new, "values": 3}, {**old, "values": 0, "mayBeDropped": True}],
        }
        assert (report.returncode, report.stderr) == (0, "")
        await service.ask("PATCH", f"/v1/watches/{watch}", expect=200, json={"name": "still theirs"})
        await integrator.receives(3)
        assert await service.stop() == 0

        keys(service, B)
        await service.start()
        await integrator.receives(3)
        again = await run(service, "secrets", "rotate")
        assert (again.returncode, again.stdout.splitlines()[0]) == (0, "0 secrets were re-encrypted")
        await with_the_old_key_alone(service, f"sealed with master key {new['id']}", f"configured is {old['id']};")


async def with_the_old_key_alone(service: Service, sealed: str, configured: str) -> None:
    """Nothing starts, and each says why."""
    keys(service, A)
    for command in ("api", "worker"):
        ended = await run(service, command)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert f"{sealed}, and {configured}" in ended.stderr
    status, rotate = [await run(service, "secrets", each) for each in ("status", "rotate")]
    assert (status.returncode, "not configured, and needed" in status.stdout) == (1, True)
    assert (rotate.returncode, f"{sealed}, which is not configured" in rotate.stderr) == (2, True)
    assert await service.stop() == 0
    assert f"{sealed}, and {configured}" in await refused(service)
    assert [key for key in (A, B) if key in service.log.read_text()] == []


@pytest.mark.timeout(120)
async def test_a_master_key_that_is_gone_is_not_replaced_by_another(tmp_path: Path) -> None:
    service = Service(tmp_path / "data")
    file = tmp_path / "data" / "master_key"
    async with service:
        assert await service.stop() == 0
        kept = file.read_text()
        file.unlink()
        assert (await refused(service)).startswith(f"hookward: security.master_key: not set, and {file} is gone; ")
        file.write_text(f"{A}\n{kept}")
        file.chmod(0o600)
        await service.start()
        assert (await run(service, "secrets", "rotate")).returncode == 0
        assert await service.stop() == 0
        file.write_text(A)
        await service.start()
