"""Token endpoints at forbidden addresses, through the whole service: nothing reaches the trap, all come to an end."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.acceptance.api.test_ssrf import CLOSED, FORBIDDEN, OPENED, REFUSED, finished
from tests.receiver import Receiver, Reply
from tests.service import Service, event
from tests.ssrf import METADATA, Trap

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def make(service: Service, company: str, to: str, token_url: str, *, expect: int = 201, **oauth: Any) -> Any:
    """A watch that delivers ``to`` a place with tokens from elsewhere, and tries once."""
    given = {
        "resourceType": "appointment", "scope": {"companyId": company}, "address": to, "retry": {"schedule": []},
        "oauth2Auth": {"clientId": "c", "clientSecret": "s", "accessTokenUrl": token_url,
                       "grantType": "client_credentials", **oauth},
    }  # fmt: skip
    return await service.ask("POST", "/v1/watches", expect=expect, json=given)


async def test_no_forbidden_address_is_asked_for_a_token_by_deliveries_or_test_sends(
    service: Service, receiver: Receiver
) -> None:
    company, to = uuid.uuid4().hex, receiver.url + "/hooks"
    async with Trap() as trap:
        control = await make(service, company, to, f"http://{OPENED}:{trap.port}/")
        watches = {
            address: await make(service, company, to, address.replace("{port}", str(trap.port)))
            for address in FORBIDDEN
        }
        await service.publish(event("1", company=company))
        (reached,) = await finished(service, control["id"])
        told = {}
        for address, watch in watches.items():
            (delivery,) = await finished(service, watch["id"])
            attempt = await service.ask("POST", f"/v1/watches/{watch['id']}/test", expect=200)
            (sent,) = delivery["attempts"]
            told[address] = (delivery["status"], sent["error"]["type"], attempt["error"]["type"])
        again = await service.ask("POST", f"/v1/watches/{control['id']}/test", expect=200)
        assert trap.connections == 2  # the control's, whose answer is no token
    assert [each["error"]["type"] for each in (reached["attempts"][0], again)] == ["oauth", "oauth"]
    expected = ("failed", "forbidden_address", "forbidden_address")
    assert {address: each for address, each in told.items() if each != expected} == {}
    assert receiver.requests == []


async def test_a_forbidden_token_endpoint_says_why_and_is_not_tried_again(service: Service, receiver: Receiver) -> None:
    company = uuid.uuid4().hex
    given = {
        "resourceType": "appointment", "scope": {"companyId": company}, "address": receiver.url,
        "oauth2Auth": {"clientId": "c", "clientSecret": "s", "grantType": "client_credentials",
                       "accessTokenUrl": f"http://{METADATA}/token?key=hush"},
    }  # fmt: skip
    watch = await service.ask("POST", "/v1/watches", expect=201, json=given)
    await service.publish(event("1", company=company))
    (delivery,) = await finished(service, watch["id"])
    message = (
        "The token endpoint http://169.254.169.254/token may not be asked: 169.254.169.254 is in 169.254.0.0/16 "
        "(link-local, where clouds serve instance metadata), which deliveries may not reach unless the operator adds "
        "that address or network to egress.allow."
    )
    assert [each["error"] for each in delivery["attempts"]] == [{"type": "forbidden_address", "message": message}]
    assert (delivery["status"], receiver.requests) == ("failed", [])
    after = await service.ask("GET", f"/v1/watches/{watch['id']}", expect=200)
    assert (after["status"], after["statusReason"]) == ("enabled", None)


@pytest.mark.parametrize("address", [each for each in REFUSED if "${" not in each])
@pytest.mark.parametrize("name", ["accessTokenUrl", "authUrl", "redirectUri"])
async def test_an_ambiguous_url_of_oauth2_cannot_be_saved(service: Service, address: str, name: str) -> None:
    given = {"grantType": "refresh_token", "refreshToken": "r", name: address.replace("{port}", "8080")}
    token_url = given.pop("accessTokenUrl", "https://login.example.com/token")
    problem = await make(service, "1", f"http://{OPENED}/", token_url, expect=422, **given)
    assert {each["pointer"] for each in problem["errors"]} == {f"/oauth2Auth/{name}"}


@pytest.mark.parametrize("host", [CLOSED, "[::1]", "0.0.0.0"])
async def test_a_token_endpoint_that_redirects_to_a_forbidden_address_is_not_followed(
    service: Service, receiver: Receiver, host: str
) -> None:
    company = uuid.uuid4().hex
    async with Trap() as trap:
        moved = Reply(status=307, headers={"Location": f"http://{host}:{trap.port}/"})
        watch = await make(service, company, receiver.url + "/hooks", receiver.on("/token", moved))
        await service.publish(event("1", company=company))
        (delivery,) = await finished(service, watch["id"])
        attempt = await service.ask("POST", f"/v1/watches/{watch['id']}/test", expect=200)
        assert trap.connections == 0
    for error in (delivery["attempts"][0]["error"], attempt["error"]):
        assert (error["type"], "redirects are not followed" in error["message"]) == ("oauth", True)
    assert len(receiver.at("/token")) == 2
    assert receiver.at("/hooks") == []


async def test_the_code_of_an_authorization_is_not_taken_to_a_forbidden_address(
    service: Service, receiver: Receiver
) -> None:
    company = uuid.uuid4().hex
    async with Trap() as trap:
        watch = await make(
            service, company, receiver.url, f"http://{CLOSED}:{trap.port}/", grantType="refresh_token",
            authUrl="https://login.example.com/",
        )  # fmt: skip
        begun = await service.ask("POST", f"/v1/watches/{watch['id']}/oauth2/authorize", expect=200)
        (state,) = parse_qs(urlsplit(begun["url"]).query)["state"]
        back = {"state": state, "code": "c0de"}
        refused = await service.ask("POST", f"/v1/watches/{watch['id']}/oauth2/callback", expect=502, json=back)
        assert trap.connections == 0
    assert f"{CLOSED} is in 127.0.0.0/8" in refused["detail"]
