"""Resource types, made up and built in, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from hookward.adapters.catalog import load_catalog
from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, EventId
from hookward.domain.resource_types.model import BodyShape, ResourceType
from hookward.domain.resource_types.operations import ChangeKind


def made_up(
    *,
    name: str = "shop.order",
    title: str = "",
    scope: tuple[str, ...] = ("shopId",),
    identity: tuple[str, ...] = ("id",),
    body: BodyShape = BodyShape.WRAPPED,
    sample: Mapping[str, Any] | None = None,
    any_value: Mapping[str, str] | None = None,
) -> ResourceType:
    return ResourceType(
        name=name,
        title=title,
        scope=scope,
        identity=identity,
        body=body,
        schema={},
        sample={"id": "order-1", "seats": 3} if sample is None else sample,
        any_value=any_value or {},
    )


@cache
def built_in() -> dict[str, ResourceType]:
    return {each.name: each for each in load_catalog()}


def change_event(
    body: bytes = b"{}",
    *,
    kind: ChangeKind = ChangeKind.UPDATED,
    scope: Mapping[str, str] | None = None,
    version: int = 0,
    account: int = 1,
    resource_type: str = "shop.order",
    type_version: int = 1,
) -> ChangeEvent:
    return ChangeEvent(
        id=EventId(bytes(16)),
        account=AccountId(account),
        resource_type=resource_type,
        type_version=type_version,
        kind=kind,
        scope=dict(scope or {}),
        resource_id="1",
        body=body,
        version=version,
    )
