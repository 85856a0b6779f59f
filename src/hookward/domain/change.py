"""Change events: what an upstream service says has happened to one resource."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec

from hookward.domain.exact_json import decode_exact
from hookward.domain.ids import AccountId, EventId


class ChangeKind(IntEnum):
    """What happened; the number is what the store keeps."""

    CREATED = 1
    UPDATED = 2
    DELETED = 3
    MERGED = 4

    @property
    def word(self) -> str:
        """``created``: what users read and write."""
        return _WORDS[self]

    @classmethod
    def from_word(cls, word: str) -> ChangeKind | None:
        return _KINDS.get(word)


_WORDS = {kind: kind.name.lower() for kind in ChangeKind}
_KINDS = {word: kind for kind, word in _WORDS.items()}


class ChangeEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One accepted change event.

    ``body`` is the resource after the change and ``previous``/``extra`` what the publisher sent beside it, each as
    JSON; ``scope`` maps scope parameters to texts; ``version`` is the version of the definitions that apply.
    """

    id: EventId
    account: AccountId
    resource_type: str
    type_version: int
    kind: ChangeKind
    scope: dict[str, str]
    resource_id: str
    body: bytes
    previous: bytes | None = None
    extra: bytes | None = None
    zone: str | None = None
    version: int = 0

    def __repr__(self) -> str:
        return f"<ChangeEvent {self.id.hex()} {self.resource_type}.{self.kind.word}>"

    def resource(self) -> Any:
        """The resource, decoded; numbers keep their value (see :mod:`hookward.domain.exact_json`)."""
        return decode_exact(self.body)

    def extra_resource(self) -> Any:
        """What the publisher sent as ``extraFull``, decoded; ``None`` where nothing was sent."""
        return None if self.extra is None else decode_exact(self.extra)

    def previous_resource(self) -> Any:
        """The state before the change, decoded; ``None`` where it is not known."""
        return None if self.previous is None else decode_exact(self.previous)
