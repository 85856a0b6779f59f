from __future__ import annotations

import pytest

from hookward.domain.events.rules import sample_event
from hookward.domain.resource_types.operations import ChangeKind
from tests.unit.resource_types.resource_types import built_in, made_up


@pytest.mark.parametrize("name", sorted(built_in()))
def test_a_sample_event_holds_the_sample_of_its_type(name: str) -> None:
    resource_type = built_in()[name]
    event = sample_event(resource_type, {})
    assert (name, dict(resource_type.sample)) == (event.resource_type, event.resource())


def test_a_sample_event_is_an_update() -> None:
    assert sample_event(made_up(), {}).kind is ChangeKind.UPDATED


def test_a_sample_event_is_identified_like_any_other() -> None:
    assert sample_event(made_up(identity=("id", "seats")), {}).resource_id == "order-1/3"


def test_a_sample_without_identity_is_called_sample() -> None:
    assert sample_event(made_up(sample={}), {}).resource_id == "sample"


def test_parameters_that_a_watch_leaves_open_read_1() -> None:
    resource_type = made_up(scope=("shopId", "townId"))
    assert sample_event(resource_type, {"townId": "7"}).scope == {"shopId": "1", "townId": "7"}


def test_a_sample_event_has_the_parameters_of_its_type_only() -> None:
    assert sample_event(made_up(scope=("shopId",)), {"planet": "9"}).scope == {"shopId": "1"}


def test_a_value_that_means_any_is_an_open_parameter() -> None:
    resource_type = built_in()["conference.registration"]
    event = sample_event(resource_type, {"conferenceId": "12", "sessionId": "0"})
    assert event.scope == {"conferenceId": "12", "sessionId": "1"}
