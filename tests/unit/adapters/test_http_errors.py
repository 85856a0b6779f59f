from __future__ import annotations

import errno

import pytest
from aiohttp import ClientConnectionResetError, ClientConnectorError
from aiohttp.client_reqrep import ConnectionKey

from hookward.adapters.http_client.errors import failure_of
from hookward.domain.delivery.outcome import ErrorKind, Failure

KEY = ConnectionKey(
    host="s3cret.example",
    port=443,
    is_ssl=True,
    ssl=True,
    proxy=None,
    proxy_auth=None,
    proxy_headers_hash=None,
)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ClientConnectorError(KEY, OSError(errno.ENETUNREACH, "s3cret")), "No connection to the server (ENETUNREACH)."),
        (ClientConnectorError(KEY, OSError("s3cret")), "No connection to the server."),
        (
            ClientConnectorError(KEY, ConnectionResetError(errno.ECONNRESET, "s3cret")),
            "No connection to the server (ECONNRESET).",
        ),
        (ClientConnectionResetError("s3cret"), "The connection broke."),
    ],
)
def test_a_connection_failure_is_told_in_our_words(error: Exception, message: str) -> None:
    assert failure_of(error, https=False) == Failure(kind=ErrorKind.CONNECTION, message=message)
