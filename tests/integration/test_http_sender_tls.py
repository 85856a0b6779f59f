"""TLS is verified, and what goes wrong with it is called so."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from ipaddress import IPv4Address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hookward.adapters.http_client.sender import HttpSender
from hookward.domain.delivery.outcome import ErrorKind, Failure, Outcome
from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.egress import EgressPolicy
from tests.integration.endpoint import OK, Endpoint, Talk, answering

pytestmark = pytest.mark.both_loops

LOOPBACK = EgressPolicy(allow=(ip_network("127.0.0.1/32"),))


async def send(address: str, *, timeout: float = 5, tls: ssl.SSLContext | None = None) -> Outcome:
    request = OutgoingRequest(method="POST", address=address, headers=(), body=b"{}")
    async with HttpSender(LOOPBACK, tls=tls) as sender:
        return await sender.send(request, timeout=timeout)


def kind_of(outcome: Outcome) -> ErrorKind | None:
    return None if outcome.failure is None else outcome.failure.kind


def certificate(
    tmp_path: Path, address: str = "127.0.0.1", years: tuple[int, int] = (2020, 2100)
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server with a self-signed certificate for ``address``, and a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "endpoint")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(years[0], 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(years[1], 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]), critical=False)
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


async def test_a_trusted_certificate_is_a_delivery(tmp_path: Path) -> None:
    server, client = certificate(tmp_path)
    async with Endpoint(answering(OK), tls=server) as endpoint:
        outcome = await send(endpoint.url, tls=client)
    assert outcome.response is not None


async def test_a_large_body_arrives_whole(tmp_path: Path) -> None:
    server, client = certificate(tmp_path)
    body = bytes(range(256)) * 8192  # 2 MiB
    async with Endpoint(answering(OK), tls=server) as endpoint, HttpSender(LOOPBACK, tls=client) as sender:
        request = OutgoingRequest(method="PUT", address=endpoint.url, headers=(), body=body)
        for _ in range(2):
            await sender.send(request, timeout=5)
    assert [received.body == body for received in endpoint.requests] == [True, True]
    assert endpoint.connections == 1


async def test_a_self_signed_certificate_is_a_tls_failure(tmp_path: Path) -> None:
    server, _ = certificate(tmp_path)
    async with Endpoint(answering(OK), tls=server) as endpoint:
        outcome = await send(endpoint.url)
    assert outcome.failure is not None
    assert outcome.failure.kind == ErrorKind.TLS
    assert outcome.failure.message.startswith("The certificate is not trusted: self")
    assert endpoint.requests == []


async def test_a_certificate_for_another_name_is_a_tls_failure(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "127.0.0.2")
    async with Endpoint(answering(OK), tls=server) as endpoint:
        outcome = await send(endpoint.url, tls=client)
    assert (kind_of(outcome), endpoint.requests) == (ErrorKind.TLS, [])


@pytest.mark.parametrize(
    ("years", "reason"), [((2020, 2021), "certificate has expired"), ((2099, 2100), "certificate is not yet valid")]
)
async def test_a_certificate_that_is_not_valid_now_is_a_tls_failure(
    tmp_path: Path, years: tuple[int, int], reason: str
) -> None:
    server, client = certificate(tmp_path, years=years)
    async with Endpoint(answering(OK), tls=server) as endpoint:
        outcome = await send(endpoint.url, tls=client)
    assert outcome.failure == Failure(kind=ErrorKind.TLS, message=f"The certificate is not trusted: {reason}.")
    assert endpoint.requests == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_wants_a_client_certificate_is_a_tls_failure(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    server, client = certificate(tmp_path)
    server.load_verify_locations(tmp_path / "endpoint.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    server.maximum_version = version

    async def script(talk: Talk) -> None:
        """Says so and goes on reading; a close would race its reset against the alert."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server.wrap_bio(incoming, outgoing, server_side=True)
        refused = False
        while not refused:
            incoming.write(await talk.reader.read(65536))
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                refused = True
            await talk.send(outgoing.read())
        await talk.until_closed()

    async with Endpoint(script) as endpoint:
        outcome = await send(endpoint.url.replace("http:", "https:"), tls=client)
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.message[:11]) == (ErrorKind.TLS, "TLS failed:")


async def test_a_server_without_tls_is_a_tls_failure() -> None:
    async def script(talk: Talk) -> None:
        await talk.reader.readexactly(1)
        await talk.send(OK)

    async with Endpoint(script) as endpoint:
        assert kind_of(await send(endpoint.url.replace("http:", "https:"))) == ErrorKind.TLS


async def test_a_server_that_hangs_up_in_the_handshake_is_a_tls_failure() -> None:
    async def script(talk: Talk) -> None:
        await talk.reader.readexactly(1)
        talk.reset()

    async with Endpoint(script) as endpoint:
        assert kind_of(await send(endpoint.url.replace("http:", "https:"))) == ErrorKind.TLS


async def test_a_handshake_without_end_is_a_timeout() -> None:
    async def script(talk: Talk) -> None:
        await talk.until_closed()

    async with Endpoint(script) as endpoint:
        outcome = await send(endpoint.url.replace("http:", "https:"), timeout=0.1)
        async with asyncio.timeout(5):
            await endpoint.ended.acquire()
    assert outcome.failure == Failure(kind=ErrorKind.TIMEOUT, message="No connection within 0.1 s.")
