"""A made-up event of a resource type's sample: to try templates on, and for test sends."""

from __future__ import annotations

from collections.abc import Mapping

from hookward.domain.change import ChangeEvent, ChangeKind
from hookward.domain.exact_json import encode_exact
from hookward.domain.identity import identity_of
from hookward.domain.ids import AccountId, EventId
from hookward.domain.resource_type import ResourceType


def sample_event(resource_type: ResourceType, scope: Mapping[str, str]) -> ChangeEvent:
    """An ``updated`` event that holds the sample; parameters that ``scope`` leaves open read ``1``.

    A parameter is open too where ``scope`` has the value that means any: no event can be published with that.
    """
    bound = {name: value for name, value in scope.items() if resource_type.any_value.get(name) != value}
    return ChangeEvent(
        id=EventId(bytes(16)),
        account=AccountId(0),
        resource_type=resource_type.name,
        type_version=resource_type.version,
        kind=ChangeKind.UPDATED,
        scope={name: bound.get(name, "1") for name in resource_type.scope},
        resource_id=identity_of(resource_type, resource_type.sample) or "sample",
        body=encode_exact(resource_type.sample),
    )
