"""Read the responses of token endpoints (RFC 6749 §5), which may be wrong or hostile.

Messages quote nothing of a response except a well-formed error code, with the secrets of the request masked: the server
may repeat them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from hookward.domain.delivery.masking import SecretMask
from hookward.domain.delivery.outcome import Response
from hookward.domain.oauth.model import AuthorizationRequired, NoToken, TokenResponse

_READ = frozenset({"access_token", "token_type", "expires_in", "refresh_token", "error"})
_BEARER = frozenset({"bearer", "bearertoken"})  # the latter is what Apigee calls it
_TOKEN = re.compile(r"[!-~]{1,16384}")  # RFC 6750 §2.1, and nothing that would end a header
_REFRESH_TOKEN = re.compile(r"[ -~]{1,16384}")  # RFC 6749 §A.17
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?")
_CODE = re.compile(r"[a-z_]{1,64}")
_MOST_PARAMETERS = 64
_LONGEST_LIFETIME = 366 * 86400.0
_HINTS = {
    "invalid_client": "; check clientId, clientSecret and clientAuthMethod",
    "invalid_scope": "; check scope",
    "invalid_target": "; check the resource or audience in extraParameters",
    "unauthorized_client": "; the client may not use this grantType",
    "unsupported_grant_type": "; the server does not know this grantType",
}


class _Unreadable(ValueError):
    """Neither a JSON object nor a form with each parameter at most once."""


def granted(response: Response, *, place: str, consented: str | None, secrets: Collection[str] = ()) -> TokenResponse:
    """Return the tokens in ``response``. Raises NoToken with what is wrong.

    ``place`` names the token endpoint in messages, in which ``secrets`` are masked. ``consented`` names the parameter
    that represents a user's consent, if the grant has one: ``invalid_grant`` then raises AuthorizationRequired.
    """
    if 300 <= response.status < 400:
        raise NoToken(
            f"{place} answered {response.status}; redirects are not followed: give the address it redirects to as "
            "accessTokenUrl."
        )
    if response.truncated:
        raise NoToken(f"{place} answered {response.status}, longer than Hookward reads.")
    try:
        said = _read(response)
    except _Unreadable:
        if response.status >= 300:
            raise NoToken(f"{place} answered {response.status}.") from None
        raise NoToken(
            f"{place} answered {response.status} with something else than a JSON object in which each parameter comes "
            "once (RFC 6749 §5.1)."
        ) from None
    if response.status >= 300 or said.get("error"):
        raise _refusal(said.get("error"), response.status, place=place, consented=consented, mask=SecretMask(secrets))
    return _tokens(said, f"{place} answered {response.status}")


def _read(response: Response) -> dict[str, Any]:
    if _media_type(response) == "application/x-www-form-urlencoded":  # servers older than RFC 6749
        try:
            return _once(parse_qsl(response.body.decode("ascii"), True, max_num_fields=_MOST_PARAMETERS))
        except ValueError as error:
            raise _Unreadable from error
    try:
        said = json.loads(response.body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _Unreadable from error
    if not isinstance(said, dict):
        raise _Unreadable
    return said


def _media_type(response: Response) -> str:
    given = next((value for name, value in response.headers if name.lower() == "content-type"), "")
    return given.partition(";")[0].strip().lower()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members. Raises _Unreadable for a parameter that occurs twice (RFC 6749 §3.2)."""
    names = [name for name, _ in pairs if name in _READ]
    if len(names) != len(set(names)):
        raise _Unreadable
    return dict(pairs)


def _refusal(error: object, status: int, *, place: str, consented: str | None, mask: SecretMask) -> NoToken:
    code = error if isinstance(error, str) and _CODE.fullmatch(error) else None
    if code == "invalid_grant" and consented is not None and status < 500:
        return AuthorizationRequired(
            f"{place} refused {consented} ({status}, invalid_grant): it was revoked, has expired or was used before. "
            "Authorize the watch again, or give it a new refreshToken."
        )
    if code is None:
        return NoToken(f"{place} answered {status}{' with an error' if status < 300 else ''}.")
    return NoToken(f"{place} answered {status}, {mask.mask_text(code)}{_HINTS.get(code, '')}.")


def _tokens(said: dict[str, Any], answered: str) -> TokenResponse:
    access = said.get("access_token")
    if access is None:
        raise NoToken(f"{answered} without an access_token.")
    if not isinstance(access, str) or not _TOKEN.fullmatch(access):
        raise NoToken(f"{answered} with an access_token that is not 1 to 16384 visible ASCII characters.")
    kind = said.get("token_type") or "Bearer"  # required, and forgotten by some
    if not isinstance(kind, str) or kind.lower() not in _BEARER:
        raise NoToken(f"{answered} with a token_type other than Bearer, the only one that Hookward sends (RFC 6750).")
    refresh = said.get("refresh_token") or None
    if refresh is not None and not (isinstance(refresh, str) and _REFRESH_TOKEN.fullmatch(refresh)):
        raise NoToken(f"{answered} with a refresh_token that is not 1 to 16384 ASCII characters.")
    return TokenResponse(access_token=access, lifetime=_lifetime(said.get("expires_in")), refresh_token=refresh)


def _lifetime(given: object) -> float | None:
    """Return the lifetime in seconds; ``None`` unless it is a number above 0: the default then applies."""
    if isinstance(given, str):
        given = float(given) if _NUMBER.fullmatch(given) else None
    if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:  # NaN is not
        return None
    return float(min(given, _LONGEST_LIFETIME))
