"""Build token requests: the parameters of the grant, and the authentication of the client."""

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


def build_token_request(
    grant: TokenGrant, kind: str, own: Mapping[str, str], *, scope: str | None = None, assertion: str | None = None
) -> OutgoingRequest:
    """Return the request for a grant of this ``kind`` (``grant_type``); ``own`` are the parameters of the kind.

    ``assertion`` is the signed JWT of ``private_key_jwt``. The definition's extra parameters follow, except those that
    would override parameters set by Hookward.
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
        changing=tuple(headers.items()),  # not cached with the prepared request, as it is secret
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
    """Form-encode both parts first (RFC 6749 §2.3.1), which authlib omits."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return uri, {**headers, "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, body


def _asserted(
    assertion: str, client: ClientAuth, _method: str, uri: str, headers: dict[str, str], body: str
) -> _Prepared:
    """Add the assertion (RFC 7523 §2.2), and the client id, by which some servers find the key."""
    parameters = [
        ("client_id", client.client_id),
        ("client_assertion_type", _ASSERTION_TYPE),
        ("client_assertion", assertion),
    ]
    return uri, headers, str(add_params_to_qs(body, parameters))
