"""The authorization code grant (RFC 6749 §4.1) with PKCE (RFC 7636): the URL for the browser, and its return."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from hookward.domain.errors import Invalid
from hookward.domain.oauth.model import OAuthDefinition
from hookward.domain.problems import problem_at, unknown_fields

SECONDS = 600.0
"""How long a user may take to authorize."""
MOST_FLOWS = 10
"""Authorizations of one watch that may be open at a time; a further one replaces the oldest."""

SECRET_BYTES = 32
MAX_CODE = 4096
MAX_STATE = 255
_CODE = re.compile(r"[\x20-\x7e]+")  # VSCHAR of RFC 6749, appendix A

# RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6; anything else is not repeated.
_ERRORS = frozenset({
    "invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope",
    "server_error", "temporarily_unavailable", "interaction_required", "login_required", "account_selection_required",
    "consent_required",
})  # fmt: skip


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of the redirect back from the authorization server: a code, and the state of the request."""

    code: str
    state: str

    def __repr__(self) -> str:
        return "<Return>"


def random_text(random: bytes) -> str:
    """Return random bytes as a state or a code verifier: base64url without padding."""
    return urlsafe_b64encode(random).rstrip(b"=").decode()


def state_digest(state: str) -> bytes:
    """Return the SHA-256 of a state, which is stored in its place."""
    return sha256(state.encode()).digest()


def authorization_url(definition: OAuthDefinition, *, redirect_uri: str, state: str, verifier: str) -> str:
    """Return the URL that the user's browser is sent to; the query of ``authUrl`` is kept."""
    assert definition.auth_url is not None
    parameters = {
        "response_type": "code",
        "client_id": definition.client_id,
        "redirect_uri": redirect_uri,
        **({} if definition.scope is None else {"scope": definition.scope}),
        "state": state,
        "code_challenge": random_text(sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    _, mark, query = definition.auth_url.partition("?")
    given = {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    parameters |= {name: value for name, value in definition.extra_parameters.items() if name not in given}
    separator = "" if mark and (not query or query.endswith("&")) else "&" if mark else "?"
    return definition.auth_url + separator + urlencode(parameters, quote_via=quote)


def known_error(word: str) -> str | None:
    """Return ``word`` if it is an error code of the standards, else ``None``."""
    return word if word in _ERRORS else None


def is_code(value: Any) -> bool:
    """Return whether a value can be an authorization code."""
    return isinstance(value, str) and len(value) <= MAX_CODE and _CODE.fullmatch(value) is not None


def is_state(value: Any) -> bool:
    """Return whether a value can be a state that ``random_text`` made."""
    return isinstance(value, str) and 1 <= len(value) <= MAX_STATE and value.isascii()


def read_return(given: Any) -> Return:
    """Validate the code and state that an integrator's own page received. Raises Invalid with every problem."""
    if not isinstance(given, dict):
        message = "give a JSON object with the code and the state that came back"
        raise Invalid(message, (problem_at(message),))
    problems = list(unknown_fields(given, ("code", "state"), "the return of an authorization"))
    if not is_code(given.get("code")):
        problems.append(problem_at(f"code must be the text that came back, 1 to {MAX_CODE} visible characters", "code"))
    if not is_state(given.get("state")):
        problems.append(problem_at(f"state must be the text that came back, 1 to {MAX_STATE} characters", "state"))
    if problems:
        raise Invalid("the return of the authorization has problems", tuple(problems))
    return Return(code=given["code"], state=given["state"])
