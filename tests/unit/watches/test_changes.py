"""A watch given again: what is kept, what stays, and how a patch is read."""

from __future__ import annotations

from typing import Any

import pytest

from hookward.domain.errors import Invalid
from hookward.domain.resource_types.model import ResourceType
from hookward.domain.watches.changes import patched, read_changed_watch
from hookward.domain.watches.model import WatchDefinition, WatchSecrets
from hookward.domain.watches.rules import WatchRequest
from tests.unit.resource_types.resource_types import made_up
from tests.unit.watches.watch_input import KEY_IDS, RIGHT, SECOND

TYPE: ResourceType = made_up()
BEFORE = WatchDefinition(
    address=RIGHT["address"], scope={"shopId": "9"}, username="u", header_names=("X-A", "X-B"), signed=True,
    key_ids=(KEY_IDS[0],),
)  # fmt: skip
SECRETS = WatchSecrets(password="old", headers={"X-A": "a", "X-B": "b"})
SHOWN: dict[str, Any] = {**RIGHT, "httpRequestHeader": {"X-A": None, "X-B": None}, "schema": None}


def change(given: Any) -> WatchRequest:
    return read_changed_watch(given, BEFORE, SECRETS, TYPE, second=SECOND)


def problems(given: Any) -> list[str | None]:
    with pytest.raises(Invalid) as refused:
        change(given)
    return [each.pointer for each in refused.value.problems]


def test_blocks_that_are_left_out_are_removed_with_their_secrets() -> None:
    request = change(RIGHT)
    assert (request.definition, request.secrets, request.make_key) == (
        WatchDefinition(address=RIGHT["address"], scope={"shopId": "9"}), WatchSecrets(), False,
    )  # fmt: skip


def test_blocks_that_are_repeated_without_secrets_keep_them() -> None:
    given = {
        **RIGHT, "basicAuth": {"username": "u"}, "httpRequestHeader": {"X-A": None, "x-b": None},
        "signature": {"enabled": True},
    }  # fmt: skip
    request = change(given)
    assert request.secrets == WatchSecrets(password="old", headers={"X-A": "a", "x-b": "b"})
    assert (request.definition.key_ids, request.make_key) == (BEFORE.key_ids, False)


def test_secrets_that_are_given_replace_those_of_before() -> None:
    given = {
        **RIGHT, "basicAuth": {"username": "v", "password": "new"}, "httpRequestHeader": {"X-A": "new"},
        "signature": {"enabled": True, "cryptoKeyIds": [KEY_IDS[1]]},
    }  # fmt: skip
    request = change(given)
    assert request.secrets == WatchSecrets(password="new", headers={"X-A": "new"})
    assert (request.definition.username, request.definition.key_ids) == ("v", (KEY_IDS[1],))


@pytest.mark.parametrize(
    ("signature", "key_ids"),
    [
        ({"enabled": True, "cryptoKeyIds": []}, BEFORE.key_ids),
        ({"enabled": True, "cryptoKeyIds": None}, BEFORE.key_ids),
        ({"enabled": False}, BEFORE.key_ids), ({"enabled": False, "cryptoKeyIds": []}, ()),
    ],
)  # fmt: skip
def test_a_signature_means_the_keys_of_before_unless_it_lets_them_go(
    signature: dict[str, Any], key_ids: tuple[str, ...]
) -> None:
    request = change({**RIGHT, "signature": signature})
    assert (request.definition.key_ids, request.make_key) == (key_ids, False)


def test_secrets_that_never_were_are_not_kept() -> None:
    bare = WatchDefinition(address=RIGHT["address"], scope={"shopId": "9"})
    given = {**RIGHT, "basicAuth": {"username": "u"}, "httpRequestHeader": {"X-A": None}}
    with pytest.raises(Invalid) as refused:
        read_changed_watch(given, bare, WatchSecrets(), TYPE, second=SECOND)
    assert [each.pointer for each in refused.value.problems] == ["/basicAuth/password", "/httpRequestHeader/X-A"]


@pytest.mark.parametrize("block", ["basicAuth", "httpRequestHeader", "signature"])
def test_a_block_of_another_shape_is_named(block: str) -> None:
    assert problems({**RIGHT, block: 7}) == [f"/{block}"]


def test_what_is_no_object_is_refused() -> None:
    assert problems([]) == [""]


def test_all_events_by_name_are_the_default() -> None:
    assert change({**RIGHT, "events": ["merged", "deleted", "updated", "created"]}).definition.events == ()
    assert change({**RIGHT, "events": ["merged"]}).definition.events == ("merged",)


@pytest.mark.parametrize("same", [{}, {"resourceType": TYPE.name, "scope": {"shopId": 9}}, {"scope": None}])
def test_type_and_scope_may_be_sent_back(same: dict[str, Any]) -> None:
    assert change({**RIGHT, **same}).definition.scope == {"shopId": "9"}


def test_another_type_or_scope_is_named_with_all_else_that_is_wrong() -> None:
    other = {"resourceType": "other", "scope": {"shopId": "8"}}
    assert problems({**RIGHT, **other}) == ["/resourceType", "/scope"]
    assert problems({**RIGHT, **other, "name": 7}) == ["/resourceType", "/scope", "/name"]


# Patches.


def test_a_patch_is_merged_into_the_watch_as_it_reads_back() -> None:
    assert patched(SHOWN, {"name": "n", "address": None}) == {
        "name": "n", "httpRequestHeader": SHOWN["httpRequestHeader"], "schema": None,
    }  # fmt: skip


def test_a_patch_of_headers_means_those_that_are_there_whatever_their_case() -> None:
    merged = patched(SHOWN, {"httpRequestHeader": {"x-a": None, "x-b": "new", "X-C": "c"}})
    assert merged["httpRequestHeader"] == {"X-B": "new", "X-C": "c"}


def test_a_patch_that_names_a_header_twice_is_left_to_be_refused() -> None:
    merged = patched(SHOWN, {"httpRequestHeader": {"X-A": "1", "x-a": "2"}})
    assert merged["httpRequestHeader"] == {"X-A": "1", "x-a": "2", "X-B": None}


def test_a_patch_may_remove_all_headers() -> None:
    assert "httpRequestHeader" not in patched(SHOWN, {"httpRequestHeader": None})


@pytest.mark.parametrize("patch", [None, [], "x", 7])
def test_what_is_no_patch_is_refused(patch: Any) -> None:
    with pytest.raises(Invalid) as refused:
        patched(SHOWN, patch)
    assert [each.pointer for each in refused.value.problems] == [""]
