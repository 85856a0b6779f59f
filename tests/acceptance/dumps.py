"""What a reader can learn from a dump of both stores, with keys or guesses of them."""

from __future__ import annotations

import base64
import gzip
import zlib
from binascii import unhexlify
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import product

import msgspec

from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.adapters.postgres.sealed import SEALED
from hookward.domain.errors import DecryptionFailed
from hookward.domain.oauth.model import variant_of
from hookward.domain.sealing import sealed_place
from hookward.domain.watches.model import WatchDefinition, WatchSecrets
from tests.acceptance.canaries import Json, cells_of


def unpacked(cell: bytes) -> Iterator[bytes]:
    """A cell, and what it is when it is taken for one of the usual encodings."""
    yield cell
    for decode in (base64.b64decode, base64.urlsafe_b64decode, unhexlify, zlib.decompress, gzip.decompress):
        with suppress(ValueError, zlib.error, OSError, EOFError):
            yield decode(cell)


def opened(rows: Sequence[Json], queue: Sequence[bytes], keys: Iterable[bytes]) -> Iterator[bytes]:
    """What sealed values say to a reader with these keys: what each is bound to can be read off the dump."""
    for sealer in map(AesGcmSealer, keys):
        for cell, about in (*_of_rows(rows), *_of_flows(rows), *_of_queue(queue, rows, sealer)):
            with suppress(DecryptionFailed):
                yield sealer.unseal(cell, about)


def _of_rows(rows: Iterable[Json]) -> Iterator[tuple[bytes, str]]:
    for row in rows:
        if isinstance(row.get("id"), bytes) and "account_id" in row:
            account, owner = row["account_id"], row.get("owner")
            abouts = [sealed_place(account, owner, each.row, row["id"], each.field) for each in SEALED]
            yield from product(cells_of([row]), abouts)


def _of_flows(rows: Iterable[Json]) -> Iterator[tuple[bytes, str]]:
    """Authorizations that are under way."""
    for row in rows:
        if "sealed" in row:
            yield row["sealed"], f"account:{row['account_id']}/watch:{row['watch_id'].hex()}/authorization"


def _of_queue(queue: Sequence[bytes], rows: Sequence[Json], sealer: AesGcmSealer) -> Iterator[tuple[bytes, str]]:
    """Access tokens, and refresh tokens that wait to be written."""
    variants = list(_variants(rows, sealer))
    for key, value in zip(queue, queue[2:], strict=False):
        kind, *parts = key.decode(errors="replace").removeprefix("hookward:").split(":")
        if kind in {"rotation", "token"}:
            place = f"account:{parts[0]}/credential:{parts[1]}"
            fields = ["rotation"] if kind == "rotation" else [f"token:{variant.hex()}" for variant in variants]
            yield from [(value, f"{place}/{field}") for field in fields]


def _variants(rows: Iterable[Json], sealer: AesGcmSealer) -> Iterator[bytes]:
    """What access tokens are bound to: all that they are asked for with."""
    for row in rows:
        if row.get("credential_id") is not None:
            secrets = WatchSecrets()
            with suppress(DecryptionFailed):
                about = sealed_place(row["account_id"], row["owner"], "watch", row["id"], "secrets")
                secrets = msgspec.json.decode(sealer.unseal(row["secrets"] or b"", about), type=WatchSecrets)
            oauth = msgspec.json.decode(row["definition"], type=WatchDefinition).oauth
            assert oauth is not None
            yield variant_of(oauth, secrets.client_secret)


def guesses(cell: bytes) -> Iterator[str]:
    """API keys that a reader may construct from what the database holds."""
    if len(cell) == 32:
        yield "hw_" + base64.urlsafe_b64encode(cell).rstrip(b"=").decode()
        yield "hw_" + cell.hex()
