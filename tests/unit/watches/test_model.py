from __future__ import annotations

import msgspec
import pytest

from hookward.domain.crypto_keys.model import KeyDefinition
from hookward.domain.resource_types.operations import ChangeKind
from hookward.domain.watches.matching import ALL_KINDS
from hookward.domain.watches.model import WatchDefinition, WatchMethod, WatchSecrets, WatchStatus


def test_the_words_of_a_status_are_those_of_the_contract() -> None:
    assert [status.word for status in WatchStatus] == ["enabled", "paused", "disabled"]


def test_the_numbers_of_a_status_are_those_in_the_store() -> None:
    assert [int(status) for status in WatchStatus] == [1, 2, 3]


def test_delete_and_get_send_no_body() -> None:
    assert [method for method in WatchMethod.ALL if method not in WatchMethod.WITHOUT_BODY] == ["POST", "PUT", "PATCH"]


def test_a_watch_without_events_wants_all_of_them() -> None:
    assert WatchDefinition(address="https://example.com").kinds == ALL_KINDS


@pytest.mark.parametrize("kind", ChangeKind)
def test_a_watch_wants_the_events_it_names(kind: ChangeKind) -> None:
    assert 1 << kind == WatchDefinition(address="https://example.com", events=(kind.word,)).kinds


def test_the_repr_of_the_secrets_holds_none() -> None:
    secrets = WatchSecrets(password="s3cret", headers={"x": "s3cret"})
    assert "s3cret" not in f"{secrets!r} {secrets}"


@pytest.mark.parametrize(
    "value",
    [
        WatchDefinition(address="https://example.com"),
        WatchDefinition(address="https://example.com", scope={"a": "1"}, events=("merged",), schema=None),
        WatchDefinition(address="https://example.com", schema={"a": "${$.id}"}, header_names=("x",), key_ids=("k",)),
        WatchSecrets(password="s3cret", headers={"x": "é"}),
        KeyDefinition(name="a key"),
    ],
)
def test_what_is_kept_survives_being_encoded_and_decoded(value: object) -> None:
    assert value == msgspec.json.decode(msgspec.json.encode(value), type=type(value))
