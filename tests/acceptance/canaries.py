"""Secrets that can be recognised, where they are looked for, and how."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.integration.observing import command_line
from tests.service import Service

Json = dict[str, Any]


class Canaries:
    """Values that cannot occur by chance, by the input through which they go in."""

    def __init__(self) -> None:
        self.cores: dict[str, bytes] = {}

    def text(self, door: str) -> str:
        """A new secret for a door: letters and digits that are looked for, among what encoders like to change."""
        core = secrets.token_hex(10)
        self.note(door, core)
        return f"c/{core}+=&"

    def note(self, door: str, core: str | bytes) -> None:
        """Look for a secret that the service or a peer made."""
        name = door if door not in self.cores else f"{door} {len(self.cores)}"
        self.cores[name] = core if isinstance(core, bytes) else core.encode()

    def found(self, places: Mapping[str, bytes]) -> dict[str, list[str]]:
        """In which places, and in which form, each canary is."""
        found = {door: list(where(core, places)) for door, core in self.cores.items()}
        return {door: hits for door, hits in found.items() if hits}


LARGE = 16 << 20
"""Bytes of a place from which on only the plain form is looked for."""


def where(core: bytes, places: Mapping[str, bytes]) -> Iterator[str]:
    """The places that hold ``core``, each with the form that it has there."""
    for place, content in places.items():
        for form, needle in forms(core):
            if needle in content:
                yield f"{place}, {form}"
            if len(content) > LARGE:
                break


def forms(core: bytes) -> Iterator[tuple[str, bytes]]:
    """How a value reads when it is written down: as it is, in hexadecimal, percent-encoded, in base64 at any offset."""
    yield "as it is", core
    yield "upper case", core.upper()
    yield "hexadecimal", core.hex().encode()
    yield "hexadecimal, upper case", core.hex().upper().encode()
    yield "percent-encoded", b"".join(b"%%%02X" % byte for byte in core)
    yield "with spaces between", core.hex(" ").encode()
    for offset in range(3):
        padded = bytes(offset) + core
        inner = slice((0, 2, 3)[offset], len(padded) // 3 * 4)
        yield f"base64 at {offset}", base64.b64encode(padded)[inner]
        yield f"base64url at {offset}", base64.urlsafe_b64encode(padded)[inner]


def cells_of(rows: Iterable[Json]) -> list[bytes]:
    """What is in all columns of rows."""
    return [cell for row in rows for value in row.values() for cell in cells(value)]


def cells(value: Any) -> Iterator[bytes]:
    """What is in a column: texts and bytes, whatever they are packed into."""
    match value:
        case None:
            return
        case bytes():
            yield value
        case list() | tuple():
            for each in value:
                yield from cells(each)
        case _:
            yield str(value).encode()


async def database_rows(service: Service) -> list[Json]:
    """Everything that PostgreSQL holds: each row of each table, and what its sessions are doing."""
    found: list[Json] = []
    async with service.database() as connection:
        await connection.set_type_codec("uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
        tables = await connection.fetch(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        for (table,) in tables:
            found += [dict(row) for row in await connection.fetch(f"SELECT * FROM {table}")]
        found += [dict(row) for row in await connection.fetch("SELECT query FROM pg_stat_activity")]
    return found


async def queue_cells(service: Service) -> list[bytes]:
    """Everything that Valkey holds: keys and what is behind them, as it would be dumped."""
    found: list[bytes] = []
    async with service.queue() as queue:
        async for key in queue.scan_iter():
            found += [key, await queue.dump(key) or b""]
            if await queue.type(key) == b"string":  # dumped, a long one is compressed
                found.append(await queue.get(key) or b"")
    return found


def files(folder: Path) -> bytes:
    """All files below a folder, without the long runs of zeros that databases hold."""
    return b"\n".join(
        re.sub(rb"\0{64,}", b"\0", path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()
    )


def command_lines(service: Service) -> bytes:
    """How every process of the service was started, as anybody on the machine can see."""
    return "\n".join(command_line(pid) for pid in (service.process.pid, *service.family())).encode()


def joined(parts: Iterable[bytes]) -> bytes:
    return b"\n".join(parts)
