"""A watch's view of an event: which of its resources the document holds, how it is laid out, on whose clocks."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from hookward.domain.change import ChangeEvent
from hookward.domain.document import body_without_template, document
from hookward.domain.resource_type import BodyShape


class Decoded(Protocol):
    """An event whose resources are decoded once for all who want them."""

    @property
    def change(self) -> ChangeEvent: ...

    def resource(self) -> Any: ...

    def extra(self) -> Any: ...

    def previous(self) -> Any: ...


class Perspective(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How the documents of one watch are made.

    With ``extra`` they hold the event's extra resource where there is one, with ``previous`` the state before the
    change where it is known. ``zone`` is for events that name none; without it the account's (``home``) is.
    """

    shape: BodyShape
    extra: bool = False
    previous: bool = False
    zone: str | None = None

    def laid_out(self, shape: BodyShape) -> Perspective:
        """The same for an event whose type, at the version that it was accepted by, is laid out so."""
        return self if self.shape is shape else msgspec.structs.replace(self, shape=shape)

    def document(self, event: Decoded, second: int, home: str | None) -> dict[str, Any]:
        """The document as values, at a moment of rendering."""
        return document(
            event.change,
            event.extra() if self.extra else event.resource(),
            shape=self.shape,
            second=second,
            zone=event.change.zone or self.zone or home or "UTC",
            previous=event.previous() if self.previous else msgspec.UNSET,
        )

    def body(self, change: ChangeEvent, second: int, home: str | None) -> bytes:
        """The document as JSON."""
        return body_without_template(
            change,
            shape=self.shape,
            second=second,
            zone=change.zone or self.zone or home or "UTC",
            extra=self.extra,
            previous=self.previous,
        )
