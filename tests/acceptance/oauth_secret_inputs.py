"""The secrets of OAuth2: what goes to an authorization server, what comes from it, and servers that tell all of it."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import string
from collections.abc import Callable
from itertools import cycle
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import OKPKey

from tests.acceptance.canaries import Json
from tests.acceptance.secret_inputs import CanaryService, SecretInput
from tests.receiver import Received, Reply
from tests.service import event, wait_until

JSON = {"Content-Type": "application/json"}
PROOFS = ("code_verifier", "client_assertion")
CODE = "authorization code"


def answered(status: int, **said: object) -> Reply:
    return Reply(status=status, headers=JSON, body=json.dumps(said).encode())


def all_of(received: Received) -> str:
    """A whole request in one line, also in decoded form."""
    head = " ".join(f"{name}: {value}" for name, value in received.headers.items())
    form = " ".join(value for values in form_of(received).values() for value in values)
    basic = base64.b64decode(received.headers.get("authorization", "").removeprefix("Basic ") + "==").decode()
    return f"{head} {received.body.decode()} {form} {basic}".replace("\n", " ")


def form_of(received: Received) -> dict[str, list[str]]:
    return parse_qs(received.body.decode())


class Granting:
    """A token endpoint that grants canaries and rotates; what a client proves itself by is looked for, too.

    Extra parameters are no secrets: they read back. All blocks here hold the control in theirs.
    """

    def __init__(self, sut: CanaryService, path: str) -> None:
        self._canaries = sut.canaries
        self._path = path
        self.address = sut.receiver.on(path, self)

    def __call__(self, received: Received) -> Reply:
        form = form_of(received)
        for name in PROOFS:
            for value in form.get(name, ()):
                self._canaries.note(f"{name} at {self._path}", value.rpartition(".")[2])
        if "authorization" in received.headers:
            self._canaries.note(f"Basic at {self._path}", received.headers["authorization"].removeprefix("Basic "))
        access = self._canaries.text(f"access token of {self._path}")
        rotated = {}
        if form["grant_type"] != ["client_credentials"]:
            rotated["refresh_token"] = self._canaries.text(f"refresh token of {self._path}")
        return answered(200, access_token=access, token_type="Bearer", expires_in=3600, **rotated)


def block(sut: CanaryService, address: str, **given: object) -> Json:
    """``oauth2Auth`` for a token endpoint: by a refresh token, unless something else is given."""
    whole: Json = {"accessTokenUrl": address, "clientId": "crm", "extraParameters": {"audience": sut.control}}
    if "clientAuthMethod" not in given:
        whole["clientSecret"] = sut.canaries.text("client secret")
    if "grantType" not in given:
        whole["refreshToken"] = sut.canaries.text("refresh token given")
    return {**whole, **given}


async def client_authentications(sut: CanaryService) -> None:
    """Each way to say who the client is, with each grant, at destinations that tell what they were sent."""
    seed = OKPKey.generate_key("Ed25519")
    sut.canaries.note(
        "Ed25519 client key in bytes", base64.urlsafe_b64decode(str(seed.as_dict(private=True)["d"]) + "=")
    )
    curve = generate_private_key(SECP256R1())
    pem = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    sut.canaries.note("P-256 client key", curve.private_numbers().private_value.to_bytes(32, "big"))
    sut.canaries.note("line of the client's PEM", pem.splitlines()[2])
    ways: dict[str, Json] = {
        "basic": {"clientAuthMethod": "client_secret_basic", "clientSecret": sut.canaries.text("secret by Basic")},
        "post": {"clientAuthMethod": "client_secret_post", "clientSecret": sut.canaries.text("secret by POST")},
        "jwk": {"clientAuthMethod": "private_key_jwt", "clientSecret": json.dumps(seed.as_dict(private=True))},
        "pem": {"clientAuthMethod": "private_key_jwt", "clientSecret": pem},
        "none": {"clientAuthMethod": "none"},
    }
    for way, given in ways.items():
        refreshing, granting = Granting(sut, f"/refresh-{way}"), Granting(sut, f"/credentials-{way}")
        await sut.watch(sut.echo(f"/at-{way}"), oauth2Auth=block(sut, refreshing.address, **given))
        own = block(sut, granting.address, grantType="client_credentials", **given)
        await sut.watch(sut.echo(f"/machine-{way}", 401), oauth2Auth=own)


async def destinations_that_tell(sut: CanaryService) -> None:
    """401 to every token, with the token; and one that knows the client's secret."""
    refused = block(sut, Granting(sut, "/token-401").address)
    await sut.watch(sut.echo("/refuses", 401), oauth2Auth=refused)
    known = block(sut, Granting(sut, "/token-known").address)
    told = Reply(status=401, headers={"X-Known": known["clientSecret"]}, body=known["clientSecret"].encode())
    await sut.watch(sut.receiver.on("/knows", told), oauth2Auth=known)


