"""OAuth2 settings of watches, and authorizing a watch in a browser, over HTTP."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

from tests.acceptance.api.callers import new_tenant
from tests.answers import checking
from tests.receiver import Receiver, Reply
from tests.service import Service, event, wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED = Reply(status=400, headers={"Content-Type": "application/json"}, body=b'{"error": "invalid_grant"}')
WAITING = ("paused", "authorization required")


def granted(**tokens: Any) -> Reply:
    body = json.dumps({"access_token": "acc3ss", "token_type": "Bearer", "expires_in": 3600, **tokens}).encode()
    return Reply(headers={"Content-Type": "application/json"}, body=body)


class Server:
    """An authorization server's token endpoint, and a watch that waits for its authorization."""

    def __init__(self, service: Service, receiver: Receiver) -> None:
        self.service = service
        self.receiver = receiver
        self.company = uuid.uuid4().hex
        self.block: dict[str, Any] = {
            "clientId": "hook ward", "clientSecret": "s3cret", "scope": "read write",
            "authUrl": "https://login.example.com/authorize?prompt=consent",
            "accessTokenUrl": receiver.on("/token", granted(refresh_token="r3fresh")),
        }  # fmt: skip

    async def watch(self, **changes: Any) -> dict[str, Any]:
        given = {"resourceType": "appointment", "scope": {"companyId": self.company}}
        given |= {"address": self.receiver.url + "/hooks", "oauth2Auth": {**self.block, **changes}}
        made: dict[str, Any] = await self.service.ask("POST", "/v1/watches", expect=201, json=given)
        return made

    async def send_away(self, watch: dict[str, Any]) -> dict[str, str]:
        """Begin an authorization; answers the query with which the browser comes to the authorization server."""
        begun = await self.service.ask("POST", f"/v1/watches/{watch['id']}/oauth2/authorize", expect=200)
        assert begun["url"].startswith("https://login.example.com/authorize?prompt=consent&response_type=code&")
        return dict(parse_qsl(urlsplit(begun["url"]).query))

    async def come_back(
        self, query: dict[str, str] | list[tuple[str, str]], method: str = "GET"
    ) -> tuple[int, str, Any]:
        """What the browser shows; it has no key."""
        async with (
            aiohttp.ClientSession(self.service.url, trace_configs=[checking()]) as browser,
            browser.request(method, "/oauth2/callback", params=query) as answer,
        ):
            return answer.status, await answer.text(), answer.headers

    async def now(self, watch: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = await self.service.ask("GET", f"/v1/watches/{watch['id']}", expect=200)
        return found


@pytest.fixture
def server(service: Service, receiver: Receiver) -> Server:
    return Server(service, receiver)


def standing(watch: dict[str, Any]) -> tuple[str, str | None]:
    return watch["status"], watch["statusReason"]


async def test_a_watch_reads_back_without_its_secrets(server: Server) -> None:
    watch = await server.watch(refreshToken="r3fresh", extraParameters={"audience": "x"})
    assert standing(watch) == ("enabled", None)
    assert watch["oauth2Auth"] == {
        "grantType": "refresh_token", "clientId": "hook ward", "authUrl": server.block["authUrl"],
        "accessTokenUrl": server.block["accessTokenUrl"], "redirectUri": None, "scope": "read write",
        "clientAuthMethod": "client_secret_basic", "extraParameters": {"audience": "x"},
    }  # fmt: skip
    assert await server.now(watch) == watch


async def test_every_problem_is_named_at_once(server: Server) -> None:
    given = {"address": "https://a.example/", "resourceType": "appointment", "basicAuth": {"username": "u"}}
    oauth = {"grantType": "client_credentials", "refreshToken": "r", "accessTokenUrl": "x", "clientSecret": "é"}
    refused = await server.service.ask("POST", "/v1/watches", expect=422, json={**given, "oauth2Auth": oauth})
    assert {each["pointer"] for each in refused["errors"]} == {
        "/basicAuth/password", "/oauth2Auth", "/oauth2Auth/clientId", "/oauth2Auth/clientSecret",
        "/oauth2Auth/refreshToken", "/oauth2Auth/accessTokenUrl",
    }  # fmt: skip


async def test_a_secret_that_is_to_sign_is_a_private_key(server: Server) -> None:
    given = {"address": "https://a.example/", "resourceType": "appointment"}
    oauth = {**server.block, "clientAuthMethod": "private_key_jwt", "clientSecret": "canary"}
    refused = await server.service.ask("POST", "/v1/watches", expect=422, json={**given, "oauth2Auth": oauth})
    [error] = refused["errors"]
    assert error["pointer"] == "/oauth2Auth/clientSecret"
    assert error["message"].startswith("clientSecret must be a private key as PEM or JWK text")
    assert "canary" not in error["message"]


async def test_a_change_keeps_the_secrets_that_it_does_not_name(server: Server) -> None:
    path = f"/v1/watches/{(await server.watch(refreshToken='r3fresh', authUrl=None))['id']}"
    patch = {"oauth2Auth": {"scope": "read", "accessTokenUrl": server.receiver.url + "/other"}}
    patched = await server.service.ask("PATCH", path, expect=200, json=patch)
    assert (standing(patched), patched["oauth2Auth"]["scope"]) == (("enabled", None), "read")
    put = {"address": patched["address"], "oauth2Auth": patched["oauth2Auth"]}
    assert (await server.service.ask("PUT", path, expect=200, json=put)) == patched
    removed = await server.service.ask("PATCH", path, expect=200, json={"oauth2Auth": None})
    assert removed["oauth2Auth"] is None


async def test_a_watch_is_authorized_in_a_browser(server: Server) -> None:
    watch = await server.watch()
    assert standing(watch) == WAITING
    sent = await server.send_away(watch)
    assert (sent["client_id"], sent["scope"]) == ("hook ward", "read write")
    assert sent["redirect_uri"] == server.service.url + "/oauth2/callback"
    status, page, headers = await server.come_back({"code": "c0de", "state": sent["state"], "iss": "https://x.example"})
    assert (status, watch["id"] in page, standing(await server.now(watch))) == (200, True, ("enabled", None))
    [asked] = server.receiver.at("/token")
    form = dict(parse_qsl(asked.body.decode()))
    challenge = urlsafe_b64encode(sha256(form.pop("code_verifier").encode()).digest()).rstrip(b"=").decode()
    assert (sent["code_challenge_method"], sent["code_challenge"]) == ("S256", challenge)
    assert form == {"grant_type": "authorization_code", "code": "c0de", "redirect_uri": sent["redirect_uri"]}
    assert asked.headers["authorization"] == "Basic " + b64encode(b"hook+ward:s3cret").decode()
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert headers["Content-Security-Policy"].startswith("default-src 'none';")


async def test_a_return_is_good_once(server: Server) -> None:
    watch = await server.watch()
    back = {"code": "c0de", "state": (await server.send_away(watch))["state"]}
    assert [(await server.come_back(back))[0] for _ in range(2)] == [200, 400]
    assert len(server.receiver.at("/token")) == 1


async def test_a_head_request_uses_up_nothing(server: Server) -> None:
    watch = await server.watch()
    back = {"code": "c0de", "state": (await server.send_away(watch))["state"]}
    assert [(await server.come_back(back, method))[0] for method in ("HEAD", "GET")] == [400, 200]


async def test_a_refusal_is_told_in_the_words_of_the_standard_alone(server: Server) -> None:
    watch = await server.watch()
    for error, told in (("access_denied", True), ("<script>canary</script>", False)):
        state = (await server.send_away(watch))["state"]
        back = {"error": error, "error_description": "<b>canary</b>", "state": state}
        status, page, _ = await server.come_back(back)
        assert (status, error in page, "canary" in page) == (400, told, False)
        assert (await server.come_back({"code": "c0de", "state": state}))[0] == 400
    assert standing(await server.now(watch)) == WAITING


async def test_what_is_no_return_is_refused(server: Server) -> None:
    state = (await server.send_away(await server.watch()))["state"]
    for query in (
        [],
        [("code", "c")],
        [("state", state)],
        [("code", "c"), ("state", "unknown")],
        [("code", ""), ("state", state)],
        [("code", "c"), ("code", "d"), ("state", state)],
        [("code", "c"), ("state", state), ("state", state)],
        [("code", "é"), ("state", state)],
        [("code", "c"), ("state", "é" * 300)],
        [("error", "x"), ("state", "unknown")],
    ):
        status, page, _ = await server.come_back(query)
        assert (status, "<h1>Not authorized</h1>" in page) == (400, True), query
    assert server.receiver.at("/token") == []
    assert (await server.come_back({"code": "c", "state": state}))[0] == 200


@pytest.mark.parametrize(
    ("reply", "status", "told"),
    [
        (granted(), 502, "offline_access"),
        (Reply(status=500), 502, "Start again."),
        (REFUSED, 400, "code"),
    ],
    ids=["no refresh token", "broken", "refused"],
)  # fmt: skip
async def test_a_server_that_grants_nothing_leaves_the_watch_as_it_is(
    server: Server, reply: Reply, status: int, told: str
) -> None:
    server.receiver.on("/token", reply)
    watch = await server.watch()
    got, page, _ = await server.come_back({"code": "c0de", "state": (await server.send_away(watch))["state"]})
    assert (got, told in page, await server.now(watch)) == (status, True, watch)


async def test_an_integrators_own_page_hands_over_what_came_back(server: Server) -> None:
    watch = await server.watch(redirectUri="https://integrator.example.com/back")
    path = f"/v1/watches/{watch['id']}/oauth2/callback"
    sent = await server.send_away(watch)
    assert sent["redirect_uri"] == "https://integrator.example.com/back"
    back = {"code": "c0de", "state": sent["state"]}
    other = await server.watch()
    await server.service.ask("POST", f"/v1/watches/{other['id']}/oauth2/callback", expect=422, json=back)
    after = await server.service.ask("POST", path, expect=200, json=back)
    assert (standing(after), await server.now(watch)) == (("enabled", None), after)
    refused = await server.service.ask("POST", path, expect=422, json=back)
    assert [each["pointer"] for each in refused["errors"]] == ["/state"]
    refused = await server.service.ask("POST", path, expect=422, json={"code": 7, "iss": "x"})
    assert [each["pointer"] for each in refused["errors"]] == ["/iss", "/code", "/state"]
    server.receiver.on("/token", granted())
    state = (await server.send_away(watch))["state"]
    await server.service.ask("POST", path, expect=502, json={"code": "c0de", "state": state})


async def test_a_return_is_for_the_watch_as_it_was(server: Server) -> None:
    watch = await server.watch()
    sent = [await server.send_away(watch) for _ in range(2)]
    path = f"/v1/watches/{watch['id']}"
    await server.service.ask("PATCH", path, expect=200, json={"oauth2Auth": {"clientId": "another"}})
    assert (await server.come_back({"code": "c", "state": sent[0]["state"]}))[0] == 409
    await server.service.ask("DELETE", path, expect=204)
    assert (await server.come_back({"code": "c", "state": sent[1]["state"]}))[0] == 400
    assert server.receiver.at("/token") == []


async def test_a_watch_without_an_address_to_authorize_at_says_so(server: Server) -> None:
    watch = await server.watch(authUrl=None, refreshToken="r3fresh")
    refused = await server.service.ask("POST", f"/v1/watches/{watch['id']}/oauth2/authorize", expect=409)
    assert refused["detail"].startswith("the watch has no oauth2Auth.authUrl")


async def test_an_owner_authorizes_their_own_watches_alone(server: Server) -> None:
    tenant = await new_tenant(server.service)
    mine, theirs = [await tenant.new_key("watches", owner=owner) for owner in ("one", "two")]
    given = {"resourceType": "appointment", "address": "https://a.example/", "oauth2Auth": server.block}
    watch = await tenant.ask("POST", "/v1/watches", expect=201, json=given, key=mine)
    path = f"/v1/watches/{watch['id']}/oauth2"
    begun = await tenant.ask("POST", path + "/authorize", expect=200, key=mine)
    state = dict(parse_qsl(urlsplit(begun["url"]).query))["state"]
    await tenant.ask("POST", path + "/callback", expect=404, key=theirs, json={"code": "c", "state": state})
    await tenant.ask("POST", path + "/callback", expect=200, key=mine, json={"code": "c", "state": state})


async def test_nothing_secret_lies_open_in_the_store(server: Server) -> None:
    canary = uuid.uuid4().hex
    watch = await server.watch(clientSecret=canary + "-secret", refreshToken=canary + "-token")
    state = (await server.send_away(watch))["state"]
    async with server.service.database() as connection:
        rows = [
            str(row[0])
            for table in ("watch", "credential", "authorization_flow")
            for row in await connection.fetch(f"SELECT t::text FROM {table} t")
        ]
    stored = "\n".join(rows)
    secrets = (canary, state, *(each.encode().hex() for each in (canary, state)))
    assert [each for each in secrets if each in stored] == []
    assert server.block["accessTokenUrl"].encode().hex() in stored  # so they would be found


async def test_what_waited_for_an_authorization_goes_out_with_its_token(server: Server) -> None:
    watch = await server.watch()
    await server.service.publish(event("1", company=server.company))
    [waiting] = await wait_until(lambda: server.service.deliveries(watchId=watch["id"]))
    assert (waiting["status"], waiting["attemptCount"]) == ("pending", 0)
    state = (await server.send_away(watch))["state"]
    assert (await server.come_back({"code": "c0de", "state": state}))[0] == 200
    [received] = await wait_until(lambda: server.receiver.at("/hooks"))
    assert received.headers["authorization"] == "Bearer acc3ss"
    _, renewed = server.receiver.at("/token")
    assert dict(parse_qsl(renewed.body.decode()))["refresh_token"] == "r3fresh"


@pytest.mark.parametrize("cure", ["an authorization", "another refresh token"])
async def test_a_watch_whose_refresh_token_is_good_for_nothing_waits_for_another(server: Server, cure: str) -> None:
    new = granted(refresh_token="r3fresh")
    server.receiver.on("/token", lambda asked: REFUSED if b"refresh_token=old" in asked.body else new)
    watch = await server.watch(refreshToken="old")
    await server.service.publish(event("1", company=server.company))

    async def waits() -> bool:
        return standing(await server.now(watch)) == WAITING

    await wait_until(waits, what="the watch waits for an authorization")
    assert server.receiver.at("/hooks") == []
    if cure == "an authorization":
        state = (await server.send_away(watch))["state"]
        assert (await server.come_back({"code": "c0de", "state": state}))[0] == 200
    else:
        patch = {"oauth2Auth": {"refreshToken": "new"}, "status": "enabled"}
        await server.service.ask("PATCH", f"/v1/watches/{watch['id']}", expect=200, json=patch)
    [received] = await wait_until(lambda: server.receiver.at("/hooks"))
    assert (received.headers["authorization"], received.attempt) == ("Bearer acc3ss", 1)
    assert standing(await server.now(watch)) == ("enabled", None)
