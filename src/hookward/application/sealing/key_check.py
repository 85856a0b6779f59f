"""Whether the master keys of this process open what is sealed in the database; asked once, at the start.

The database keeps one *proof* for each key that seals something in it: a value that means nothing, sealed with the key.
A process begins only when its ring opens every proof, and leaves one of the key that it seals with. So a key that was
forgotten, mistyped or rolled back is found out at the start, and not by an integrator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from hookward.application.ports import SealingKeys
from hookward.domain.errors import ConfigError, DecryptionFailed

_ABOUT = "proof"
_PROOF = b"hookward"

KeyCheckValues = Mapping[bytes, bytes]
"""KeyCheckValues by the marks of their keys."""


class ProofStore(Protocol):
    """Where proofs are kept."""

    async def proofs(self) -> KeyCheckValues: ...

    async def add_proof(self, mark: bytes, proof: bytes, *, judge: Callable[[KeyCheckValues], None]) -> None:
        """Keep another proof, if ``judge`` does not raise for those that are there; nobody adds one meanwhile."""
        ...


async def admit(ring: SealingKeys, store: ProofStore, *, setting: str) -> None:
    """Leave a proof of the key that seals; raises ConfigError, which names ``setting``, unless all proofs open."""

    def judge(proofs: KeyCheckValues) -> None:
        closed = [mark for mark, proof in proofs.items() if not _opens(ring, proof)]
        if closed:
            raise ConfigError(_refusal(ring, closed, setting))

    proofs = await store.proofs()
    judge(proofs)
    mark = ring.marks[0]
    if mark not in proofs:
        await store.add_proof(mark, ring.seal(_PROOF, _ABOUT), judge=judge)


def key_name(mark: bytes) -> str:
    """How a key is shown: by its id, which tells nothing of it."""
    return mark[1:].hex()


def _opens(ring: SealingKeys, proof: bytes) -> bool:
    try:
        return ring.unseal(proof, _ABOUT) == _PROOF
    except DecryptionFailed:
        return False


def _refusal(ring: SealingKeys, closed: list[bytes], setting: str) -> str:
    asked = " and ".join(key_name(mark) for mark in closed)
    given = ", ".join(key_name(mark) for mark in ring.marks)
    return (
        f"{setting}: wrong key: secrets in this database are sealed with master key {asked}, "
        f"and configured is {given}; give that key, or add it to security.old_master_keys"
    )
