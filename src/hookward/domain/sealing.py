"""Associated data that binds each sealed value to its row, so that it cannot be opened in another."""

from __future__ import annotations

from typing import Protocol

from hookward.domain.ids import AccountId


def sealed_place(account: AccountId, owner: str | None, row: str, id_: bytes, field: str) -> str:
    """Return the associated data of one field of a row; ``row`` is the kind of row.

    All parts stay the same while the row exists. The owner, the only free text, comes last, so that no two places give
    the same string.
    """
    place = f"account:{account}/{row}:{id_.hex()}/{field}"
    return place if owner is None else f"{place}/owner:{owner}"


class SealedRow(Protocol):
    """A row with sealed values."""

    @property
    def account(self) -> AccountId: ...

    @property
    def owner(self) -> str | None: ...

    @property
    def id(self) -> bytes: ...


def watch_subject(row: SealedRow) -> str:
    """Return the associated data of a watch's sealed secrets: they cannot be decrypted as those of another row."""
    return sealed_place(row.account, row.owner, "watch", row.id, "secrets")


def key_subject(row: SealedRow) -> str:
    """Return the associated data of a crypto key's sealed secrets."""
    return sealed_place(row.account, row.owner, "key", row.id, "secret")
