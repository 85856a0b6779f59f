from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookward.domain.events.model import ChangeEvent
from hookward.domain.ids import AccountId, EventId
from hookward.domain.resource_types.operations import ChangeKind


@pytest.mark.parametrize("kind", ChangeKind)
def test_a_kind_is_found_by_its_word(kind: ChangeKind) -> None:
    assert kind is ChangeKind.from_word(kind.word)


def test_the_words_are_those_of_the_contract() -> None:
    assert [kind.word for kind in ChangeKind] == ["created", "updated", "deleted", "merged"]


def test_the_numbers_are_those_in_the_store() -> None:
    assert [int(kind) for kind in ChangeKind] == [1, 2, 3, 4]


@given(st.text().filter(lambda word: word not in {"created", "updated", "deleted", "merged"}))
def test_no_other_word_names_a_kind(word: str) -> None:
    assert ChangeKind.from_word(word) is None


def event(body: bytes) -> ChangeEvent:
    return ChangeEvent(
        id=EventId(bytes(16)),
        account=AccountId(1),
        resource_type="appointment",
        type_version=1,
        kind=ChangeKind.UPDATED,
        scope={"companyId": "s3cret"},
        resource_id="s3cret",
        body=body,
    )


def test_the_resource_is_decoded_exactly() -> None:
    body = b'{"big":123456789012345678901234567890,"price":0.1000000000000000055}'
    assert event(body).resource() == {"big": 123456789012345678901234567890, "price": Decimal("0.1000000000000000055")}


def test_the_repr_of_an_event_shows_nothing_of_the_resource() -> None:
    assert repr(event(b'"s3cret"')) == "<ChangeEvent 00000000000000000000000000000000 appointment.updated>"
