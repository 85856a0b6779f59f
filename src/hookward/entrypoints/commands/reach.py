"""Where a command takes effect, and what can be done there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What was said of where to go: with a URL or a key to the api, else to the store of this configuration."""

    config: Path | None
    url: str | None
    key: str | None = field(repr=False)
    account: str | None = None


class Desk(Protocol):
    """What can be done there; answers are those of the api."""

    async def create_key(self, given: Answer) -> Answer: ...

    async def keys(self, owner: str | None) -> list[Answer]: ...

    async def revoke_key(self, id_: str) -> None: ...

    async def create_account(self, given: Answer) -> Answer: ...

    async def accounts(self) -> list[Answer]: ...
