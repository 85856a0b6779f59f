from __future__ import annotations

from hookward.domain.delivery.model import DeliveryStatus


def test_the_words_are_those_of_the_contract() -> None:
    assert [status.word for status in DeliveryStatus] == ["pending", "retrying", "delivered", "failed", "cancelled"]


def test_the_numbers_are_those_in_the_store() -> None:
    assert [int(status) for status in DeliveryStatus] == [1, 2, 3, 4, 5]


def test_a_delivery_is_open_until_it_is_delivered_failed_or_cancelled() -> None:
    assert [status.word for status in DeliveryStatus if status.open] == ["pending", "retrying"]
