"""The one tree of errors.

An exception means that a request cannot be honoured or that *we* are broken; a delivery that fails is a value
(``delivery.outcome``), never an exception.

* HookwardError

  * RequestRejected: the request is wrong; ``problems`` say where

    * Malformed: not JSON, or a number or string that JSON cannot represent exactly (400)
    * Invalid: well-formed, but breaks a rule; carries every problem (422)
    * Forbidden: the key may not do this (403)
    * TooLarge (413)
    * NotFound (404)
    * Conflict (409)
    * PreconditionFailed: changed since the caller read it (412)
    * TokenNotGranted: an authorization server gave no token for an authorization code (502)
    * TooManyPending: over the account's bound, try later (429)

  * TypeChanged: a request was validated against a version of its resource type that is not current; validate it again
  * LeaseLost: this worker's lease has ended; its deliveries belong to other workers
  * BudgetExceeded: a JSONPath needs more steps than one evaluation may take
  * TemplateFailed: a template cannot be rendered for this document
  * DecryptionFailed: a sealed value that the configured keys cannot open, or that belongs to another row
  * StoreUnavailable: PostgreSQL cannot be reached or did not respond in time (503)
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
    """The request cannot be carried out as it is; ``problems`` may be empty if ``detail`` is enough."""

    def __init__(self, detail: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = problems


class Malformed(RequestRejected):
    """The body is not JSON, or JSON that cannot be represented exactly (RFC 8259)."""


class Invalid(RequestRejected):
    """The request is well-formed but breaks rules; ``problems`` holds every problem."""


class Forbidden(RequestRejected):
    """The API key does not have the scope that the request needs."""


class TooLarge(RequestRejected):
    """The request is larger than a bound allows."""


class NotFound(RequestRejected):
    """The account has no such object."""


class Conflict(RequestRejected):
    """The object is in a state that does not allow the request."""


class PreconditionFailed(RequestRejected):
    """The object is not, or no longer, in the state that the caller expects (RFC 9110 §13.1)."""


class TokenNotGranted(RequestRejected):
    """An authorization server did not exchange a code for a refresh token."""


class TooManyPending(RequestRejected):
    """The account has too many deliveries waiting or requests running; ``retry_after`` is in whole seconds."""

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class BudgetExceeded(HookwardError):
    """A JSONPath touches more values of this document than one evaluation may."""


class TemplateFailed(HookwardError):
    """A template cannot be rendered for this document; the message is for the integrator and does not quote it."""


class DecryptionFailed(HookwardError):
    """This process's keys cannot open a sealed value; the message holds key ids at most."""


class StoreUnavailable(HookwardError):
    """PostgreSQL cannot be reached or did not respond in time."""


class TypeChanged(HookwardError):
    """The resource type changed after an event or a watch was validated against it; nothing was stored."""


class LeaseLost(HookwardError):
    """The lease under which deliveries were claimed has ended; nothing was changed."""


class ConfigError(HookwardError):
    """A setting is unknown or wrong; the message is one line that names it."""


def pointer_to(*segments: str | int) -> str:
    """Return the RFC 6901 pointer for names and indexes; without segments ``""``, the whole document."""
    return "".join("/" + str(segment).replace("~", "~0").replace("/", "~1") for segment in segments)
