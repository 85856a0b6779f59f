"""An HTTP proxy on loopback that makes tunnels, and keeps what it was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from hookward.domain.egress import EgressProxy
from tests.integration.endpoint import Endpoint, Talk

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass
class Tunneling:
    """A script for ``Endpoint``: answers ``refusals`` where an authority is named there, else connects."""

    refusals: Mapping[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, talk: Talk) -> None:
        authority = (await talk.receive()).line.split()[1]
        self.asked.append(authority)
        refusal = self.refusals.get(authority.rpartition(":")[0])
        if refusal is not None:
            await talk.send(refusal)
            return
        host, _, port = authority.rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        try:
            await talk.send(ESTABLISHED)
            back = asyncio.create_task(_pour(reader, talk.writer))
            await _pour(talk.reader, writer)
            await back
        finally:
            writer.close()


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()
    sink.close()


def proxy_of(endpoint: Endpoint, authorization: str | None = None) -> EgressProxy:
    return EgressProxy(host=endpoint.host, port=endpoint.port, authorization=authorization)
