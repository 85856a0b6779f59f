"""Every way by which a secret comes in, each with a canary. A new one belongs into SECRET_INPUTS."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.acceptance.canaries import Canaries, Json
from tests.receiver import Received, Receiver, Reply
from tests.service import Service, event, free_port, wait_until


class CanaryService:
    """A service that is flooded with canaries, and what it said meanwhile.

    Whatever is shown once, to the caller that asked for it, is asked for with ``once`` and not looked through.
    """

    def __init__(self, service: Service, receiver: Receiver, canaries: Canaries, control: str) -> None:
        self.service = service
        self.receiver = receiver
        self.canaries = canaries
        self.control = control
        self.answers: list[bytes] = []
        self.outputs: list[bytes] = []
        self.waiting: list[tuple[str, str]] = []
        self._companies = 0

    async def ask(self, method: str, path: str, *, expect: int, once: bool = False, **more: Any) -> Any:
        """A request; its answer is looked through, head and body."""
        async with self.service.client.request(method, path, **more) as answer:
            body = await answer.read()
            assert answer.status == expect, f"{method} {path}: {answer.status} {body[:500]!r}"
            if not once:
                self.answers += [body, str(dict(answer.headers)).encode()]
            return json.loads(body) if body else None

    async def refused(self, method: str, path: str, *, once: bool = False, **more: Any) -> None:
        """A request that is wrong; its answer is looked through."""
        async with self.service.client.request(method, path, **more) as answer:
            if not once:
                self.answers += [await answer.read(), str(dict(answer.headers)).encode()]
            assert 400 <= answer.status < 500, f"{method} {path}: {answer.status} {more}"

    async def watch(self, address: str, *, once: bool = False, **given: Any) -> Json:
        """A watch on a company of its own, an event for it, and a test send."""
        self._companies += 1
        company = f"{self._companies}"
        watch = {"resourceType": "appointment", "scope": {"companyId": company}, "address": address, **given}
        made: Json = await self.ask("POST", "/v1/watches", expect=201, once=once, json=watch)
        await self.publish(company, made["id"])
        if made["status"] != "disabled":
            await self.ask("POST", f"/v1/watches/{made['id']}/test", expect=200)
        return made | {"company": company}

    async def publish(self, company: str, watch: str) -> None:
        self.waiting.append((await self.service.publish(event(self.control, company=company)), watch))

    async def settled(self) -> None:
        """Wait until each event has its delivery, which has been tried."""

        async def tried() -> bool:
            deliveries = await self.service.deliveries()
            done = {(each["event"]["id"], each["watch"]["id"]) for each in deliveries if each["attemptCount"]}
            return done.issuperset(self.waiting)

        await wait_until(tried)

    async def run(self, *arguments: str, **settings: str) -> int:
        """A command with other settings, to its end; answers its exit status."""
        given = {f"HOOKWARD_{name.upper()}": value for name, value in settings.items()}
        ended = await asyncio.to_thread(
            subprocess.run,
            [*self.service.command[:-1], *arguments],
            env={**self.service.environment, **given},
            capture_output=True,
            timeout=60,
            check=False,
        )
        self.outputs += [ended.stdout, ended.stderr]
        return ended.returncode

    def echo(self, path: str, status: int = 200) -> str:
        """An address that answers with what it was sent, in headers and body; answers the address."""

        def script(received: Received) -> Reply:
            mirrored = {f"X-Echo-{name}": value for name, value in received.headers.items() if name != "content-length"}
            body = (
                json.dumps({"you sent": received.headers}).encode() + received.headers.get("authorization", "").encode()
            )
            return Reply(status=status, headers=mirrored, body=body)

        return self.receiver.on(path, script)


async def passwords(sut: CanaryService) -> None:
    password = sut.canaries.text("password of a watch")
    basic = {"username": "crm", "password": password}
    sut.canaries.note("credentials of a watch", base64.b64encode(f"crm:{password}".encode()))
    await sut.watch(sut.echo("/basic"), basicAuth=basic)
    await sut.watch(sut.echo("/failing", 500), basicAuth={**basic, "password": sut.canaries.text("password, 500")})


async def headers(sut: CanaryService) -> None:
    given = {
        "X-Their-Key": sut.canaries.text("header of a watch"),
        "Cookie": sut.canaries.text("cookie of a watch"),
    }
    given["Authorization"] = "Bearer " + sut.canaries.text("bearer token of a watch")
    await sut.watch(sut.echo("/headers"), httpRequestHeader=given)


async def endpoints_that_fail(sut: CanaryService) -> None:
    """No name, no TLS, no listener, no HTTP: what is said of it is kept and shown."""
    closed, garbled = f"http://127.0.0.1:{free_port()}/", sut.receiver.on("/garbled", Reply(close=True))
    tls = sut.receiver.url.replace("http:", "https:")
    for address in ("http://nowhere.invalid/", f"{tls}/tls", closed, garbled, "http://10.1.2.3/"):
        basic = {"username": "u", "password": sut.canaries.text(f"password for {address}")}
        await sut.watch(address, basicAuth=basic, httpRequestHeader={"X-K": sut.canaries.text(f"header for {address}")})


async def watches_that_change(sut: CanaryService) -> None:
    """What was a secret once is one for ever."""
    basic = {"username": "u", "password": sut.canaries.text("former password")}
    made = await sut.watch(sut.echo("/changed"), basicAuth=basic)
    path = f"/v1/watches/{made['id']}"
    patch: Json = {"basicAuth": {"username": "u", "password": sut.canaries.text("patched password")}}
    await sut.ask("PATCH", path, expect=200, json=patch)
    header = {"X-New": sut.canaries.text("header that was put")}
    await sut.ask("PUT", path, expect=200, json={"address": sut.echo("/put"), "httpRequestHeader": header})
    await sut.publish(made["company"], made["id"])
    await sut.settled()
    for change in ({"status": "paused"}, {"status": "disabled"}, {"status": "enabled"}):
        await sut.ask("PATCH", path, expect=200, json=change)
    gone = {"username": "u", "password": sut.canaries.text("password of a deleted watch")}
    deleted = await sut.watch(sut.echo("/deleted"), basicAuth=gone)
    await sut.settled()
    await sut.ask("DELETE", f"/v1/watches/{deleted['id']}", expect=204)


async def crypto_keys(sut: CanaryService) -> None:
    imported = base64.b64encode(sut.canaries.text("imported signing secret").encode()).decode()
    key = await sut.ask(
        "POST", "/v1/crypto-keys", expect=201, once=True, json={"name": "imported", "secret": f"whsec_{imported}"}
    )
    again = base64.b64encode(sut.canaries.text("signing secret rotated to").encode()).decode()
    path = f"/v1/crypto-keys/{key['id']}"
    await sut.ask("POST", f"{path}/rotate", expect=200, once=True, json={"secret": f"whsec_{again}"})
    await sut.ask("POST", f"{path}/rotate", expect=422, json={"secret": f"whsec_{again}"})
    tells = sut.receiver.on("/tells", Reply(status=401, body=f"expected a signature by whsec_{again}".encode()))
    await sut.watch(tells, signature={"enabled": True, "cryptoKeyIds": [key["id"]]})
    watched = await sut.watch(sut.echo("/signed"), signature={"enabled": True, "cryptoKeyIds": [key["id"]]})
    made = await sut.watch(sut.echo("/signed-too"), once=True, signature={"enabled": True})
    sut.canaries.note("signing secret made for a watch", made["signature"]["secret"].removeprefix("whsec_"))
    sut.canaries.note("signing secret in bytes", base64.b64decode(made["signature"]["secret"].removeprefix("whsec_")))
    assert watched["signature"] == {"enabled": True, "cryptoKeyIds": [key["id"]]}


async def private_keys(sut: CanaryService) -> None:
    """Keys whose public side everybody sees."""
    seed = sut.canaries.text("Ed25519 key").encode().ljust(32, b"+")
    sut.canaries.note("Ed25519 key in bytes", seed)
    curve = generate_private_key(SECP256R1())
    sut.canaries.note("P-256 key", curve.private_numbers().private_value.to_bytes(32, "big"))
    pem = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    imported = {"ed25519": f"whsk_{base64.b64encode(seed).decode()}", "ecdsa-p256-sha256": pem}
    for algorithm, secret in imported.items():
        rfc9421 = {"format": "rfc9421"} if algorithm.startswith("ecdsa") else {}
        given = {"name": algorithm, "algorithm": algorithm, "secret": secret, **rfc9421}
        made = await sut.ask("POST", "/v1/crypto-keys", expect=201, json=given)
        await sut.watch(sut.echo(f"/{algorithm}"), signature={"enabled": True, "cryptoKeyIds": [made["id"]]})
        wrong = {**given, "secret": secret[:-40]}
        await sut.refused("POST", "/v1/crypto-keys", json=wrong)


async def api_keys(sut: CanaryService) -> None:
    for owner in (None, "integrator-7"):
        given = {"name": "n", "scopes": ["watches", "deliveries"], **({"owner": owner} if owner else {})}
        made = await sut.ask("POST", "/v1/api-keys", expect=201, once=True, json=given)
        sut.canaries.note("api key", made["key"].removeprefix("hw_"))
        for way in (f"Bearer {made['key']}", made["key"], "Basic " + base64.b64encode(made["key"].encode()).decode()):
            await sut.ask("GET", "/v1/watches", expect=200, headers={"Authorization": way})
        await sut.ask("POST", "/v1/accounts", expect=403, headers={"Authorization": way}, json={"name": "x"})
        await sut.ask("DELETE", f"/v1/api-keys/{made['id']}", expect=204)
    account = await sut.ask("POST", "/v1/accounts", expect=201, once=True, json={"name": "another"})
    sut.canaries.note("first key of an account", account["key"].removeprefix("hw_"))


async def keys_that_are_none(sut: CanaryService) -> None:
    unknown = "hw_" + sut.canaries.text("key that is not known")
    for way in (
        f"Bearer {unknown}",
        unknown,
        "Basic " + base64.b64encode(unknown.encode()).decode(),
        f"Digest {unknown}",
    ):
        await sut.ask("GET", "/v1/watches", expect=401, headers={"Authorization": way})


async def secrets_in_wrong_places(sut: CanaryService) -> None:
    """In requests that are refused: a message may say where something is wrong, and not what was there."""
    canary = sut.canaries.text
    wrong: list[Json] = [
        {"basicAuth": {"username": "u", "password": [canary("password in a list")]}},
        {"basicAuth": {"username": canary("user name with a colon") + ":", "password": "x"}},
        {"basicAuth": canary("password instead of a block")},
        {"basicAuth": {"user": "u", "passwort": canary("password misspelt")}},
        {"passwordd": canary("unknown property")},
        {"httpRequestHeader": {"X-A": canary("header with a line break") + "\r\nX-B: y"}},
        {"httpRequestHeader": {"webhook-id": canary("reserved header")}},
        {"httpRequestHeader": [canary("headers in a list")]},
        {"address": f"http://u:{canary('password in an address')}@127.0.0.1/"},
        {"signature": {"enabled": canary("signing secret as a flag"), "secret": canary("signing secret in a watch")}},
        {"filter": "$[" + canary("secret in a filter")},
    ]
    for given in wrong:
        whole = {"resourceType": "appointment", "scope": {"companyId": "1"}, "address": "http://127.0.0.1/", **given}
        await sut.refused("POST", "/v1/watches", json=whole)
    for path in ("/v1/watches", "/v1/events", "/v1/crypto-keys", "/v1/api-keys"):  # told which it is by its name
        await sut.refused("POST", path, once=True, json={canary("secret as the name of a property"): 1})
    for secret in (f"whsec_{canary('secret that is no base64')}", 7, [canary("secret in a list")], canary("no whsec")):
        await sut.refused("POST", "/v1/crypto-keys", json={"name": "x", "secret": secret})
    body = '{"basicAuth": {"password": "' + canary("password in what is no JSON") + '"'
    for path in ("/v1/watches", "/v1/events", "/v1/crypto-keys", "/v1/api-keys", "/companies/1/appointments"):
        await sut.refused("POST", path, data=body, headers={"Content-Type": "application/json"})
    await sut.refused("GET", "/v1/watches", params={"cursor": canary("secret as a cursor")})
    await sut.refused("GET", "/v1/watches", params={"api_key": canary("key in a query")})
    await sut.refused("GET", f"/v1/watches/{canary('secret as an id').replace('/', '')}")


async def stores_that_are_away(sut: CanaryService) -> None:
    """Passwords of stores, at addresses without a listener and at invalid ones; and wrong keys."""
    port, canary = free_port(), sut.canaries.text
    plain = canary("password of the database").replace("/", "").replace("&", "")
    away = f"postgresql://hookward:{plain}@127.0.0.1:{port}/hookward"
    garbled = f"postgresql://hookward:{canary('password in a garbled address')}@127.0.0.1:{port}x/hookward"
    queue = f"redis://:{canary('password of the queue')}@127.0.0.1:{port}x"
    runs = [sut.run(*command, database__url=away) for command in (("migrate",), ("secrets", "status"), ("api",))]
    runs += [sut.run(*command, database__url=garbled) for command in (("migrate",), ("worker",))]
    runs.append(sut.run("worker", queue__url=queue))
    for setting in ("bootstrap_key", "master_key", "old_master_keys"):
        given = {f"security__{setting}": canary(f"wrong {setting}")[:15]}
        runs.append(sut.run("serve", **given))
    key = canary("another master key").encode()[:32].ljust(32, b"+")
    other = {"security__master_key": base64.b64encode(key).decode()}
    runs += [sut.run(*command, **other) for command in (("api",), ("secrets", "rotate"))]
    assert 0 not in await asyncio.gather(*runs)


SecretInput = Callable[[CanaryService], Awaitable[None]]

SECRET_INPUTS: tuple[SecretInput, ...] = (
    passwords, headers, endpoints_that_fail, watches_that_change, crypto_keys, private_keys, api_keys,
    keys_that_are_none, secrets_in_wrong_places, stores_that_are_away,
)  # fmt: skip
