"""Check at the start of a process whether its master keys decrypt what the database holds.

The database keeps one key check value for each master key that encrypts something in it: a constant, encrypted with
that key. A process starts only when its keys decrypt all of them, and adds the value of the key that it encrypts with.
So a key that is missing, mistyped or rolled back is reported at the start, and not by an integrator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from hookward.application.ports import SealingKeys
from hookward.domain.errors import ConfigError, DecryptionFailed

_ABOUT = "proof"
_CONSTANT = b"hookward"

KeyCheckValues = Mapping[bytes, bytes]
"""Key check values by the prefixes of their keys."""


class KeyCheckStore(Protocol):
    """Where key check values are stored."""

    async def key_check_values(self) -> KeyCheckValues: ...

    async def add_key_check_value(
        self, prefix: bytes, value: bytes, *, validate: Callable[[KeyCheckValues], None]
    ) -> None:
        """Add a value unless ``validate`` raises for those that are stored; no other process adds one in between."""
        ...


async def verify_master_keys(keys: SealingKeys, store: KeyCheckStore, *, setting: str) -> None:
    """Raise ConfigError, which names ``setting``, unless ``keys`` decrypt all key check values.

    Adds the value of the key that encrypts.
    """

    def validate(values: KeyCheckValues) -> None:
        wrong = [prefix for prefix, value in values.items() if not _decrypts(keys, value)]
        if wrong:
            raise ConfigError(_wrong_key(keys, wrong, setting))

    values = await store.key_check_values()
    validate(values)
    prefix = keys.key_prefixes[0]
    if prefix not in values:
        await store.add_key_check_value(prefix, keys.seal(_CONSTANT, _ABOUT), validate=validate)


def key_name(prefix: bytes) -> str:
    """Return the id of a key as shown to users; it reveals nothing of the key."""
    return prefix[1:].hex()


def _decrypts(keys: SealingKeys, value: bytes) -> bool:
    try:
        return keys.unseal(value, _ABOUT) == _CONSTANT
    except DecryptionFailed:
        return False


def _wrong_key(keys: SealingKeys, wrong: list[bytes], setting: str) -> str:
    needed = " and ".join(key_name(prefix) for prefix in wrong)
    given = ", ".join(key_name(prefix) for prefix in keys.key_prefixes)
    return (
        f"{setting}: wrong key: secrets in this database are sealed with master key {needed}, "
        f"and configured is {given}; give that key, or add it to security.old_master_keys"
    )
