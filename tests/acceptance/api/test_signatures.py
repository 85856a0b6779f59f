"""Every kind of signature, verified by implementations that we did not write, over live deliveries."""

from __future__ import annotations

import asyncio
import uuid
from base64 import b64encode
from typing import Any

import pytest

from tests.peers import ask, needs_node
from tests.receiver import Received, Receiver
from tests.service import Service, event, wait_until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), needs_node]

ALGORITHMS = ("hmac-sha256", "ed25519", "ecdsa-p256-sha256", "rsa-pss-sha512")


async def new_key(service: Service, **given: Any) -> dict[str, Any]:
    return dict(await service.ask("POST", "/v1/crypto-keys", expect=201, json={"name": "a key", **given}))


async def rotated(service: Service, key: dict[str, Any]) -> dict[str, Any]:
    return dict(await service.ask("POST", f"/v1/crypto-keys/{key['id']}/rotate", expect=200))


async def signed_watch(service: Service, receiver: Receiver, *keys: dict[str, Any], **more: Any) -> str:
    """A company of its own whose events go to ``receiver``, signed by ``keys``."""
    company = uuid.uuid4().hex
    signature = {"enabled": True, "cryptoKeyIds": [key["id"] for key in keys]}
    await service.create_watch(f"{receiver.url}/{company}?q=%20x", company=company, signature=signature, **more)
    return company


async def next_request(service: Service, receiver: Receiver, company: str) -> Received:
    count = len(receiver.requests)
    await service.publish(event("1", company=company))
    await wait_until(lambda: len(receiver.requests) > count)
    return receiver.requests[count]


def as_received(receiver: Receiver, received: Received) -> dict[str, Any]:
    url = receiver.url + received.path
    body = b64encode(received.body).decode()
    return {"method": received.method, "url": url, "headers": received.headers, "body": body}


def secret_bytes(key: dict[str, Any]) -> str:
    return str(key["secret"]).removeprefix("whsec_")


async def verdicts(*questions: dict[str, Any]) -> list[Any]:
    return [answer["verified"] for answer in await ask("verify.mjs", questions)]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_message_signatures_of_every_algorithm_verify_by_the_published_keys(
    service: Service, receiver: Receiver, method: str
) -> None:
    questions: list[dict[str, Any]] = []
    jwks = service.url + "/.well-known/jwks.json"
    for algorithm in ALGORITHMS:
        key = await new_key(service, algorithm=algorithm, format="rfc9421")
        company = await signed_watch(service, receiver, key, method=method)
        request = as_received(receiver, await next_request(service, receiver, company))
        mine: dict[str, Any] = (
            {"hmac": {key["kid"]: secret_bytes(key)}} if algorithm == "hmac-sha256" else {"jwksUrl": jwks}
        )
        changed = {**request, "url": request["url"] + "&more"}
        questions += [{"request": request, **mine}, {"request": changed, **mine}, {"request": request}]
    found = await verdicts(*questions)
    assert found[0::3] == [True] * 4
    assert found[1::3] == [False] * 4
    assert True not in found[2::3]  # without the key nothing verifies


async def test_a_changed_body_does_not_verify(service: Service, receiver: Receiver) -> None:
    key = await new_key(service, algorithm="ed25519", format="rfc9421")
    company = await signed_watch(service, receiver, key)
    request = as_received(receiver, await next_request(service, receiver, company))
    jwks = {"jwksUrl": service.url + "/.well-known/jwks.json?kid=" + key["kid"]}
    changed = {**request, "body": b64encode(b"{}").decode()}
    assert await verdicts({"request": request, **jwks}, {"request": changed, **jwks}) == [True, False]


