"""Who may change resource types."""

from __future__ import annotations

from typing import Any, cast

import pytest

from hookward.domain.errors import Forbidden
from hookward.domain.ids import AccountId
from hookward.entrypoints.api.dependencies import Caller, Scope
from hookward.entrypoints.api.resources.resource_types import create_type, delete_type, replace_type

INTEGRATOR = Caller(account=AccountId(1), scopes=frozenset({Scope.WATCHES}), owner="integrator-7")


@pytest.mark.parametrize("handler", [create_type, replace_type, delete_type])
async def test_a_key_with_an_owner_changes_no_type(handler: Any) -> None:
    nothing = cast("Any", None)
    with pytest.raises(Forbidden, match="owner"):
        await handler(nothing, INTEGRATOR, nothing)
