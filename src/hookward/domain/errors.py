"""The one tree of errors.

An exception means that a request cannot be honoured or that *we* are broken; a delivery that fails is a value
(``delivery.outcome``), never an exception.

* HookwardError

  * RequestRejected: the request is wrong, and says where

    * Malformed: not JSON, or JSON that no double and no text can hold (400)
    * Invalid: well-formed, but breaks a rule; carries every problem (422)
    * Forbidden: the key may not do this (403)
    * TooLarge (413)
    * NotFound (404)
    * Conflict (409)
    * PreconditionFailed: changed since the caller read it (412)
    * TokenNotGranted: an authorization server gave no token for what was handed to us (502)
    * TooManyPending: over the account's bound, try later (429)

  * TypeChanged: what came was judged by a version of its resource type that is not the current one; judge it again
  * LeaseLost: this worker's lease has ended; what it still holds belongs to others
  * BudgetExceeded: a JSONPath needs more work than one evaluation may take
  * TemplateFailed: a template gives no body for this document
  * DecryptionFailed: a sealed value that the configured keys do not open, or not where it lies
  * StoreUnavailable: PostgreSQL cannot be reached or did not answer (503)
  * ConfigError: the service cannot start as configured
  * NoToken (``oauth.model``): no OAuth2 access token for now
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a request.

    ``pointer`` is an RFC 6901 JSON Pointer into the body, ``parameter`` the name of a query or path parameter; at most
    one of them is set. ``message`` says what was wrong and what would be right.
    """

    message: str
    pointer: str | None = None
    parameter: str | None = None


class HookwardError(Exception):
    """Root of everything raised on purpose."""


class RequestRejected(HookwardError):
    """A request that cannot be honoured as it is; ``problems`` may be empty when ``detail`` says it all."""

    def __init__(self, detail: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = problems


class Malformed(RequestRejected):
    """The bytes are not the JSON we can keep exactly (RFC 8259)."""


class Invalid(RequestRejected):
    """Well-formed, but against a rule; every problem is named at once."""


class Forbidden(RequestRejected):
    """A key without the scope that this takes."""


class TooLarge(RequestRejected):
    """Over a size bound."""


class NotFound(RequestRejected):
    """No such thing in this account."""


class Conflict(RequestRejected):
    """The thing is in a state that forbids it."""


class PreconditionFailed(RequestRejected):
    """The thing is not, or no longer, in the state that the caller asked for (RFC 9110 §13.1)."""


class TokenNotGranted(RequestRejected):
    """An authorization server did not turn a code into tokens that last."""


class TooManyPending(RequestRejected):
    """The account has too much undelivered, or in hand; ``retry_after`` is in whole seconds."""

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class BudgetExceeded(HookwardError):
    """A JSONPath touches more of this document than one evaluation may."""


class TemplateFailed(HookwardError):
    """A template gives no body for this document; the message is for the integrator and quotes nothing of it."""


class DecryptionFailed(HookwardError):
    """A sealed value that this process's keys do not open; the message holds key ids at most."""


class StoreUnavailable(HookwardError):
    """PostgreSQL is out of reach or did not answer in time."""


class TypeChanged(HookwardError):
    """The resource type has changed since an event or a watch was judged by it: nothing was taken."""


class LeaseLost(HookwardError):
    """The lease under which something was claimed has ended: nothing was changed."""


class ConfigError(HookwardError):
    """A setting is unknown or wrong; the message is one line that names it."""


def pointer_to(*segments: str | int) -> str:
    """The RFC 6901 pointer for a path of names and indexes; no segment gives the whole document, ``""``."""
    return "".join("/" + str(segment).replace("~", "~0").replace("/", "~1") for segment in segments)
