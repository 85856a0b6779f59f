"""No struct and no dataclass of the package shows a secret, or user data, in its repr."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import importlib
import pkgutil
import types
import typing
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

import hookward
from hookward.adapters.crypto.sealing import AesGcmSealer
from hookward.config import Settings
from hookward.domain.redaction import MASK, is_secret_name, redacted_repr

CANARY = "canary-7f3a"
NO_SECRETS = {
    "names and indexes in a path": {"Query.keys", "TextOfOne.keys", "ValueOfOne.keys"},
    "what a catalog file says": {
        "_Batch.resource", "_Operations.body", "_Entry.body", "Operation.body", "OperationBatch.resource",
        "ResourceType.body",
    },
    "a document of ours": {"Text.body"},
    "public keys": {"PublishedKey.previous"},
    "an id": {"CredentialLock.credential"},
}  # fmt: skip
"""Fields that are called as secrets are, and hold none; each with what it holds."""
EPOCH = datetime.fromtimestamp(0, UTC)
UNBUILT = {"migrations", "__main__"}


def is_value(kind: Any) -> bool:
    return isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind))


def values_of_ours() -> Iterator[type]:
    """Every struct and dataclass that the package defines."""
    for module in pkgutil.walk_packages(hookward.__path__, "hookward."):
        if UNBUILT.isdisjoint(module.name.split(".")):
            for each in vars(importlib.import_module(module.name)).values():
                if is_value(each) and each.__module__ == module.name:
                    yield each


def fields_of(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    if issubclass(kind, msgspec.Struct):
        return {name: hints[name] for name in kind.__struct_fields__}
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}  # type: ignore[arg-type]


def made(kind: Any, text: str) -> Any:  # noqa: PLR0911
    """Something of this type, with ``text`` wherever a text can be; what is secret inside has the canary."""
    plain: dict[Any, Any] = {
        str: text, bytes: text.encode(), int: 1, float: 1.5, bool: True, Any: text, datetime: EPOCH,
        object: text,
        Path: Path(text), dict: {text: text}, list: [text], tuple: (text,),
    }  # fmt: skip
    if isinstance(kind, typing.NewType):
        return made(kind.__supertype__, text)
    if kind in plain:
        return plain[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return made(next(each for each in arguments if each not in (type(None), msgspec.UnsetType)), text)
    if origin is typing.Literal:
        return arguments[0]
    if origin in (dict, collections.abc.Mapping):
        return {made(arguments[0], text): made(arguments[1], text)}
    if origin is tuple:
        return tuple([made(each, text) for each in arguments if each is not ...])
    if origin in (list, collections.abc.Sequence):
        return [made(arguments[0], text)]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind))
    return filled(kind) if is_value(kind) else object()


def filled(kind: type) -> Any:
    """A value whose secret fields hold the canary."""
    return kind(
        **{name: made(hint, CANARY if is_secret(kind, name) else "plain") for name, hint in fields_of(kind).items()}
    )


def is_secret(kind: type, name: str) -> bool:
    return is_secret_name(name) and not any(f"{kind.__name__}.{name}" in each for each in NO_SECRETS.values())


@pytest.mark.parametrize("kind", list(values_of_ours()), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_what_is_named_as_a_secret_is_not_in_the_repr(kind: type) -> None:
    assert CANARY not in repr(filled(kind))


def test_the_walk_finds_what_it_should() -> None:
    found = {each.__name__ for each in values_of_ours()}
    assert found >= {
        "WatchSecrets",
        "OutgoingRequest",
        "Settings",
        "Stores",
        "AccessParts",
        "ApiKeyCreatedOut",
        "ConnectionOptions",
    }


def test_the_walk_would_see_a_secret_that_is_shown() -> None:
    class Showing(msgspec.Struct):
        client_secret: str

    class Quiet(Showing):
        __repr__ = redacted_repr

    assert CANARY in repr(filled(Showing))
    assert repr(filled(Quiet)) == f"Quiet(client_secret={MASK})"
    assert repr(Quiet(client_secret="")) == "Quiet(client_secret='')"


def test_settings_and_sealers_show_no_keys() -> None:
    assert repr(Settings().security) == "SecuritySettings(master_key_file=None, key_overlap=86400.0)"
    assert "canary" not in repr(AesGcmSealer(b"canary--" * 4))
