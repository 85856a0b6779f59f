"""Masks secrets in values that are logged. Secrets are recognized by the name of a field and by their form.

Code must not log secrets in the first place. This is the second line of defence: for messages of libraries, and for
log lines that are added by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "********"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset({
    "assertion", "authorization", "body", "cookie", "cookies", "credential", "credentials", "dsn", "extra", "headers",
    "jwt", "key", "keys", "passphrase", "passwd", "password", "passwords", "pem", "previous", "pwd", "request",
    "resource", "response", "secret", "secrets", "token", "tokens", "verifier",
})  # fmt: skip
_SECRET_NAMES = frozenset({"code", "auth code", "authorization code", "set cookie"})

_QUOTED = r"\"(?:[^\"\\]|\\.)*(?:\"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z)"
"""A quotation without end goes to the end of the text: a text that was cut may end inside a secret."""
_NAMES = (
    r"pass(?:word|wd|phrase)|secret|token|assertion|authorization|cookie|credentials?|code_verifier|"
    r"(?:api|master|private|bootstrap)[_-]?key"
)
_NAMED = re.compile(
    rf"((?:{_NAMES})s?[\"']?\s{{0,4}}[:=]\s{{0,4}})(?:{_QUOTED}|[^\s,;&\]}})'\"]+)", re.IGNORECASE | re.DOTALL
)
_PATTERNS = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"\b(whsec_|whsk_|hw_)[A-Za-z0-9+/=_-]{8,}"), rf"\1{MASK}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"), MASK),
    (re.compile(r"\b(Bearer|Basic|Digest|DPoP|Negotiate)(\s+)[A-Za-z0-9._~+/=:,-]{4,}", re.IGNORECASE), rf"\1\2{MASK}"),
    (re.compile(r"(://[^\s:/@'\"]{0,256}:)[^\s'\"]{0,1024}@"), rf"\1{MASK}@"),
    (re.compile(r"([?&]code=)[^\s&'\"]+"), rf"\1{MASK}"),
    (_NAMED, rf"\1{MASK}"),
)  # fmt: skip
_QUOTATION = re.compile(rf"(?<![A-Za-z0-9])[bru]{{0,2}}(?:{_QUOTED})", re.IGNORECASE)


def redacted(value: object, name: str = "") -> object:
    """Return ``value`` as it may be logged: masked as a whole if its ``name`` is secret, else in its strings.

    Bodies, headers and resources count as secret: they are data of customers. Numbers, booleans and ``None`` are no
    secrets. A value that is neither a string nor a container is shown by its repr.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if is_secret_name(name):
        return MASK
    match value:
        case str():
            return redacted_text(value)
        case Mapping():
            return {redacted_text(str(key)): redacted(each, str(key)) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redacted(each) for each in value]
        case _:
            return redacted_text(repr(value))


def redacted_repr(self: Any) -> str:
    """A ``__repr__`` for structs that hold secrets or data of customers: fields with secret names are masked."""
    fields = [(name, getattr(self, name)) for name in self.__struct_fields__]
    shown = [(name, MASK if value and is_secret_name(name) else redacted_text(repr(value))) for name, value in fields]
    return f"{type(self).__name__}({', '.join(f'{name}={text}' for name, text in shown)})"


def is_secret_name(name: str) -> bool:
    """Return whether a field of this name is secret: ``client_secret``, ``Set-Cookie``, ``apiKey``, not ``key_id``."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return bool(words) and (words[-1] in _SECRET_WORDS or " ".join(words) in _SECRET_NAMES)


def redacted_text(text: str) -> str:
    """Return ``text`` with everything masked that looks like a secret."""
    for pattern, shown in _PATTERNS:
        text = pattern.sub(shown, text)
    return text


def redacted_message(text: str) -> str:
    """Return the first line of a foreign error's message, without what it quotes."""
    first, _, rest = text.partition("\n")
    return redacted_text(_QUOTATION.sub("'…'", first)) + (" …" if rest else "")