FAILING: dict[str, Callable[[str], Reply]] = {
    "described": lambda told: Reply(
        status=400, headers={**JSON, "X-Echo": told, "WWW-Authenticate": told, "Set-Cookie": told},
        body=json.dumps({"error": "invalid_request", "error_description": told, "error_uri": told}).encode(),
    ),
    "client": lambda told: answered(401, error="invalid_client", error_description=told),
    "code": lambda told: answered(400, error=told),
    "well": lambda told: answered(200, error=told),
    "broken": lambda told: Reply(status=500, body=told.encode()),
    "page": lambda told: Reply(headers={"Content-Type": "text/html"}, body=f"<p>{told}</p>".encode()),
    "form": lambda told: Reply(
        status=400, headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=f"error={quote(told)}&error_description={quote(told)}".encode(),
    ),
    "list": lambda told: Reply(headers=JSON, body=json.dumps([told]).encode()),
    "twice": lambda told: Reply(headers=JSON, body=f'{{"error":{json.dumps(told)},"error":"x"}}'.encode()),
    "cut": lambda told: Reply(headers=JSON, body=json.dumps({"access_token": told})[:-2].encode()),
    "blanks": lambda told: answered(200, access_token=told),
    "kind": lambda told: answered(200, access_token="t", token_type=told),
    "rotated": lambda told: answered(200, access_token="t", refresh_token=told + "\n"),
    "moved": lambda told: Reply(status=302, headers={"Location": f"http://127.0.0.1/?{quote(told)}"}),
    "endless": lambda told: Reply(headers=JSON, body=told.encode() + b" " * 100_000),
    "header": lambda told: Reply(headers={f"X {told}": "1"}),
    "closed": lambda _: Reply(close=True),
    "silent": lambda _: Reply(hang=True),
}  # fmt: skip


async def token_endpoints_that_fail(sut: CanaryService) -> None:
    """In each way, telling all that they were sent."""

    async def fail(name: str, failing: Callable[[str], Reply], method: str) -> None:
        path = f"/fails-{name}"
        address = sut.receiver.on(path, lambda received: failing(all_of(received)))
        secret = sut.canaries.text(f"client secret, {name}")
        given = block(sut, address, clientAuthMethod=method, clientSecret=secret)
        async with trials:
            await sut.watch(sut.echo(f"{path}-hook"), oauth2Auth=given)

    trials = asyncio.Semaphore(4)  # as many as an account may have under way
    methods = cycle(("client_secret_basic", "client_secret_post"))
    await asyncio.gather(*[fail(*each, next(methods)) for each in FAILING.items()])
    letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(24))  # which could be an error code
    sut.canaries.note("client secret of letters", letters)
    address = sut.receiver.on("/letters", answered(400, error=letters))
    await sut.watch(sut.echo("/letters-hook"), oauth2Auth=block(sut, address, clientSecret=letters))
    await sut.watch("http://10.1.2.3/", oauth2Auth=block(sut, "http://10.1.2.3/token"))


