"""Signing keys as an integrator manages them, verified by another implementation of Standard Webhooks."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.receiver import Received, Receiver
from tests.service import TYPE, Service, event, new_company, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def new_key(service: Service, **given: Any) -> dict[str, Any]:
    return dict(await service.ask("POST", "/v1/crypto-keys", expect=201, json={"name": "a key", **given}))


async def signed_watch(service: Service, receiver: Receiver, mine: str, *keys: dict[str, Any]) -> str:
    signature = {"enabled": True, "cryptoKeyIds": [key["id"] for key in keys]}
    return await service.create_watch(receiver.url + "/" + mine, company=mine, signature=signature)


async def next_request(service: Service, receiver: Receiver, mine: str) -> Received:
    count = len(receiver.requests)
    await service.publish(event("1", company=mine))
    await wait_until(lambda: len(receiver.requests) > count)
    return receiver.requests[count]


def verified_by(received: Received, secrets: dict[str, str]) -> set[str]:
    """Those of the secrets with which a receiver that knows no other accepts the request."""
    accepted = set()
    for name, secret in secrets.items():
        try:
            Webhook(secret).verify(received.body, received.headers)
        except WebhookVerificationError:
            continue
        accepted.add(name)
    return accepted


async def test_the_first_event_after_a_rotation_verifies_with_the_old_and_with_the_new_secret(
    service: Service, receiver: Receiver
) -> None:
    mine = new_company()
    key = await new_key(service)
    await signed_watch(service, receiver, mine, key)
    await next_request(service, receiver, mine)
    secrets, rotated = {"first": key["secret"]}, key
    for name in ("second", "third"):
        rotated = await service.ask("POST", f"/v1/crypto-keys/{key['id']}/rotate", expect=200)
        secrets[name] = rotated["secret"]
        received = await next_request(service, receiver, mine)
        assert verified_by(received, secrets) == set(secrets)
        assert len(received.headers["webhook-signature"].split()) == len(secrets)
    assert {**rotated, "secret": key["secret"]}.items() >= key.items()
    assert rotated["overlapUntil"] > rotated["rotated"] > key["created"]


async def test_when_the_overlap_is_over_only_the_new_secret_signs(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    key = await new_key(service)
    await signed_watch(service, receiver, mine, key)
    rotated = await service.ask("POST", f"/v1/crypto-keys/{key['id']}/rotate", expect=200, json={"overlap": "2s"})
    secrets = {"old": key["secret"], "new": rotated["secret"]}
    assert verified_by(await next_request(service, receiver, mine), secrets) == {"old", "new"}

    async def only_new() -> bool:
        return verified_by(await next_request(service, receiver, mine), secrets) == {"new"}

    await wait_until(only_new)
    shown = await service.ask("GET", f"/v1/crypto-keys/{key['id']}", expect=200)
    assert "overlapUntil" not in shown


async def test_a_secret_that_leaked_stops_at_once(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    key = await new_key(service)
    await signed_watch(service, receiver, mine, key)
    brought = "whsec_" + base64.b64encode(b"x" * 32).decode()
    given = {"overlap": "0s", "secret": brought}
    rotated = await service.ask("POST", f"/v1/crypto-keys/{key['id']}/rotate", expect=200, json=given)
    received = await next_request(service, receiver, mine)
    assert verified_by(received, {"old": key["secret"], "new": rotated["secret"]}) == {"new"}
    assert rotated["secret"] == brought


async def test_a_secret_is_shown_once(service: Service) -> None:
    key = await new_key(service)
    rotated = await service.ask("POST", f"/v1/crypto-keys/{key['id']}/rotate", expect=200, json={})
    shown = await service.ask("GET", f"/v1/crypto-keys/{key['id']}", expect=200)
    listed = await service.ask("GET", "/v1/crypto-keys", expect=200, params={"limit": "200"})
    assert {"secret": rotated["secret"], **shown} == rotated
    assert not any("secret" in each for each in (shown, *listed["data"]))
    assert rotated["secret"] != key["secret"]


async def test_nothing_on_the_way_may_keep_an_answer_that_shows_a_secret(service: Service) -> None:
    key = await new_key(service)
    watch = await service.create_watch("http://127.0.0.1:9/", company=new_company())
    made: dict[str, Any] = {
        "resourceType": TYPE,
        "scope": {"companyId": new_company()},
        "address": "http://127.0.0.1:9/",
    }
    made |= {"signature": {"enabled": True}}
    for method, path, given in (
        ("POST", "/v1/crypto-keys", {"name": "a key"}),
        ("POST", f"/v1/crypto-keys/{key['id']}/rotate", {}),
        ("POST", "/v1/watches", made),
        ("PATCH", f"/v1/watches/{watch}", {"signature": {"enabled": True}}),
    ):
        async with service.client.request(method, path, json=given) as answer:
            assert ("whsec_" in await answer.text(), answer.headers.get("Cache-Control")) == (True, "no-store"), path


async def test_an_imported_secret_signs(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    brought = "whsec_" + base64.b64encode(b"from elsewhere, thirty-two bytes").decode()
    key = await new_key(service, secret=brought)
    await signed_watch(service, receiver, mine, key)
    assert key["secret"] == brought
    assert verified_by(await next_request(service, receiver, mine), {"it": brought}) == {"it"}


async def test_a_retired_key_signs_no_more_and_the_watch_goes_on_with_its_other_key(
    service: Service, receiver: Receiver
) -> None:
    mine = new_company()
    keys = {"old": await new_key(service), "new": await new_key(service)}
    secrets = {name: key["secret"] for name, key in keys.items()}
    watch = await signed_watch(service, receiver, mine, *keys.values())
    assert verified_by(await next_request(service, receiver, mine), secrets) == {"old", "new"}
    await service.ask("DELETE", f"/v1/crypto-keys/{keys['old']['id']}", expect=204)
    assert verified_by(await next_request(service, receiver, mine), secrets) == {"new"}
    shown = await service.ask("GET", f"/v1/watches/{watch}", expect=200)
    assert shown["signature"]["cryptoKeyIds"] == [keys["new"]["id"]]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
        await service.ask(method, f"/v1/crypto-keys/{keys['old']['id']}{path}", expect=404)


async def test_the_last_key_of_a_watch_is_not_retired(service: Service, receiver: Receiver) -> None:
    mine = new_company()
    key = await new_key(service)
    watch = await signed_watch(service, receiver, mine, key)
    problem = await service.ask("DELETE", f"/v1/crypto-keys/{key['id']}", expect=409)
    assert watch in problem["detail"]
    assert verified_by(await next_request(service, receiver, mine), {"it": key["secret"]}) == {"it"}
    await service.ask("DELETE", f"/v1/watches/{watch}", expect=204)
    await service.ask("DELETE", f"/v1/crypto-keys/{key['id']}", expect=204)


async def test_keys_are_listed_page_by_page_and_by_name(service: Service) -> None:
    name = f'"{new_company()}" ü'
    made = [(await new_key(service, name=name))["id"] for _ in range(5)]
    await new_key(service)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await service.ask("GET", "/v1/crypto-keys", expect=200, params={"name": name, "limit": "2", **cursor})
        seen += [each["id"] for each in page["data"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == made


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"limit": "0"}, ["limit"]), ({"cursor": "key_"}, ["cursor"]), ({"nam": "x"}, ["nam"]),
        ({"name": "\0"}, ["name"]),
    ],
)  # fmt: skip
async def test_a_bad_parameter_is_named(service: Service, parameters: dict[str, str], named: list[str]) -> None:
    problem = await service.ask("GET", "/v1/crypto-keys", expect=400, params=parameters)
    assert [each["parameter"] for each in problem["errors"]] == named


async def test_everything_wrong_with_a_rotation_is_named_at_once_and_nothing_is_rotated(service: Service) -> None:
    key = await new_key(service)
    path = f"/v1/crypto-keys/{key['id']}/rotate"
    given = {"secret": "whsec_dG9vc2hvcnQ=", "overlap": "40d", "more": True}
    problem = await service.ask("POST", path, expect=422, json=given)
    assert [each["pointer"] for each in problem["errors"]] == ["/more", "/secret", "/overlap"]
    same = await service.ask("POST", path, expect=422, json={"secret": key["secret"]})
    assert [each["pointer"] for each in same["errors"]] == ["/secret"]
    assert "rotated" not in await service.ask("GET", f"/v1/crypto-keys/{key['id']}", expect=200)


@pytest.mark.parametrize("path", ["key_" + "0" * 32, "wat_" + "0" * 32, "x"])
async def test_a_key_that_does_not_exist_is_404(service: Service, path: str) -> None:
    for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
        await service.ask(method, f"/v1/crypto-keys/{path}{rest}", expect=404)


async def test_a_rotation_that_is_not_json_is_refused(service: Service) -> None:
    key = await new_key(service)
    for data, kind, status in ((b"{", "application/json", 400), (b"a=b", "application/x-www-form-urlencoded", 415)):
        path = f"/v1/crypto-keys/{key['id']}/rotate"
        await service.ask("POST", path, expect=status, data=data, headers={"Content-Type": kind})
