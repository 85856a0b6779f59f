"""What is sent to a token endpoint: the grant, and the client's proof of who it is."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import quote_plus

from authlib.common.urls import add_params_to_qs
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request

from hookward.domain.delivery.request import OutgoingRequest
from hookward.domain.oauth.model import ClientAuthMethod, TokenGrant

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523 §2.2
_OURS = frozenset({
    "client_assertion", "client_assertion_type", "client_id", "client_secret", "code", "code_verifier", "grant_type",
    "redirect_uri", "refresh_token",
})  # fmt: skip
_HEADERS = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))

_Prepared = tuple[str, dict[str, str], str]


def token_request(
    grant: TokenGrant, kind: str, own: Mapping[str, str], *, scope: str | None = None, assertion: str | None = None
) -> OutgoingRequest:
    """The request for a grant of this ``kind`` (``grant_type``) with the parameters it has of its ``own``.

    ``assertion`` is the signed JWT of ``private_key_jwt``. What the definition adds comes after, and what it may
    not replace is left out.
    """
    definition = grant.definition
    body = prepare_token_request(kind, scope=scope, **own)
    taken = _OURS | {"scope"} if scope else _OURS
    extra = [(name, value) for name, value in definition.extra_parameters.items() if name not in taken]
    body = add_params_to_qs(body, extra)
    proof = ClientAuth(
        definition.client_id, grant.client_secret or "", _proof(definition.client_auth_method, assertion)
    )
    address, headers, body = proof.prepare("POST", definition.access_token_url, {}, body)
    return OutgoingRequest(
        method="POST",
        address=address,
        headers=_HEADERS,
        changing=tuple(headers.items()),  # not kept beside the connections, as it is a secret
        body=body.encode(),
    )


def _proof(method: ClientAuthMethod, assertion: str | None) -> str | Callable[..., _Prepared]:
    match method:
        case ClientAuthMethod.BASIC:
            return _basic
        case ClientAuthMethod.PRIVATE_KEY_JWT:
            assert assertion is not None
            return partial(_asserted, assertion)
        case ClientAuthMethod.POST | ClientAuthMethod.NONE:
            return str(method)


def _basic(client: ClientAuth, _method: str, uri: str, headers: dict[str, str], body: str) -> _Prepared:
    """RFC 6749 §2.3.1: both parts form-encoded first, which authlib leaves out."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return uri, {**headers, "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, body


def _asserted(
    assertion: str, client: ClientAuth, _method: str, uri: str, headers: dict[str, str], body: str
) -> _Prepared:
    """RFC 7523 §2.2; the client id, which it repeats, is what some servers find the key by."""
    parameters = [
        ("client_id", client.client_id),
        ("client_assertion_type", _ASSERTION_TYPE),
        ("client_assertion", assertion),
    ]
    return uri, headers, str(add_params_to_qs(body, parameters))