async def waiting(sut: CanaryService, given: Json) -> Json:
    """A watch that needs an authorization, with an event that waits for it."""
    company = secrets.token_hex(4)
    whole = {"resourceType": "appointment", "scope": {"companyId": company}, "address": sut.echo("/waits")}
    made: Json = await sut.ask("POST", "/v1/watches", expect=201, json={**whole, "oauth2Auth": given})
    await sut.service.publish(event(sut.control, company=company))
    return made | {"company": company}


async def lost_consents(sut: CanaryService) -> None:
    """A server that says which refresh token it will not take, and another one given."""
    address = sut.receiver.on(
        "/lost", lambda received: answered(400, error="invalid_grant", error_description=all_of(received))
    )
    made = await waiting(sut, block(sut, address))
    path = f"/v1/watches/{made['id']}"

    async def is_paused() -> bool:
        return str((await sut.ask("GET", path, expect=200))["status"]) == "paused"

    await wait_until(is_paused)
    cure = {
        "refreshToken": sut.canaries.text("refresh token patched"),
        "clientSecret": sut.canaries.text("client secret patched"),
        "accessTokenUrl": Granting(sut, "/found").address,
    }
    await sut.ask("PATCH", path, expect=200, json={"status": "enabled", "oauth2Auth": cure})
    await sut.publish(made["company"], made["id"])
    await sut.settled()
    put = {"address": sut.echo("/put-oauth"), "oauth2Auth": block(sut, cure["accessTokenUrl"])}
    await sut.ask("PUT", path, expect=200, json=put)
    gone = block(sut, cure["accessTokenUrl"], refreshToken=sut.canaries.text("refresh token of a deleted watch"))
    deleted = await sut.watch(sut.echo("/deleted-oauth"), oauth2Auth=gone)
    await sut.settled()
    await sut.ask("DELETE", f"/v1/watches/{deleted['id']}", expect=204)


async def come_back(sut: CanaryService, expect: int, **query: str) -> None:
    """What a browser brings, and the page that it is shown."""
    async with sut.service.client.get("/oauth2/callback", params=query) as answer:
        sut.answers += [await answer.read(), str(dict(answer.headers)).encode()]
        assert answer.status == expect, f"{answer.status} {sut.answers[-2]!r}"


async def send_away(sut: CanaryService, watch: Json) -> str:
    """The state of an authorization that begins; who may manage the watch is told it once."""
    begun = await sut.ask("POST", f"/v1/watches/{watch['id']}/oauth2/authorize", expect=200, once=True)
    (state,) = parse_qs(urlsplit(str(begun["url"])).query)["state"]
    sut.canaries.note("state", state)
    return state


async def authorizations(sut: CanaryService) -> None:
    """Authorizing in a browser: granted, refused, abandoned, and manipulated."""
    text = sut.canaries.text
    given = block(sut, Granting(sut, "/consent").address, authUrl="https://login.example.com/", refreshToken=None)
    watch = await waiting(sut, given)
    await come_back(sut, 200, state=(state := await send_away(sut, watch)), code=text(CODE))
    await come_back(sut, 400, state=state, code=text(f"{CODE}, used again"))
    await sut.publish(watch["company"], watch["id"])
    for status, error in ((400, "invalid_grant"), (502, "server_error")):

        def refuse(received: Received, error: str = error) -> Reply:
            sut.canaries.note(f"verifier, {error}", form_of(received)["code_verifier"][0])
            return answered(400, error=error, error_description=all_of(received))

        refused = await waiting(sut, {**given, "accessTokenUrl": sut.receiver.on(f"/no-{error}", refuse)})
        await come_back(sut, status, state=await send_away(sut, refused), code=text(f"{CODE}, {error}"))
    told = text("what the server says of it")
    await come_back(sut, 400, state=await send_away(sut, watch), error="access_denied", error_description=told)
    await come_back(sut, 400, state=(state := await send_away(sut, watch)), error=state)
    await come_back(sut, 400, state=text("state that is not known"), code=text(f"{CODE} for no state"))
    own = await waiting(sut, {**given, "redirectUri": "https://integrator.example.com/back"})
    path = f"/v1/watches/{own['id']}/oauth2/callback"
    for wrong in ({"code": [text(f"{CODE} in a list")], "state": text("state in a body")}, text("code alone")):
        await sut.refused("POST", path, json=wrong)
    back = {"state": await send_away(sut, own), "code": text(f"{CODE} handed over")}
    await sut.ask("POST", path, expect=200, json=back)
    await send_away(sut, watch)  # and no browser returns