async def test_several_keys_of_both_formats_sign_each_in_its_own_way(service: Service, receiver: Receiver) -> None:
    standard, other = await new_key(service), await new_key(service, algorithm="ed25519")
    messages = await new_key(service, algorithm="ecdsa-p256-sha256")
    company = await signed_watch(service, receiver, standard, other, messages)
    received = await next_request(service, receiver, company)
    request = as_received(receiver, received)
    assert [each.partition(",")[0] for each in received.headers["webhook-signature"].split()] == ["v1", "v1a"]
    assert messages["format"] == "rfc9421"
    assert await verdicts(
        {"request": request, "with": "svix", "secret": standard["secret"]},
        {"request": request, "with": "standardwebhooks", "secret": standard["secret"]},
        {"request": request, "jwksUrl": service.url + "/.well-known/jwks.json"},
    ) == [True, True, True]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_no_receiver_with_the_old_or_the_new_key_alone_fails_while_keys_are_rotated_under_load(
    service: Service, receiver: Receiver, algorithm: str
) -> None:
    """Events go on being published while the key is rotated; one receiver never learns of the new key, one forgets
    the old one as soon as the rotation is answered.
    """
    key = await new_key(service, algorithm=algorithm, format="rfc9421")
    company = await signed_watch(service, receiver, key)
    before = [await service.publish(event(str(number), company=company)) for number in range(10)]
    new = await rotated(service, key)
    after = [await service.publish(event(str(number), company=company)) for number in range(10)]
    await wait_until(lambda: sum(company in each.path for each in receiver.requests) == 20)
    requests = {each.id: as_received(receiver, each) for each in receiver.requests if company in each.path}
    deliveries = await asyncio.gather(*(service.deliveries(eventId=id_) for id_ in (*before, *after)))
    ids = [rows[0]["id"] for rows in deliveries]
    old_alone: dict[str, Any]
    new_alone: dict[str, Any]
    if algorithm == "hmac-sha256":
        old_alone = {"hmac": {key["kid"]: secret_bytes(key)}}
        new_alone = {"hmac": {new["kid"]: secret_bytes(new)}}
    else:
        answer = await service.ask("GET", f"/.well-known/jwks.json?kid={key['kid']}", expect=200)
        old_alone = {"jwks": {"keys": [each for each in answer["keys"] if each["kid"] == key["kid"]]}}
        new_alone = {"jwks": {"keys": [each for each in answer["keys"] if each["kid"] == new["kid"]]}}
        assert len(answer["keys"]) == 2
    assert new["kid"] != key["kid"]
    olds = await verdicts(*({"request": requests[id_], **old_alone} for id_ in ids))
    news = await verdicts(*({"request": requests[id_], **new_alone} for id_ in ids[10:]))
    assert (olds, news) == ([True] * 20, [True] * 10)


async def test_a_v1a_signature_verifies_by_the_key_that_was_brought(service: Service, receiver: Receiver) -> None:
    private = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
    key = await new_key(service, algorithm="ed25519", secret=private)
    assert key["publicKey"] == "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
    assert "secret" not in key
    company = await signed_watch(service, receiver, key)
    received = await next_request(service, receiver, company)
    answer = await service.ask("GET", f"/.well-known/jwks.json?kid={key['kid']}", expect=200)
    signed = f"{received.id}.{received.headers['webhook-timestamp']}.".encode() + received.body
    question = {
        "with": "ed25519", "jwk": answer["keys"][0], "data": b64encode(signed).decode(),
        "signature": received.headers["webhook-signature"].removeprefix("v1a,"),
    }  # fmt: skip
    assert await verdicts(question, {**question, "data": b64encode(signed + b" ").decode()}) == [True, False]


async def test_the_key_set_knows_no_hmac_and_forgets_what_is_retired(service: Service) -> None:
    hidden, shown = await new_key(service), await new_key(service, algorithm="ed25519")
    every = await service.ask("GET", "/.well-known/jwks.json", expect=200)
    kids = {each["kid"] for each in every["keys"]}
    assert (hidden["id"] in kids, shown["kid"] in kids, "kid" in hidden) == (False, True, False)
    await service.ask("DELETE", f"/v1/crypto-keys/{shown['id']}", expect=204)
    every = await service.ask("GET", "/.well-known/jwks.json", expect=200)
    assert shown["kid"] not in {each["kid"] for each in every["keys"]}
    for kid in (hidden["id"], shown["kid"], "key_x", "x"):
        assert await service.ask("GET", "/.well-known/jwks.json", expect=200, params={"kid": kid}) == {"keys": []}


async def test_who_has_the_key_set_is_told_that_it_did_not_change(service: Service) -> None:
    async with service.client.get("/.well-known/jwks.json") as answer:
        etag = answer.headers["ETag"]
        assert answer.headers["Cache-Control"] == "public, max-age=60"
    async with service.client.get("/.well-known/jwks.json", headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")


async def test_a_watch_that_signs_cannot_bring_headers_that_signing_sets(service: Service) -> None:
    given = {
        "resourceType": "appointment", "scope": {"companyId": uuid.uuid4().hex}, "address": "http://127.0.0.1:9/",
        "signature": {"enabled": True},
    }  # fmt: skip
    headers = {"signature": "x", "Signature-Input": "x", "Content-Digest": "x"}
    refused = await service.ask("POST", "/v1/watches", expect=422, json={**given, "httpRequestHeader": headers})
    assert [each["pointer"] for each in refused["errors"]] == [f"/httpRequestHeader/{name}" for name in headers]
    given["signature"] = {"enabled": False}
    await service.ask("POST", "/v1/watches", expect=201, json={**given, "httpRequestHeader": headers})
