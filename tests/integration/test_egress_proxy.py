"""Through a proxy too, what is connected to is what was judged."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hookward.adapters.http_client.connector import SenderBounds
from hookward.adapters.http_client.sender import HttpSender
from hookward.bootstrap.factories import open_sender, open_token_sender
from hookward.config import Settings, load_settings
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.egress import EgressPolicy, EgressProxy
from tests.integration.endpoint import OK, Endpoint, Script, Talk, answering, closing, silence, trickling
from tests.integration.names import Names
from tests.integration.proxy import ESTABLISHED, Tunneling, proxy_of

pytestmark = pytest.mark.both_loops

TARGET = "127.0.0.2"  # the proxy is at 127.0.0.1, which no delivery may reach
OPENED = EgressPolicy(allow=(ip_network(f"{TARGET}/32"), ip_network("127.0.0.3/32")))


async def send(sender: HttpSender, address: str, timeout: float = 5) -> Outcome:
    return await sender.send(OutgoingRequest(method="POST", address=address, headers=(), body=b"{}"), timeout=timeout)


def through(proxy: EgressProxy, resolver: AbstractResolver | None = None) -> HttpSender:
    return HttpSender(OPENED, proxy=proxy, resolver=resolver)


async def test_a_delivery_goes_through_a_tunnel_that_is_kept() -> None:
    tunneling = Tunneling()
    async with (
        Endpoint(answering(OK), host=TARGET) as endpoint,
        Endpoint(tunneling) as proxy,
        through(proxy_of(proxy)) as sender,
    ):
        outcomes = [await send(sender, f"{endpoint.url}/a?b=c") for _ in range(2)]
    authority = f"{TARGET}:{endpoint.port}"
    assert [(outcome.response and outcome.response.body, outcome.remote) for outcome in outcomes] == [
        (b"ok", authority)
    ] * 2
    assert [received.line for received in endpoint.requests] == ["POST /a?b=c HTTP/1.1"] * 2
    assert [received.head for received in proxy.requests] == [
        f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
    ]


async def test_the_proxy_is_asked_for_the_address_that_was_judged_and_the_server_by_its_name() -> None:
    tunneling = Tunneling()
    async with (
        Endpoint(answering(OK), host=TARGET) as endpoint,
        Endpoint(tunneling) as proxy,
        through(proxy_of(proxy), Names([TARGET])) as sender,
    ):
        outcome = await send(sender, f"http://hook.example:{endpoint.port}/")
    assert outcome.failure is None
    assert tunneling.asked == [f"{TARGET}:{endpoint.port}"]
    assert endpoint.requests[0].headers["host"] == f"hook.example:{endpoint.port}"


async def test_tls_is_with_the_server_and_by_its_name(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "hook.example")
    greeted: list[str | None] = []
    server.sni_callback = lambda _, name, __: greeted.append(name)
    async with (
        Endpoint(answering(OK), tls=server, host=TARGET) as endpoint,
        Endpoint(Tunneling()) as proxy,
        HttpSender(OPENED, proxy=proxy_of(proxy), resolver=Names([TARGET]), tls=client) as sender,
    ):
        right = await send(sender, f"https://hook.example:{endpoint.port}/")
        wrong = await send(sender, f"https://other.example:{endpoint.port}/")
    assert right.failure is None
    assert (wrong.failure and wrong.failure.kind, greeted) == (ErrorKind.TLS, ["hook.example", "other.example"])


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "2130706433", "10.0.0.1"])
async def test_a_forbidden_address_is_not_asked_for(host: str) -> None:
    async with Endpoint(silence) as endpoint, Endpoint(Tunneling()) as proxy, through(proxy_of(proxy)) as sender:
        outcome = await send(sender, f"http://{host}:{endpoint.port}/")
    assert outcome.failure is not None
    assert (outcome.failure.kind, proxy.connections, endpoint.connections) == (ErrorKind.FORBIDDEN_ADDRESS, 0, 0)


async def test_the_proxy_itself_is_no_address_for_deliveries() -> None:
    async with Endpoint(Tunneling()) as proxy, through(proxy_of(proxy)) as sender:
        outcome = await send(sender, proxy.url)
    assert outcome.failure is not None
    assert (outcome.failure.kind, proxy.connections) == (ErrorKind.FORBIDDEN_ADDRESS, 0)


async def test_a_name_that_is_bound_again_is_judged_again() -> None:
    tunneling = Tunneling()
    async with (
        Endpoint(closing(OK), host=TARGET) as endpoint,
        Endpoint(tunneling) as proxy,
        HttpSender(
            OPENED, proxy=proxy_of(proxy), resolver=Names([TARGET], ["127.0.0.1"]), bounds=SenderBounds(dns_ttl=0)
        ) as sender,
    ):
        outcomes = [await send(sender, f"http://hook.example:{endpoint.port}/") for _ in range(2)]
    assert [outcome.failure and outcome.failure.kind for outcome in outcomes] == [None, ErrorKind.FORBIDDEN_ADDRESS]
    assert tunneling.asked == [f"{TARGET}:{endpoint.port}"]


async def test_another_address_of_a_name_is_tried_when_the_proxy_reaches_not_the_first() -> None:
    tunneling = Tunneling(refusals={"127.0.0.3": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"})
    async with (
        Endpoint(answering(OK), host=TARGET) as endpoint,
        Endpoint(tunneling) as proxy,
        through(proxy_of(proxy), Names(["127.0.0.3", "127.0.0.1", TARGET])) as sender,
    ):
        outcome = await send(sender, f"http://hook.example:{endpoint.port}/")
    assert outcome.remote == f"{TARGET}:{endpoint.port}"
    assert tunneling.asked == [f"127.0.0.3:{endpoint.port}", f"{TARGET}:{endpoint.port}"]


async def test_the_proxys_credentials_are_for_the_proxy_alone() -> None:
    async with (
        Endpoint(answering(OK), host=TARGET) as endpoint,
        Endpoint(Tunneling()) as proxy,
        through(proxy_of(proxy, "Basic s3cret")) as sender,
    ):
        await send(sender, endpoint.url)
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic s3cret"
    assert "s3cret" not in endpoint.requests[0].head


async def test_a_proxy_may_have_a_name() -> None:
    async with Endpoint(answering(OK), host=TARGET) as endpoint, Endpoint(Tunneling()) as proxy:
        named = EgressProxy(host="localhost", port=proxy.port)
        async with through(named) as sender:
            outcome = await send(sender, endpoint.url)
    assert outcome.failure is None


UNHELPFUL: dict[str, tuple[Script, str]] = {
    "refuses": (closing(b"HTTP/1.1 403 Forbidden\r\n\r\n"), "made no connection to the server: it answered 403."),
    "wants credentials": (closing(b"HTTP/1.1 407 No\r\n\r\n"), "made no connection to the server: it answered 407."),
    "redirects": (closing(b"HTTP/1.1 302 Found\r\n\r\n"), "made no connection to the server: it answered 302."),
    "speaks no HTTP": (closing(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "gave no answer that HTTP/1.1 knows."),
    "says nothing": (closing(), "gave no answer that HTTP/1.1 knows."),
    "has no end": (trickling(b"HTTP/1.1 200 OK\r\n", b"X-A: x\r\n" * 100), "gave no answer that HTTP/1.1 knows."),
    "goes on": (closing(ESTABLISHED + OK), "gave no answer that HTTP/1.1 knows."),
}


@pytest.mark.parametrize(("script", "words"), UNHELPFUL.values(), ids=UNHELPFUL)
async def test_a_proxy_that_makes_no_tunnel_is_a_connection_failure_that_says_so(script: Script, words: str) -> None:
    async with Endpoint(script) as proxy, through(proxy_of(proxy, "Basic s3cret")) as sender:
        outcome = await send(sender, f"http://{TARGET}:81/")
    message = f"The operator's egress proxy {words}"
    assert outcome.failure == Failure(kind=ErrorKind.CONNECTION, message=message)
    assert outcome.remote is None


async def test_a_proxy_that_resets_the_connection_is_a_connection_failure() -> None:
    async def script(talk: Talk) -> None:
        await talk.receive()
        talk.reset()

    async with Endpoint(script) as proxy, through(proxy_of(proxy)) as sender:
        outcome = await send(sender, f"http://{TARGET}:81/")
    message = "The operator's egress proxy broke off the connection."
    assert outcome.failure == Failure(kind=ErrorKind.CONNECTION, message=message)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "unknown.example"])
async def test_a_proxy_that_is_not_there_is_a_connection_failure(host: str) -> None:
    async with Endpoint(silence) as proxy:
        pass
    resolver = Names(socket.gaierror(socket.EAI_NONAME, "unknown")) if host == "unknown.example" else None
    async with through(EgressProxy(host=host, port=proxy.port), resolver) as sender:
        outcome = await send(sender, f"http://{TARGET}:81/")
    message = "The operator's egress proxy cannot be reached."
    assert outcome.failure == Failure(kind=ErrorKind.CONNECTION, message=message)


async def test_a_proxy_that_never_answers_is_a_timeout_that_leaves_nothing_open() -> None:
    async def script(talk: Talk) -> None:
        await talk.until_closed()

    async with Endpoint(script) as proxy, through(proxy_of(proxy)) as sender:
        outcome = await send(sender, f"http://{TARGET}:81/", timeout=0.1)
        async with asyncio.timeout(5):
            await proxy.ended.acquire()
    assert outcome.failure == Failure(kind=ErrorKind.TIMEOUT, message="No connection within 0.1 s.")


async def test_a_server_without_tls_behind_a_proxy_is_a_tls_failure() -> None:
    async def script(talk: Talk) -> None:
        await talk.reader.readexactly(1)
        await talk.send(OK)

    async with (
        Endpoint(script, host=TARGET) as endpoint,
        Endpoint(Tunneling()) as proxy,
        through(proxy_of(proxy)) as sender,
    ):
        outcome = await send(sender, endpoint.url.replace("http:", "https:"))
    assert outcome.failure is not None
    assert outcome.failure.kind == ErrorKind.TLS


async def test_a_proxy_of_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(talk: Talk) -> None:
        if await talk.reader.readexactly(1) == b"P":  # else a TLS handshake, which is cut short
            await talk.reader.readuntil(b"\r\n\r\n{}")
            await talk.send(OK)

    async with Endpoint(script, host=TARGET) as endpoint, Endpoint(Tunneling()) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        async with HttpSender(OPENED) as sender:
            outcome = await send(sender, endpoint.url)
            await send(sender, endpoint.url.replace("http:", "https:"))
    assert (outcome.failure, endpoint.connections, proxy.connections) == (None, 2, 0)


@pytest.mark.parametrize("opened", [open_sender, open_token_sender])
async def test_the_settings_of_egress_are_those_of_every_sender(opened: Callable[[Settings], HttpSender]) -> None:
    async with Endpoint(answering(OK), host=TARGET) as endpoint, Endpoint(Tunneling()) as proxy:
        settings = load_settings(
            environ={
                "HOOKWARD_EGRESS__ALLOW": "127.0.0.0/8",
                "HOOKWARD_EGRESS__DENY": "127.0.0.3/32",
                "HOOKWARD_EGRESS__PORTS": str(endpoint.port),
                "HOOKWARD_EGRESS__PROXY": proxy.url,
            }
        )
        async with opened(settings) as sender:
            right = await send(sender, endpoint.url)
            wrong = [await send(sender, each) for each in (f"http://127.0.0.3:{endpoint.port}/", f"http://{TARGET}:1/")]
    assert (right.failure, proxy.connections) == (None, 1)
    assert [((each.failure and each.failure.message) or "").split()[-1] for each in wrong] == [
        "egress.deny.",
        "egress.ports.",
    ]


def certificate(tmp_path: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server with a self-signed certificate for ``host``, and a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "endpoint")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both = tmp_path / "endpoint.pem"
    both.write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(both)
    return server, ssl.create_default_context(cadata=pem.decode())