async def a_rotation_that_cannot_be_written(sut: CanaryService) -> None:
    """PostgreSQL takes nothing from the credential: what is granted waits in Valkey."""
    whole = {
        "resourceType": "appointment",
        "scope": {"companyId": "unwritten"},
        "address": sut.echo("/unwritten-hook"),
    }
    oauth = block(sut, Granting(sut, "/unwritten").address)
    made = await sut.ask("POST", "/v1/watches", expect=201, json={**whole, "oauth2Auth": oauth})
    async with sut.service.database() as connection:
        credential = await connection.fetchval(
            "SELECT credential_id FROM watch WHERE id = $1", UUID(hex=made["id"].removeprefix("wat_"))
        )
        await connection.execute(f"""
CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'away' USING ERRCODE = '57P01'; END $$;
CREATE TRIGGER away BEFORE UPDATE OF state ON credential FOR EACH ROW
  WHEN (OLD.id = '{credential}') EXECUTE FUNCTION away()""")
    await sut.publish("unwritten", made["id"])
    async with sut.service.queue() as queue:
        await wait_until(lambda: queue.keys("hookward:rotation:*"), what="a rotation waits in Valkey")


async def oauth_in_wrong_places(sut: CanaryService) -> None:
    """In blocks that are refused."""
    canary = sut.canaries.text
    key = json.dumps({"kty": "OKP", "crv": "Ed25519", "d": canary("key without a public part"), "x": 7})
    signed = {"clientAuthMethod": "private_key_jwt"}
    wrong: list[object] = [
        canary("client secret instead of a block"),
        {"clientSecret": [canary("client secret in a list")], "refreshToken": {"x": canary("token in a block")}},
        {"clientSecret": canary("client secret of no ASCII") + "é", "refreshToken": canary("cut token") + "\n"},
        {"clientAuthMethod": "none", "clientSecret": canary("client secret of no client")},
        {"clientAuthMethod": canary("client secret as a method"), "grantType": canary("token as a grant")},
        {"grantType": "client_credentials", "refreshToken": canary("refresh token of a machine")},
        {"accessTokenUrl": f"https://crm:{canary('client secret in a URL')}@login.example.com/"},
        {"authUrl": f"https://login.example.com/?state={canary('state in a URL')}"},
        {"extraParameters": {"client_secret": canary("client secret among extra parameters")}},
        {"client_secret": canary("client secret misspelt")},
        {**signed, "clientSecret": canary("no key at all")},
        {**signed, "clientSecret": key},
        {**signed, "clientSecret": f"-----BEGIN PRIVATE KEY-----\n{canary('broken PEM')}\n-----END PRIVATE KEY-----"},
    ]  # fmt: skip
    whole = {"resourceType": "appointment", "address": "http://127.0.0.1/"}
    complete = {
        "clientId": "c",
        "clientSecret": "s",
        "refreshToken": "r",
        "accessTokenUrl": "https://login.example.com/",
    }
    for given in wrong:
        oauth = complete | given if isinstance(given, dict) else given
        await sut.refused("POST", "/v1/watches", json={**whole, "oauth2Auth": oauth})


OAUTH_SECRET_INPUTS: tuple[SecretInput, ...] = (
    client_authentications, destinations_that_tell, token_endpoints_that_fail, lost_consents, authorizations,
    a_rotation_that_cannot_be_written, oauth_in_wrong_places,
)  # fmt: skip
