"""Sealed values: what each is bound to, so that it opens nowhere else."""

from __future__ import annotations

from hookward.domain.ids import AccountId


def sealed_place(account: AccountId, owner: str | None, row: str, id_: bytes, field: str) -> str:
    """The associated data of a field of one row; ``row`` says what kind of row it is.

    All of these stay the same for as long as the row lives. The owner, the only free text, comes last, so that no two
    places read alike.
    """
    place = f"account:{account}/{row}:{id_.hex()}/{field}"
    return place if owner is None else f"{place}/owner:{owner}"
