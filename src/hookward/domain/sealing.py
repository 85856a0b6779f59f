"""Associated data that binds each sealed value to its row, so that it cannot be opened in another."""

from __future__ import annotations

from hookward.domain.ids import AccountId


def sealed_place(account: AccountId, owner: str | None, row: str, id_: bytes, field: str) -> str:
    """Return the associated data of one field of a row; ``row`` is the kind of row.

    All parts stay the same while the row exists. The owner, the only free text, comes last, so that no two places give
    the same string.
    """
    place = f"account:{account}/{row}:{id_.hex()}/{field}"
    return place if owner is None else f"{place}/owner:{owner}"
