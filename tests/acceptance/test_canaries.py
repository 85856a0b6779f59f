"""G8: no secret in a log line, an answer, a page, a command line or a store, by whichever way it came in."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from hashlib import sha256

import pytest
import pytest_asyncio

from hookward.adapters.crypto.sealing import AesGcmSealer
from tests.acceptance.canaries import (
    Canaries,
    Json,
    cells_of,
    command_lines,
    database_rows,
    files,
    forms,
    joined,
    queue_cells,
    where,
)
from tests.acceptance.dumps import guesses, opened, unpacked
from tests.acceptance.oauth_secret_inputs import CODE, OAUTH_SECRET_INPUTS
from tests.acceptance.secret_inputs import SECRET_INPUTS, CanaryService
from tests.receiver import Receiver
from tests.service import Service

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

PAGES = ("/livez", "/readyz", "/openapi.json", "/docs", "/metrics", "/dashboard", "/.well-known/jwks.json")
UNDER_WAY = "verifier of an authorization under way"
LISTS = ("watches", "crypto-keys", "api-keys", "deliveries", "events", "resource-types", "accounts")


@dataclass(frozen=True, kw_only=True)
class Flooded:
    """What is to be seen of a service that was flooded, and who has its dump.

    ``tried`` are the answers to whatever in the dump could be an API key.
    """

    canaries: Canaries
    control: str
    places: dict[str, bytes]
    rows: list[Json]
    queue: list[bytes]
    key: bytes
    tried: set[int]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def flooded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Flooded]:
    canaries, control = Canaries(), "control" + secrets.token_hex(8)
    folder = tmp_path_factory.mktemp(control)
    master_key = secrets.token_bytes(32)
    bootstrap_key = "hw_" + canaries.text("bootstrap key")
    canaries.note("master key", master_key)
    settings = {
        "HOOKWARD_SECURITY__MASTER_KEY": base64.b64encode(master_key).decode(),
        "HOOKWARD_SECURITY__BOOTSTRAP_KEY": bootstrap_key,
        "HOOKWARD_LOG__LEVEL": "debug",
        "HOOKWARD_DELIVERY__SCHEDULE": "200ms",
        "HOOKWARD_DELIVERY__TIMEOUT": "2s",
        "HOOKWARD_OAUTH__TIMEOUT": "1s",
    }
    service = Service(folder / "data", settings)
    service.key = bootstrap_key
    async with service, Receiver() as receiver:
        sut = CanaryService(service, receiver, canaries, control)
        await leave_the_control(sut)
        for secret_input in (*SECRET_INPUTS, *OAUTH_SECRET_INPUTS):
            await secret_input(sut)
        await sut.settled()
        await look_at_everything(sut)
        rows, queue = await database_rows(service), await queue_cells(service)
        note_verifiers(canaries, rows, queue, master_key)
        tried = {await status_with(service, guess) for cell in cells_of(rows) for guess in guesses(cell)}
        places = {
            "answers": joined(sut.answers),
            "database": joined(cells_of(rows)),
            "queue": joined(queue),
            "command lines": command_lines(service),
        }
        assert await service.stop() == 0
        places["logs"] = service.log.read_bytes() + files(folder / "data" / "log") + joined(sut.outputs)
        places["files of the database"] = files(folder / "data" / "postgres")
        yield Flooded(
            canaries=canaries, control=control, places=places, rows=rows, queue=queue, key=master_key, tried=tried
        )


def note_verifiers(canaries: Canaries, rows: list[Json], queue: list[bytes], key: bytes) -> None:
    """Look for the PKCE verifiers of authorizations that are in progress, which have never left the service."""
    for text in opened(rows, queue, [key]):
        if b'"verifier"' in text:
            canaries.note(UNDER_WAY, json.loads(text)["verifier"])


async def leave_the_control(sut: CanaryService) -> None:
    """What is no secret, in every place: in the log as the name of a type, in the queue by hand."""
    name = f"shop.{sut.control}"
    given = {"name": name, "identity": ["id"], "schema": {}, "sample": {"id": "1"}}
    await sut.ask("POST", "/v1/resource-types", expect=201, json=given)
    watch = {"resourceType": name, "address": sut.receiver.url + "/control"}
    made = await sut.ask("POST", "/v1/watches", expect=201, json=watch)
    published = {"resourceType": name, "event": "created", "resource": {"id": "1"}}
    sut.waiting.append((await sut.service.publish(published), made["id"]))
    async with sut.service.queue() as queue:
        await queue.set("control", sut.control)


async def look_at_everything(sut: CanaryService) -> None:
    """Every page, every list, and each thing that is in one."""
    for page in PAGES:
        async with sut.service.client.get(page) as answer:
            sut.answers.append(await answer.read())
    for name in LISTS:
        found = await sut.ask("GET", f"/v1/{name}", expect=200, params={"limit": "200"})
        for each in found["data"]:
            id_ = each.get("id") or each["name"]
            async with sut.service.client.get(f"/v1/{name}/{id_}") as answer:
                sut.answers += [await answer.read(), str(dict(answer.headers)).encode()]
                assert answer.status in (200, 404, 405)


async def test_no_secret_is_found_anywhere(flooded: Flooded) -> None:
    assert flooded.canaries.found(flooded.places) == {}
    assert len(flooded.canaries.cores) > 50


async def test_what_is_no_secret_is_found_everywhere(flooded: Flooded) -> None:
    found = {hit.partition(",")[0] for hit in where(flooded.control.encode(), flooded.places)}
    assert found == set(flooded.places)


async def status_with(service: Service, key: str) -> int:
    async with service.client.get("/v1/watches", headers={"Authorization": f"Bearer {key}"}) as answer:
        return answer.status


def credentials(flooded: Flooded, keys: Iterable[bytes]) -> set[str]:
    """The ways in of the canaries that come out of a dump of both stores with these keys."""
    dump = [*cells_of(flooded.rows), *flooded.queue]
    told = [text for cell in [*dump, *opened(flooded.rows, flooded.queue, keys)] for text in unpacked(cell)]
    return {re.sub(r" \d+$", "", place) for place in flooded.canaries.found({"dump": joined(told)})}


async def test_a_dump_of_both_stores_yields_no_credential_without_the_key(flooded: Flooded) -> None:
    """Not as it is, unpacked, nor with anything in it that could be a key."""
    cells = [*cells_of(flooded.rows), *flooded.queue]
    keys = {cell for cell in cells if len(cell) == 32} | {sha256(cell).digest() for cell in cells if len(cell) < 40}
    assert credentials(flooded, {bytes(32), b"\xff" * 32, *sorted(keys)[:200]}) == set()
    assert flooded.tried == {401}


async def test_with_the_key_the_same_dump_yields_what_was_sealed(flooded: Flooded) -> None:
    found = credentials(flooded, [flooded.key])
    assert found >= {
        "password of a watch", "header of a watch", "imported signing secret", "signing secret in bytes",
        "secret by Basic", "secret by POST", "line of the client's PEM", "refresh token of /refresh-basic",
        "access token of /refresh-pem", "access token of /credentials-jwk", "refresh token of /unwritten",
        "refresh token of /consent", UNDER_WAY,
    }  # fmt: skip
    assert found.isdisjoint({
        "api key", "bootstrap key", "master key", "password of a deleted watch", "former password", "state", CODE,
        "code_verifier at /consent", "refresh token of a deleted watch", "client secret patched",
    })  # fmt: skip


async def test_no_two_sealed_values_share_a_nonce(flooded: Flooded) -> None:
    """Else what one says, known or guessed, would tell what the other says."""
    mark = AesGcmSealer(flooded.key).key_prefixes[0]
    nonces = [cell[:17] for cell in cells_of(flooded.rows) if cell.startswith(mark) and len(cell) > 17]
    assert len(nonces) == len(set(nonces)) > 10


@pytest.mark.parametrize("form", [form for form, _ in forms(b"canary")])
async def test_a_secret_would_be_found_in_each_form(form: str) -> None:
    core = secrets.token_bytes(20)
    written = dict(forms(core))[form]
    assert [hit for hit in where(core, {"there": b"x" + written + b"y"}) if hit == f"there, {form}"]


@pytest.mark.parametrize("before", ["", "u:", "us:"])
async def test_a_secret_would_be_found_in_the_base64_of_more(before: str) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        core = secrets.token_bytes(20)
        assert list(where(core, {"there": encode(before.encode() + core + b" and more")}))
